-- name: create_roles
-- The writer owns the database, and may make another beside it to rebuild it; the reader looks, and no longer
-- than the API would wait. The writer may end the reader's sessions, which are those of a role it is a member of.
DO $$
BEGIN
    -- Roles are the whole server's, and two who change one at once fail on each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('btcql.roles', 0));
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'btcql_writer') THEN
        CREATE ROLE btcql_writer;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'btcql_reader') THEN
        CREATE ROLE btcql_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname IN ('btcql_writer', 'btcql_reader') AND rolsuper) THEN
        RAISE EXCEPTION 'btcql_writer and btcql_reader must be no superusers: ALTER ROLE ... NOSUPERUSER';
    END IF;
END
$$;
ALTER ROLE btcql_writer LOGIN CREATEDB;
ALTER ROLE btcql_reader LOGIN NOCREATEDB;
GRANT btcql_reader TO btcql_writer;
ALTER ROLE btcql_reader SET default_transaction_read_only = on;
ALTER ROLE btcql_reader SET statement_timeout = '10s';
ALTER ROLE btcql_reader SET idle_in_transaction_session_timeout = '60s';
-- As in keep_snapshots_whole, which an empty database to restore into has not seen yet.
ALTER ROLE btcql_writer SET timescaledb.enable_segmentwise_recompression = off;

-- name: read_ownership
-- How many of the two roles there are, and whose the database is; no row: there is no such database.
SELECT (SELECT count(*) FROM pg_roles WHERE rolname IN ('btcql_writer', 'btcql_reader')),
       (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s);

-- name: hand_over
-- All that an older btcql made as another role becomes the writer's: tables with their sequences, views, and
-- functions. TimescaleDB takes chunks, materializations and jobs along, if each kind is altered by its own name.
DO $$
DECLARE
    own record;
    continuous text[] := '{}';
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        SELECT coalesce(array_agg(view_name::text), '{}') INTO continuous
        FROM timescaledb_information.continuous_aggregates WHERE view_schema = 'public';
    END IF;
    FOR own IN
        SELECT CASE WHEN relname = ANY (continuous) THEN 'MATERIALIZED VIEW' WHEN relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind,
               oid::regclass::text AS name
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
          AND relowner <> 'btcql_writer'::regrole
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
        UNION ALL
        SELECT 'ROUTINE', oid::regprocedure::text
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
          AND proowner <> 'btcql_writer'::regrole
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO btcql_writer', own.kind, own.name);
    END LOOP;
    -- In the same transaction: the database's owner tells that all of it is done.
    EXECUTE format('ALTER DATABASE %I OWNER TO btcql_writer', current_database());
END
$$;

-- name: keep_snapshots_whole
-- TimescaleDB's jobs, which run as the tables' owner, recompress a chunk that late bars reached. Segment by segment
-- they move its rows and then mark it as wholly compressed, and the mark holds for a reader whose snapshot is older
-- as well: it skips the rows where it should still see them (2.28.3: 104 of 1,440 bars were left, without an
-- error). Compressed anew the chunk is whole for every snapshot.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
       AND NOT EXISTS (
           SELECT FROM pg_db_role_setting
           WHERE setrole = current_user::regrole
             AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
             AND 'timescaledb.enable_segmentwise_recompression=off' = ANY (setconfig)
       ) THEN
        EXECUTE format(
            'ALTER ROLE CURRENT_USER IN DATABASE %I SET timescaledb.enable_segmentwise_recompression = off',
            current_database()
        );
    END IF;
END
$$;

-- name: grant_reads
-- What the reader may see: what the API's queries (read_*.sql) name, and no more. Nothing is granted again, for
-- each grant would throw away what every session knows of the table.
DO $$
DECLARE
    readable CONSTANT text[] := ARRAY[
        'candle', 'candle_1h', 'candle_1d', 'load', 'forecast', 'forecast_model', 'forecast_point', 'forecast_backtest',
        'pipeline_run', 'pipeline_plan', 'quality_warning', 'api_key', 'data_version', 'aggregate_refresh'
    ];
    noting CONSTANT text := 'public.note_api_key_use(integer[], interval[])';
    relation text;
BEGIN
    -- A server of one's own may have no roles of btcql's.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'btcql_reader') THEN
        RETURN;
    END IF;
    IF has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY') THEN
        EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF NOT has_database_privilege('btcql_reader', current_database(), 'CONNECT') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO btcql_reader', current_database());
    END IF;
    FOREACH relation IN ARRAY readable LOOP
        IF to_regclass('public.' || relation) IS NOT NULL
           AND NOT has_table_privilege('btcql_reader', 'public.' || relation, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON public.%I TO btcql_reader', relation);
        END IF;
    END LOOP;
    -- That a key was used is all that the reader may write.
    IF to_regprocedure(noting) IS NOT NULL AND NOT has_function_privilege('btcql_reader', noting, 'EXECUTE') THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO btcql_reader', noting);
    END IF;
END
$$;
