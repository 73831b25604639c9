-- name: read_loaded_symbols
-- By the markers, as everywhere.
SELECT DISTINCT symbol FROM load ORDER BY symbol;

-- name: read_carried_tables
-- Every table of ours but those named, each with the other tables that it refers to.
SELECT relname::text,
       ARRAY(
           SELECT referred.relname::text
           FROM pg_constraint JOIN pg_class AS referred ON referred.oid = confrelid
           WHERE conrelid = pg_class.oid AND contype = 'f' AND confrelid <> conrelid
       )
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> ALL (%s)
ORDER BY relname;

-- name: read_columns
-- Those that are written, in their order; none: there is no such table.
SELECT attname::text
FROM pg_attribute
WHERE attrelid = to_regclass('public.' || quote_ident(%s)) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum;

-- name: read_identities
-- The columns whose next value a sequence gives, each with that sequence.
SELECT attname::text, pg_get_serial_sequence(attrelid::regclass::text, attname)
FROM pg_attribute
WHERE attrelid = to_regclass('public.' || quote_ident(%s)) AND attnum > 0 AND NOT attisdropped
  AND pg_get_serial_sequence(attrelid::regclass::text, attname) IS NOT NULL;

-- name: find_renaming
-- Whether the database is locked against all who would begin a session in it.
SELECT true
FROM pg_locks
WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND mode = 'AccessExclusiveLock' AND granted
  AND objid = (SELECT oid FROM pg_database WHERE datname = %s);

-- name: name_holder
-- The session that keeps others from writing what has been copied.
SET application_name = 'btcql-holder';

-- name: end_sessions
-- Those that keep the databases from being renamed; TimescaleDB's own have ended by then. The holder is the
-- last: who waits for it to write has been told to end before it lets go.
WITH ending AS MATERIALIZED (
    SELECT pid
    FROM pg_stat_activity
    WHERE datname = ANY (%s) AND backend_type = 'client backend'
    ORDER BY application_name = 'btcql-holder'
)
SELECT pg_terminate_backend(pid) FROM ending;

-- name: read_tablespace
-- Where the database is.
SELECT spcname::text FROM pg_database JOIN pg_tablespace ON pg_tablespace.oid = dattablespace WHERE datname = %s;

-- name: read_chunk_length
-- None where the bars are not in chunks; `candle` is the table's name before migration 0012.
SELECT time_interval FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'public' AND hypertable_name IN ('scaled_candle', 'candle');

-- name: set_chunk_length
-- Of the chunks to come.
SELECT set_chunk_time_interval('scaled_candle', %s);
