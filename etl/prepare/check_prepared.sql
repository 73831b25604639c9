-- check_prepared: what is wrong with a prepared month, and what is odd, as stretches [us, until_us) of bars.
-- Reads bar (us, until_us, high, low, close, volume, minutes, source), the prepared rows, [us, until_us) being a
-- bar's length in microseconds since the epoch, each with before_us, before_until_us, before_close, before_minutes
-- and before_source of the row before it; raw_bar as best_bars does, what they were chosen from (without rows where
-- there was nothing to choose); and month (starts_us, ends_us, through_us), one row: all is known until through_us.
-- Bars before and after the month are not read. Runs unchanged on DuckDB and on Spark.
WITH daily AS (
    SELECT us - us % 86400000000 AS day, max(high) / min(low) - 1 AS extent FROM bar GROUP BY us - us % 86400000000
),
around AS (
    -- a day's own range holds the jump: the days beside it tell what is usual, as a part of the price
    SELECT
        day,
        greatest(coalesce(lag(extent) OVER by_day, 0), coalesce(lead(extent) OVER by_day, 0)) AS extent
    FROM daily
    WINDOW by_day AS (ORDER BY day)
),
hole AS (
    SELECT source, least(minutes, before_minutes) AS minutes, before_until_us AS us, us AS until_us
    FROM bar
    WHERE us > before_until_us
    UNION ALL
    SELECT max_by(source, us), max_by(minutes, us), max(until_us), max(through_us)
    FROM bar
    CROSS JOIN month
    HAVING max(until_us) < max(through_us)
),
still AS (
    -- one bar of a run follows the other: they begin equally long after the bar of their number would
    SELECT
        source,
        minutes,
        us,
        until_us,
        us - row_number() OVER (PARTITION BY source, minutes ORDER BY us) * minutes * 60000000 AS run
    FROM bar
    WHERE volume = 0
),
newest AS (
    SELECT
        source,
        CAST(minutes AS BIGINT) AS minutes,
        us + CAST(minutes AS BIGINT) * 60000000 AS until_us,
        close,
        volume
    FROM raw_bar
    QUALIFY row_number() OVER (PARTITION BY source, minutes, us ORDER BY file_number DESC) = 1
)
SELECT
    CASE
        WHEN us <= before_us THEN 'out_of_order'
        WHEN us < starts_us OR us >= ends_us THEN 'outside'
        ELSE 'mixed'
    END AS kind,
    source, minutes, us, until_us,
    CAST(1 AS BIGINT) AS bars, CAST(1 AS BIGINT) AS parts,
    CAST(0 AS DOUBLE) AS price, CAST(0 AS DOUBLE) AS other_price,
    '' AS other_source, CAST(0 AS BIGINT) AS other_minutes
FROM bar
CROSS JOIN month
WHERE
    us <= before_us
    OR us < starts_us
    OR us >= ends_us
    -- the day that both are of began before the earlier one
    OR (us - us % 86400000000 <= before_us AND (source <> before_source OR minutes <> before_minutes))
UNION ALL
SELECT
    'jump', source, minutes, us, until_us, 1, 1,
    CASE WHEN high / before_close >= before_close / low THEN high ELSE low END, before_close, '', 0
FROM bar
JOIN around ON us - us % 86400000000 = around.day
WHERE
    -- over a longer hole the price may go anywhere; between still days a tenth is no fault; a fall is measured as
    -- the rise that it undoes, for no fall is more than the whole price
    us - before_until_us < 86400000000
    AND extent > 0
    AND greatest(high / before_close, before_close / low) - 1 > greatest(20 * extent, CAST(0.1 AS DOUBLE))
UNION ALL
SELECT 'no_trades', source, minutes, min(us), max(until_us), count(*), 1, 0, 0, '', 0
FROM still
GROUP BY source, minutes, run
HAVING count(*) * minutes > 60
UNION ALL
SELECT
    'gap', source, minutes, us, until_us,
    CAST(floor((until_us - us) / (60000000 * minutes)) AS BIGINT), 1, 0, 0, '', 0
FROM hole
WHERE until_us - us >= 3600000000
UNION ALL
-- many that are short make one for the month
SELECT
    'sparse', source, minutes, min(us), max(until_us),
    CAST(floor(sum((until_us - us) / (60000000 * minutes))) AS BIGINT), count(*), 0, 0, '', 0
FROM hole
WHERE until_us - us < 3600000000
GROUP BY source, minutes
HAVING sum(until_us - us) >= 3600000000
UNION ALL
-- closes of the same instant, whatever the bars' lengths; without a trade a close is an old one
SELECT
    'disagreement', bar.source, bar.minutes, bar.us, bar.until_us, 1, 1,
    bar.close, newest.close, newest.source, newest.minutes
FROM bar
JOIN newest ON bar.until_us = newest.until_us
WHERE
    (bar.source <> newest.source OR bar.minutes <> newest.minutes)
    AND bar.volume > 0
    AND newest.volume > 0
    AND abs(bar.close - newest.close) > CAST(0.02 AS DOUBLE) * least(bar.close, newest.close)
ORDER BY kind, source, minutes, other_source, other_minutes, us
