-- name: record_change
-- The last statement of a change's transaction: the row is locked until its end. Listeners hear of it when, and
-- only when, it commits.
WITH changed AS (
    INSERT INTO data_version AS old (symbol, version) VALUES (%(symbol)s, 1)
    ON CONFLICT (symbol) DO UPDATE SET version = old.version + 1, changed_at = now()
    RETURNING version
)
SELECT pg_notify(
    'btcql_change', json_build_object('symbol', %(symbol)s::text, 'version', version, 'kind', %(kind)s::text)::text
)
FROM changed;

-- name: fetch_version
-- one number for all of the data: it grows with every change, and begins anew with a rebuilt database
SELECT sum(version)::bigint FROM data_version

-- name: fetch_state
-- the version, and whether every load's aggregates are refreshed
SELECT sum(version)::bigint,
       NOT EXISTS (SELECT FROM aggregate_refresh)
FROM data_version

-- name: listen_to_changes
-- before the state is read: what changes in between is heard of
LISTEN btcql_change

-- name: is_standby
-- whether it only repeats what another server does; once it is promoted, it may be asked on all the same
SELECT pg_is_in_recovery()
