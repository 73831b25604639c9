-- name: find_schema
-- Before the first migration there is nothing more to say.
SELECT true FROM pg_tables WHERE schemaname = 'public' AND tablename = 'load';

-- name: read_markets_status
-- From the markers: counting the bars themselves would read them all.
SELECT symbol,
       array_agg(DISTINCT source ORDER BY source),
       (SELECT sum(rows) FROM load AS own WHERE own.symbol = load.symbol),
       min(first_ts),
       max(complete_through)
FROM load, unnest(sources) AS source
GROUP BY symbol
ORDER BY symbol;

-- name: read_hypertable
-- The bars' size with their indexes, and how many of its chunks are in the columnstore.
SELECT pg_size_pretty(hypertable_size('candle')),
       count(*),
       count(*) FILTER (WHERE is_compressed)
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'candle';

-- name: read_watermarks
-- The end of the newest bucket that each aggregate has, the finer first; an empty one's is before all years.
SELECT user_view_name, CASE WHEN watermark > '1000-01-01' THEN watermark END
FROM _timescaledb_catalog.continuous_agg
CROSS JOIN LATERAL _timescaledb_functions.cagg_watermark(mat_hypertable_id) AS ticks
CROSS JOIN LATERAL _timescaledb_functions.to_timestamp(ticks) AS watermark
WHERE user_view_schema = 'public'
ORDER BY mat_hypertable_id;

-- name: read_month_loaded
-- What a month was loaded from, for who asks where a day's bars came from.
SELECT input_sha256, raw_objects, loaded_at FROM load WHERE symbol = %s AND month = %s;
