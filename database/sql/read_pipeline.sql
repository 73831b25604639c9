-- name: fetch_pipeline
-- the newest run of all, the newest success, and whether any market's newest run did not succeed; a run whose
-- lock nobody holds was killed, which a standby, where no locks are, cannot tell
WITH run AS (
    SELECT market, started_at, ended_at,
           CASE WHEN state = 'running' AND NOT pg_is_in_recovery() AND NOT EXISTS (
               SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND objsubid = 2
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND classid = hashtext('btcql.run')::oid AND objid = run_id::oid
           ) THEN 'interrupted' ELSE state END AS state
    FROM pipeline_run
    WHERE run_id IN (
        SELECT max(run_id) FROM pipeline_run GROUP BY market, state
    )
), newest AS (
    SELECT DISTINCT ON (market) market, state FROM run ORDER BY market, started_at DESC
)
SELECT (SELECT max(started_at) FROM run),
       (SELECT max(ended_at) FROM run WHERE state = 'succeeded'),
       (SELECT array_agg(DISTINCT state) FROM newest)

-- name: fetch_loads
-- The newest loads, a row for each raw object; the limit comes first, for it needs no more months than that. The
-- months of one run come as they follow each other, not as its workers happened to load them: oldest last. Only
-- what was loaded since the oldest of the runs that the last loads may be of can be among them.
SELECT symbol, coalesce(substring(object ->> 'object' FROM 'source=([^/]+)'), sources[1]), first_ts,
       complete_through, rows, loaded_at, object ->> 'object', object ->> 'sha256'
FROM (
    SELECT load.*, coalesce((
        SELECT CASE WHEN loaded_at <= coalesce(ended_at, 'infinity') THEN started_at END
        FROM pipeline_run
        WHERE market = symbol AND started_at <= loaded_at
        ORDER BY started_at DESC
        LIMIT 1
    ), loaded_at) AS began_at
    FROM load
    WHERE loaded_at >= (
        SELECT min(coalesce((
            SELECT max(started_at) FROM pipeline_run WHERE market = symbol AND started_at <= loaded_at
        ), loaded_at))
        FROM (SELECT symbol, loaded_at FROM load ORDER BY loaded_at DESC LIMIT %(first)s) AS last
    )
    ORDER BY began_at DESC, symbol COLLATE "C", month DESC
    LIMIT %(first)s
) AS newest
CROSS JOIN jsonb_array_elements(raw_objects) WITH ORDINALITY AS raw (object, number)
ORDER BY began_at DESC, symbol COLLATE "C", month DESC, number
LIMIT %(first)s

-- name: fetch_runs
-- the newest runs of all markets; as above, one whose lock nobody holds was killed
SELECT market, task,
       CASE WHEN state = 'running' AND NOT EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND objsubid = 2
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND classid = hashtext('btcql.run')::oid AND objid = run_id::oid
       ) THEN 'interrupted' ELSE state END,
       started_at, ended_at, rows
FROM pipeline_run
ORDER BY started_at DESC, run_id DESC
LIMIT %(first)s

-- name: fetch_quality_warnings
-- what is odd about the bars as they are loaded, the newest stretches first
SELECT symbol, kind, source, from_at, to_at, bars, message
FROM quality_warning
ORDER BY from_at DESC, symbol COLLATE "C", number
LIMIT %(first)s

-- name: fetch_next_refresh
-- when the market's refresh is planned
SELECT next_at FROM pipeline_plan WHERE market = %s

-- name: fetch_metrics
-- of each market: the end of its bars, how many there are, the whole days between the first and the last that
-- have none, its newest success, its failures in a row, and whether it is one of those that are followed
SELECT market.symbol, market.through, market.rows,
       date_part('day', date_trunc('day', market.through, 'UTC') - date_trunc('day', market.first, 'UTC'))
           - (
               SELECT count(*) FROM candle_1d
               WHERE symbol = market.symbol AND ts >= date_trunc('day', market.first, 'UTC')
                 AND ts < date_trunc('day', market.through, 'UTC')
           ),
       (SELECT max(ended_at) FROM pipeline_run AS run WHERE run.market = symbol AND state = 'succeeded'),
       (SELECT failures FROM pipeline_plan AS plan WHERE plan.market = symbol),
       symbol = ANY (%(followed)s)
FROM (
    SELECT symbol, min(first_ts) AS first, max(complete_through) AS through, sum(rows) AS rows
    FROM load GROUP BY symbol
) AS market
ORDER BY symbol COLLATE "C"

-- name: fetch_size
-- bytes on the disk of the database's server
SELECT pg_database_size(current_database())
