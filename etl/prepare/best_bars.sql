-- best_bars: each day of a market from its best bars only, so that finer and coarser ones never mix.
-- Reads raw_bar (source, minutes, file_number, files, ts, us, open, high, low, close, volume), one row per raw row,
-- `us` being ts in microseconds since the epoch: whole hours and days of UTC are told from it, whatever the session's
-- time zone; `files` counts the files of its source and length. Runs unchanged on DuckDB and on Spark.
WITH newest AS (
    -- a corrected fetch is a later file: it wins bar by bar
    SELECT source, minutes, ts, us, us - us % 86400000000 AS day, open, high, low, close, volume
    FROM raw_bar
    WHERE files = 1
    UNION ALL
    SELECT source, minutes, ts, us, us - us % 86400000000 AS day, open, high, low, close, volume
    FROM raw_bar
    WHERE files > 1
    QUALIFY row_number() OVER (PARTITION BY source, minutes, us ORDER BY file_number DESC) = 1
),
covered AS (
    -- a daily bar speaks for all 24 hours of its day
    SELECT
        day,
        source,
        minutes,
        CASE WHEN minutes = 1440 THEN 24 ELSE count(DISTINCT us - us % 3600000000) END AS hours
    FROM newest
    GROUP BY day, source, minutes
),
chosen AS (
    SELECT day, source, minutes
    FROM covered
    QUALIFY row_number() OVER (
        PARTITION BY day
        ORDER BY
            hours DESC,
            minutes,
            CASE source WHEN 'bitstamp' THEN 1 WHEN 'coinbase' THEN 2 WHEN 'kraken' THEN 3 WHEN 'binance' THEN 4 ELSE 5 END,
            source
    ) = 1
)
SELECT
    newest.ts,
    newest.open,
    newest.high,
    newest.low,
    newest.close,
    newest.volume,
    CAST(newest.minutes AS SMALLINT) AS minutes,
    newest.source
FROM newest
JOIN chosen
    ON newest.day = chosen.day
    AND newest.source = chosen.source
    AND newest.minutes = chosen.minutes
ORDER BY newest.us
