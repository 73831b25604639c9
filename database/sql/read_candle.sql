-- name: fetch_minute
-- the raw minute bars; coarser raw bars of the range are not minutes and stay out
SELECT {columns}
FROM candle
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s AND minutes = 1
ORDER BY ts

-- name: fetch_minutes
-- bars of 5 and 15 minutes from the raw minutes: no aggregate is kept for them
SELECT date_bin(%(length)s, ts, 'epoch') AS ts, (array_agg(open ORDER BY ts))[1] AS open, max(high) AS high,
       min(low) AS low, (array_agg(close ORDER BY ts DESC))[1] AS close, sum(volume ORDER BY ts) AS volume,
       count(*) AS observed, sum(close ORDER BY ts) AS close_sum, 1::bigint AS minutes
FROM candle
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s AND minutes = 1
GROUP BY 1
ORDER BY 1

-- name: fetch_hour
-- hourly bars as aggregated at load time
SELECT {columns}
FROM candle_1h
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
ORDER BY ts

-- name: fetch_hours
-- bars of 4 hours from the hourly aggregate: 240 times fewer rows than from minutes
SELECT date_bin(%(length)s, ts, 'epoch') AS ts, (array_agg(open ORDER BY ts))[1] AS open, max(high) AS high,
       min(low) AS low, (array_agg(close ORDER BY ts DESC))[1] AS close, sum(volume ORDER BY ts) AS volume,
       sum(observed)::bigint AS observed, sum(close_sum ORDER BY ts) AS close_sum, max(minutes)::bigint AS minutes
FROM candle_1h
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
GROUP BY 1
ORDER BY 1

-- name: fetch_day
-- daily bars as aggregated at load time
SELECT {columns}
FROM candle_1d
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
ORDER BY ts

-- name: fetch_days
-- weeks (from Monday) and calendar months from the daily aggregate
SELECT date_trunc(%(unit)s, ts, 'UTC') AS ts, (array_agg(open ORDER BY ts))[1] AS open, max(high) AS high,
       min(low) AS low, (array_agg(close ORDER BY ts DESC))[1] AS close, sum(volume ORDER BY ts) AS volume,
       sum(observed)::bigint AS observed, sum(close_sum ORDER BY ts) AS close_sum, max(minutes)::bigint AS minutes
FROM candle_1d
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
GROUP BY 1
ORDER BY 1

-- name: fetch_fineness
-- how fine the bars of a range are, to tell a missing bar from one that was never loaded that fine
SELECT min(minutes), count(*) FILTER (WHERE minutes > %(minutes)s)
FROM candle_1d
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s

-- name: fetch_close_before
-- the newest close before a range, for the bars that its first gap is filled with
SELECT close
FROM candle
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
ORDER BY ts DESC
LIMIT 1

-- name: fetch_extremes
-- the base bars at which the highest and the lowest price first occurred, inside the bars known to hold them
SELECT (SELECT ts FROM candle
        WHERE symbol = %(symbol)s AND ts >= %(high_start)s AND ts < %(high_end)s AND high = %(high)s
        ORDER BY ts LIMIT 1),
       (SELECT ts FROM candle
        WHERE symbol = %(symbol)s AND ts >= %(low_start)s AND ts < %(low_end)s AND low = %(low)s
        ORDER BY ts LIMIT 1)

-- name: fetch_price
-- the newest bar that had ended: at most one bar is open at an instant, so the walk down the index is short
SELECT ts + minutes * INTERVAL '1 minute', close, (SELECT sum(version)::bigint FROM data_version)
FROM candle
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
      AND ts + minutes * INTERVAL '1 minute' <= %(end)s
ORDER BY ts DESC
LIMIT 1

-- name: fetch_kept_close
-- where a retention dropped the base bars: the newest hour that had ended, or day that has no hours
SELECT ended, close, (SELECT sum(version)::bigint FROM data_version)
FROM (
    (SELECT ts + INTERVAL '1 hour' AS ended, close FROM candle_1h
     WHERE symbol = %(symbol)s AND ts <= %(end)s::timestamptz - INTERVAL '1 hour'
     ORDER BY ts DESC LIMIT 1)
    UNION ALL
    (SELECT ts + INTERVAL '24 hours', close FROM candle_1d
     WHERE symbol = %(symbol)s AND ts <= %(end)s::timestamptz - INTERVAL '24 hours' AND minutes > 60
     ORDER BY ts DESC LIMIT 1)
) AS newest
ORDER BY ended DESC
LIMIT 1
