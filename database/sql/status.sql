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
