-- name: lock_migrations
-- Held by the session, so that it ends with it.
SELECT pg_advisory_lock(hashtextextended('btcql.migrate', 0));

-- name: create_migration_table
-- Each applied file with its checksum.
CREATE TABLE IF NOT EXISTS migration (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL UNIQUE,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: create_timescaledb
-- Wherever the server has loaded it, which a setting of its loader tells: the list of the loaded is for
-- superusers. On a server without it the schema is plain tables.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
       AND EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load') THEN
        CREATE EXTENSION timescaledb;
    END IF;
END
$$;

-- name: read_migrations
-- In the order in which they were applied.
SELECT name, sha256 FROM migration ORDER BY number;

-- name: record_migration
-- In the migration's own transaction.
INSERT INTO migration (number, name, sha256) VALUES (%s, %s, %s);
