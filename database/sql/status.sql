-- name: find_schema
-- Before the first migration there is nothing more to say.
SELECT true FROM pg_tables WHERE schemaname = 'public' AND tablename = 'load';

-- name: find_better_edition
-- What the server would give a new database, if that is more than this one was made with.
SELECT CASE WHEN extension THEN 'TimescaleDB Community' ELSE 'TimescaleDB' END
FROM (
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS extension,
           EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.candle_hour') AND relkind = 'r') AS rolled_up
) AS found
WHERE rolled_up AND CASE
    WHEN extension THEN current_setting('timescaledb.license', true) = 'timescale'
    ELSE EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load')
         AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
END;

-- name: find_hypertable
-- Whether the bars are in one: a database that was made without TimescaleDB has a plain table.
SELECT true FROM timescaledb_information.hypertables
WHERE hypertable_schema = 'public' AND hypertable_name IN ('scaled_candle', 'candle');

-- name: read_table_size
-- With its indexes; `candle` is the table's name before migration 0012.
SELECT pg_size_pretty(pg_total_relation_size(coalesce(to_regclass('scaled_candle'), 'candle'::regclass)));

-- name: read_waiting_days
-- The days of each market whose aggregates are older than its bars.
SELECT coalesce(symbol, 'all markets'), min(from_day), max(to_day) - INTERVAL '24 hours'
FROM aggregate_refresh
GROUP BY symbol
ORDER BY symbol;

-- name: read_markets_status
-- From the markers: counting the bars themselves would read them all. A market is behind by the days that
-- are overdue, of those that the daily refresh brings.
SELECT symbol,
       array_agg(DISTINCT source ORDER BY source),
       (SELECT sum(rows) FROM load AS own WHERE own.symbol = load.symbol),
       min(first_ts),
       max(complete_through),
       GREATEST(0, date_trunc('day', now() - %s, 'UTC')::date - max(complete_through)::date)
FROM load, unnest(sources) AS source
GROUP BY symbol
ORDER BY symbol;

-- name: read_kept_bars
-- How many of a market's loaded bars are still there, and the oldest. Where no retention drops any, nothing is read
-- but the oldest; where one does, few are left to be counted.
SELECT oldest, CASE WHEN oldest IS NOT NULL AND (%(retained)s OR oldest > %(first)s) THEN (
    SELECT count(*) FROM candle WHERE symbol = %(symbol)s
) END
FROM (SELECT min(ts) AS oldest FROM candle WHERE symbol = %(symbol)s) AS kept;

-- name: read_retention
-- The interval after which a policy drops bars, if there is one.
SELECT config ->> 'drop_after'
FROM timescaledb_information.jobs
WHERE proc_name = 'policy_retention'
  AND hypertable_schema = 'public' AND hypertable_name IN ('scaled_candle', 'candle');

-- name: read_hypertable
-- The bars' size with their indexes, and how many of its chunks are in the columnstore.
SELECT pg_size_pretty(hypertable_size(coalesce(to_regclass('scaled_candle'), 'candle'::regclass))),
       count(*),
       count(*) FILTER (WHERE is_compressed)
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name IN ('scaled_candle', 'candle');

-- name: read_watermarks
-- The end of the newest bucket that each aggregate has, the finer first; an empty one's is before all years. By
-- the buckets: TimescaleDB's own note of it begins with the first refresh, which a migrated one has still to see.
SELECT user_view_name, CASE WHEN watermark > '1000-01-01' THEN watermark END
FROM _timescaledb_catalog.continuous_agg
CROSS JOIN LATERAL _timescaledb_functions.cagg_watermark_materialized(mat_hypertable_id) AS ticks
CROSS JOIN LATERAL _timescaledb_functions.to_timestamp(ticks) AS watermark
WHERE user_view_schema = 'public'
ORDER BY mat_hypertable_id;

-- name: read_months_loaded
-- What months were loaded from, for who asks where a day's bars came from.
SELECT month, input_sha256, raw_objects, loaded_at, sources, rows
FROM load
WHERE symbol = %s AND month = ANY (%s::date[]);
