-- name: begin_run
-- With the lock that says that it lives: it is the session's, and so ends with its process.
WITH begun AS (
    INSERT INTO pipeline_run (market, task, attempt, started_at)
    VALUES (%(market)s, %(task)s, %(attempt)s, %(at)s)
    RETURNING run_id
)
SELECT run_id, pg_advisory_lock(hashtext('btcql.run'), run_id) FROM begun;

-- name: end_run
-- Only once: whoever found it dead before has said so.
UPDATE pipeline_run
SET state = %(state)s, ended_at = greatest(%(at)s, started_at), rows = %(rows)s, error = %(error)s
WHERE run_id = %(run_id)s AND state = 'running';

-- name: end_dead_runs
-- Killed ones: nobody holds their lock.
UPDATE pipeline_run
SET state = 'interrupted', ended_at = greatest(%(at)s, started_at), error = 'its process was killed'
WHERE state = 'running'
  AND NOT EXISTS (
      SELECT FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = hashtext('btcql.run')::oid AND objid = run_id::oid
  );

-- name: read_last_refresh
-- When the market's newest successful refresh began, whoever ran it.
SELECT max(started_at) FROM pipeline_run WHERE market = %s AND task = 'refresh' AND state = 'succeeded';

-- name: read_plan
-- When the market is refreshed next, and how often that failed lately.
SELECT next_at, failures FROM pipeline_plan WHERE market = %s;

-- name: read_failures
-- Markets whose newest refresh failed.
SELECT market, next_at FROM pipeline_plan WHERE failures > 0 ORDER BY market;

-- name: write_plan
-- One for each market.
INSERT INTO pipeline_plan (market, next_at, failures) VALUES (%s, %s, %s)
ON CONFLICT (market) DO UPDATE SET next_at = excluded.next_at, failures = excluded.failures;

-- name: remove_plans
-- Of markets that are no more.
DELETE FROM pipeline_plan WHERE market <> ALL (%s);

-- name: read_standing
-- The last that was said of a market's runs (failed, recovered) and of its bars (stale, fresh).
SELECT DISTINCT ON (kind IN ('stale', 'fresh')) kind
FROM pipeline_event
WHERE market = %s
ORDER BY kind IN ('stale', 'fresh'), event_id DESC;

-- name: write_event
-- To be told at once.
INSERT INTO pipeline_event (market, kind, at, message, retry_at)
VALUES (%(market)s, %(kind)s, %(at)s, %(message)s, %(at)s);

-- name: read_untold_events
-- In the order in which they happened.
SELECT event_id, market, kind, at, message, delivered_to, tries
FROM pipeline_event WHERE retry_at <= %s ORDER BY event_id;

-- name: write_telling
-- After each try; retry_at is null when no other is needed.
UPDATE pipeline_event
SET delivered_to = %(delivered_to)s, tries = tries + 1, retry_at = %(retry_at)s
WHERE event_id = %(event_id)s;

-- name: read_next_telling
-- When an event is to be told again.
SELECT min(retry_at) FROM pipeline_event;

-- name: read_followed
-- Up to when each market's bars are loaded that a refresh goes on with: any of the lake's objects was not imported
-- from a file, whatever source was given with it. A month loaded by a program that did not note it tells by its sources.
SELECT symbol, max(complete_through)
FROM load
GROUP BY symbol
HAVING bool_or(
    raw_objects @> '[{"imported": false}]'
    OR NOT raw_objects @> '[{"imported": true}]'
       AND EXISTS (SELECT FROM unnest(sources) AS source WHERE source NOT LIKE 'file:%')
)
ORDER BY symbol;

-- name: note_imported
-- All objects of a market of files alone, where a program loaded them that did not note it yet.
UPDATE load
SET raw_objects = (
    SELECT jsonb_agg(object || '{"imported": true}' ORDER BY number)
    FROM jsonb_array_elements(raw_objects) WITH ORDINALITY AS raw (object, number)
)
WHERE symbol = %s AND jsonb_array_length(raw_objects) > 0 AND NOT raw_objects @> '[{"imported": true}]';

-- name: try_schedule
-- Of the session: whoever holds it is the schedule of this database.
SELECT pg_try_advisory_lock(hashtextextended('btcql.schedule', 0));

-- name: let_go_of_schedule
-- However often it was taken; its session has no other lock of this kind.
SELECT pg_advisory_unlock_all();

-- name: find_schedule
-- Whether a session is this database's schedule: the key of its lock stands in two halves.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) = hashtextextended('btcql.schedule', 0)
);

-- name: find_overdue
-- Markets that should have been refreshed by then, if nothing runs that they may wait for.
SELECT market, next_at
FROM pipeline_plan
WHERE next_at < %s
  AND NOT EXISTS (
      SELECT FROM pipeline_run
      JOIN pg_locks ON locktype = 'advisory' AND objsubid = 2
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid = hashtext('btcql.run')::oid AND objid = run_id::oid
      WHERE state = 'running'
  )
ORDER BY next_at
LIMIT 1;
