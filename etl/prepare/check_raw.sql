-- check_raw: the first raw bar that is none, with what is wrong and its values; no row when all are sound.
-- Reads raw_bar (source, minutes, file_number, us, before_us, open, high, low, close, volume), one row
-- per raw row, `us` being ts in microseconds since the epoch and before_us that of the row before in its file, and
-- month (starts_us, ends_us), one row.
-- Runs unchanged on DuckDB and on Spark. NaN is above infinity on both, so each test asks for what must hold.
WITH judged AS (
    SELECT
        CASE
            WHEN us IS NULL OR open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL OR volume IS NULL
                THEN 'has an empty value'
            WHEN us <= before_us THEN 'does not follow the bar before it in time'
            WHEN us < starts_us OR us >= ends_us THEN 'lies outside the month'
            WHEN us % (CAST(minutes AS BIGINT) * 60000000) <> 0 THEN 'does not start where a bar of its length does'
            WHEN NOT low > 0 THEN 'has a price that is not above zero'
            WHEN NOT greatest(open, high, low, close) < CAST('Infinity' AS DOUBLE) THEN 'has a price that is not finite'
            WHEN NOT (low <= least(open, close) AND greatest(open, close) <= high)
                THEN 'has prices that disagree: open and close must lie between low and high'
            WHEN NOT (volume >= 0 AND volume < CAST('Infinity' AS DOUBLE))
                THEN 'has a volume that is not finite and at least zero'
        END AS wrong,
        source,
        CAST(minutes AS INTEGER) AS minutes,
        CAST(file_number AS INTEGER) AS file_number,
        us,
        open,
        high,
        low,
        close,
        volume
    FROM raw_bar
    CROSS JOIN month
)
SELECT wrong, source, minutes, file_number, us, open, high, low, close, volume
FROM judged
WHERE wrong IS NOT NULL
ORDER BY source, minutes, file_number, us
LIMIT 1
