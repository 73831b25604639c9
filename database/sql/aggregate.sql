-- name: write_refresh
-- Continuous aggregates cannot be refreshed in a transaction: what waits is written with the load.
INSERT INTO aggregate_refresh (symbol, from_day, to_day) VALUES (%s, %s, %s);

-- name: read_refreshes
-- The days whose aggregates are older than their bars.
SELECT refresh_id, from_day, to_day, symbol FROM aggregate_refresh ORDER BY refresh_id;

-- name: find_empty_days
-- Days without bars that a refresh of all markets' would erase: those of which there are aggregates, and whether a
-- load or a removal of their own touched them, and those that one touched without any yet. One statement, so that
-- a load of the same moment is seen whole; the bars are probed day by day: as a join they were all read.
WITH day AS MATERIALIZED (
    SELECT symbol, bucket AS starts,
           EXISTS (
               SELECT FROM aggregate_refresh AS own
               WHERE (own.symbol = aggregated.symbol OR own.symbol IS NULL)
                 AND own.from_day <= bucket AND bucket < own.to_day
           ) AS touched
    FROM candle_day AS aggregated
    WHERE bucket >= %(from_day)s AND bucket < %(to_day)s
    UNION
    SELECT symbol, starts, true
    FROM aggregate_refresh
    CROSS JOIN LATERAL generate_series(
        greatest(from_day, %(from_day)s), least(to_day, %(to_day)s) - INTERVAL '24 hours', INTERVAL '24 hours'
    ) AS starts
    WHERE symbol IS NOT NULL
)
SELECT symbol, starts, touched
FROM day
WHERE (
    SELECT true FROM candle
    WHERE candle.symbol = day.symbol
      AND ts >= starts AND ts < starts + INTERVAL '24 hours'
      -- the bounds once more, for only these tell the planner which chunks it may leave out
      AND ts >= %(from_day)s AND ts < %(to_day)s
    LIMIT 1
) IS NULL
ORDER BY symbol, starts;

-- name: find_dropped_month
-- Whether bars that the month's load brought are gone: only what drops them leaves the marker as it was.
SELECT true FROM load
WHERE symbol = %(symbol)s AND month = %(month)s AND rows > (
    SELECT count(*) FROM candle WHERE symbol = %(symbol)s AND ts >= %(starts)s AND ts < %(ends)s
);

-- name: remove_refreshes
-- Only what was refreshed: a load may have added to the list meanwhile.
DELETE FROM aggregate_refresh WHERE refresh_id = ANY (%s);

-- name: lock_refresh
-- Two refreshes of one aggregate would fail on each other, and one that ran beside a load could miss its bars.
SELECT pg_advisory_lock(hashtextextended('btcql.refresh', 0));

-- name: try_lock_refresh
-- As lock_refresh, for who would rather leave it to a later refresh than wait for the loads of others.
SELECT pg_try_advisory_lock(hashtextextended('btcql.refresh', 0));

-- name: unlock_refresh
-- The connection goes on.
SELECT pg_advisory_unlock(hashtextextended('btcql.refresh', 0));

-- name: find_batched_refresh
-- Since 2.28 a refresh goes in batches of 10 buckets unless it is told otherwise.
SELECT true FROM pg_proc WHERE proname = 'refresh_continuous_aggregate' AND pronargs = 5;

-- name: refresh_aggregate
-- Whole buckets only: the bounds are days.
CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz);

-- name: refresh_aggregate_batched
-- A year of hours at a time: in batches of 10 the hours of 13 years took 250 times as long. By force: the list
-- knows which days were touched; a nightly policy that ran beside a load may have noted otherwise.
CALL refresh_continuous_aggregate(
    %s::regclass, %s::timestamptz, %s::timestamptz, force => true, options => '{"buckets_per_batch": 10000}'
);

-- name: remove_hours
-- Rollup tables: the touched days are deleted and inserted anew, never the whole history. The bounds lead to
-- the rows by the primary key; by the days alone the whole table was read for each of them.
DELETE FROM candle_hour
WHERE symbol = %(symbol)s
  AND bucket >= (SELECT min(day) FROM unnest(%(days)s::timestamptz[]) AS day)
  AND bucket < (SELECT max(day) + INTERVAL '24 hours' FROM unnest(%(days)s::timestamptz[]) AS day)
  AND date_trunc('day', bucket, 'UTC') = ANY (%(days)s::timestamptz[]);

-- name: insert_hours
-- The same sums as the continuous aggregate's. A day at a time, for the month just loaded has no statistics
-- yet, without which one join of all its days is planned 40 times as slow.
INSERT INTO candle_hour (symbol, bucket, open, high, low, close, volume, observed, close_sum, minutes)
SELECT hour.*
FROM unnest(%(days)s::timestamptz[]) AS day
CROSS JOIN LATERAL (
    SELECT symbol,
           date_trunc('hour', ts, 'UTC') AS bucket,
           (array_agg(open ORDER BY ts))[1],
           max(high),
           min(low),
           (array_agg(close ORDER BY ts DESC))[1],
           sum(volume),
           count(*),
           sum(close),
           max(minutes)
    FROM candle
    WHERE symbol = %(symbol)s AND ts >= day AND ts < day + INTERVAL '24 hours'
    GROUP BY symbol, date_trunc('hour', ts, 'UTC')
) AS hour;

-- name: remove_days
-- As remove_hours.
DELETE FROM candle_day
WHERE symbol = %(symbol)s AND bucket = ANY (%(days)s::timestamptz[]);

-- name: read_stretch
-- From a market's first day to the day after its last, in the bars or, where those were dropped, the aggregate.
SELECT date_trunc('day', min(ts), 'UTC'), date_trunc('day', max(ts), 'UTC') + INTERVAL '24 hours'
FROM (
    SELECT min(ts) AS ts FROM candle WHERE symbol = %(symbol)s
    UNION ALL SELECT max(ts) FROM candle WHERE symbol = %(symbol)s
    UNION ALL SELECT min(bucket) FROM candle_day WHERE symbol = %(symbol)s
    UNION ALL SELECT max(bucket) FROM candle_day WHERE symbol = %(symbol)s
) AS ends
HAVING min(ts) IS NOT NULL;

-- name: remove_market_hours
-- All of a market's.
DELETE FROM candle_hour WHERE symbol = %s;

-- name: remove_market_days
-- All of a market's.
DELETE FROM candle_day WHERE symbol = %s;

-- name: insert_days
-- From the hours, as the hierarchical continuous aggregate; a day at a time, as insert_hours.
INSERT INTO candle_day (symbol, bucket, open, high, low, close, volume, observed, close_sum, minutes)
SELECT rolled.*
FROM unnest(%(days)s::timestamptz[]) AS day
CROSS JOIN LATERAL (
    SELECT symbol,
           day,
           (array_agg(open ORDER BY bucket))[1],
           max(high),
           min(low),
           (array_agg(close ORDER BY bucket DESC))[1],
           sum(volume),
           sum(observed),
           sum(close_sum),
           max(minutes)
    FROM candle_hour
    WHERE symbol = %(symbol)s AND bucket >= day AND bucket < day + INTERVAL '24 hours'
    GROUP BY symbol
) AS rolled;
