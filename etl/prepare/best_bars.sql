-- best_bars: each day of a market from its best bars only, so that finer and coarser ones never mix.
-- Reads raw_bar (source, minutes, file_number, ts, open, high, low, close, volume), one row per raw row.
-- Runs unchanged on DuckDB and on Spark, the session's time zone being UTC.
WITH newest AS (
    -- a corrected fetch is a later file: it wins bar by bar
    SELECT source, minutes, ts, open, high, low, close, volume
    FROM raw_bar
    QUALIFY row_number() OVER (PARTITION BY source, minutes, ts ORDER BY file_number DESC) = 1
),
covered AS (
    -- a daily bar speaks for all 24 hours of its day
    SELECT
        CAST(ts AS DATE) AS day,
        source,
        minutes,
        CASE WHEN max(minutes) = 1440 THEN 24 ELSE count(DISTINCT date_trunc('hour', ts)) END AS hours
    FROM newest
    GROUP BY ALL
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
    ON CAST(newest.ts AS DATE) = chosen.day
    AND newest.source = chosen.source
    AND newest.minutes = chosen.minutes
ORDER BY newest.ts
