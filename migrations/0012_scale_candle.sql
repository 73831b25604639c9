-- Bars as the whole numbers of which they are decimals: 42345.67 is kept as 4234567, with the unit 100. The
-- columnstore keeps of a float8 the bits that change from row to row, which of a decimal are all: it takes 2.4
-- bytes a price now for 5.9. The view candle has the bars as they are, to the last bit: the quotient of two numbers
-- that a float8 holds exactly is rounded once, as the decimal's text is when it is read.

-- No load and no refresh meanwhile.
SELECT pg_advisory_xact_lock(hashtextextended('btcql.refresh', 0));

-- What else was made of the bars would go on with the numbers as they are kept: nothing is changed then.
DO $$
DECLARE
    strangers text[];
    more text[];
BEGIN
    SELECT array_agg(DISTINCT 'view ' || ev_class::regclass) INTO strangers
    FROM pg_depend
    JOIN pg_rewrite ON pg_rewrite.oid = objid
    JOIN pg_class ON pg_class.oid = ev_class
    WHERE classid = 'pg_rewrite'::regclass AND refobjid = 'candle'::regclass
      AND relnamespace::regnamespace::text <> '_timescaledb_internal';
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        SELECT array_agg('continuous aggregate ' || view_name) INTO more
        FROM timescaledb_information.continuous_aggregates
        WHERE hypertable_name IN ('candle', 'candle_hour') AND view_name NOT IN ('candle_hour', 'candle_day');
        strangers := strangers || more;
        SELECT array_agg(format('job %s (%s of %s)', job_id, proc_name, hypertable_name)) INTO more
        FROM timescaledb_information.jobs
        WHERE hypertable_name IN ('candle_hour', 'candle_day')
          AND proc_name <> 'policy_refresh_continuous_aggregate';
        strangers := strangers || more;
    END IF;
    IF cardinality(strangers) > 0 THEN
        RAISE EXCEPTION 'the bars and their aggregates are made anew, and this depends on them: %: drop it, and'
            ' make it again afterwards', array_to_string(strangers, ', ');
    END IF;
END
$$;

-- Who may do what with them; the owner's rights need no grant.
CREATE TEMPORARY TABLE kept_grant ON COMMIT DROP AS
SELECT relname, privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(rolname) END AS grantee
FROM pg_class
CROSS JOIN LATERAL aclexplode(relacl) AS granted
LEFT JOIN pg_roles ON pg_roles.oid = granted.grantee
WHERE relnamespace = 'public'::regnamespace AND granted.grantee <> relowner
  AND relname IN ('candle', 'candle_1h', 'candle_1d', 'candle_hour', 'candle_day');

-- The aggregates before the bars, as a nightly refresh locks them.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.candle_hour') AND relkind = 'v') THEN
        CREATE TEMPORARY TABLE kept_hour ON COMMIT DROP AS TABLE candle_hour;
        CREATE TEMPORARY TABLE kept_day ON COMMIT DROP AS TABLE candle_day;
        DROP VIEW candle_1h, candle_1d;
        DROP MATERIALIZED VIEW candle_day;
        DROP MATERIALIZED VIEW candle_hour;
    END IF;
END
$$;

ALTER TABLE candle RENAME TO scaled_candle;
-- Rows of before keep their numbers, with the unit 1. Up to 10^10 a real is exact, and a float8 is divided by it
-- without a cast.
ALTER TABLE scaled_candle
    ADD COLUMN price_unit real NOT NULL DEFAULT 1,
    ADD COLUMN volume_unit real NOT NULL DEFAULT 1,
    ADD CONSTRAINT candle_price_unit CHECK (price_unit IN (1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10)),
    ADD CONSTRAINT candle_volume_unit CHECK (volume_unit IN (1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10));
COMMENT ON COLUMN scaled_candle.price_unit IS 'what the four prices were multiplied by';

CREATE VIEW candle AS
SELECT ts,
       open / price_unit    AS open,
       high / price_unit    AS high,
       low / price_unit     AS low,
       close / price_unit   AS close,
       volume / volume_unit AS volume,
       minutes,
       symbol
FROM scaled_candle;

-- The continuous aggregates again, with their history: it may be longer than that of the bars, and the API shall
-- never see them empty, so they get their rows at once instead of by a refresh.
DO $$
DECLARE
    night timestamptz := date_trunc('day', now(), 'UTC') + INTERVAL '27 hours';
    aggregate record;
BEGIN
    IF to_regclass('public.candle_hour') IS NULL THEN
        CREATE MATERIALIZED VIEW candle_hour
        WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
        SELECT symbol,
               time_bucket('1 hour', ts)      AS bucket,
               first(open / price_unit, ts)   AS open,
               max(high / price_unit)         AS high,
               min(low / price_unit)          AS low,
               last(close / price_unit, ts)   AS close,
               sum(volume / volume_unit)      AS volume,
               count(*)                       AS observed,
               sum(close / price_unit)        AS close_sum,
               max(minutes)                   AS minutes
        FROM scaled_candle
        GROUP BY symbol, time_bucket('1 hour', ts)
        WITH NO DATA;

        CREATE MATERIALIZED VIEW candle_day
        WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
        SELECT symbol,
               time_bucket('1 day', bucket) AS bucket,
               first(open, bucket)  AS open,
               max(high)            AS high,
               min(low)             AS low,
               last(close, bucket)  AS close,
               sum(volume)          AS volume,
               sum(observed)        AS observed,
               sum(close_sum)       AS close_sum,
               max(minutes)         AS minutes
        FROM candle_hour
        GROUP BY symbol, time_bucket('1 day', bucket)
        WITH NO DATA;

        CREATE INDEX ON candle_hour (symbol, bucket DESC);
        CREATE INDEX ON candle_day (symbol, bucket DESC);

        FOR aggregate IN
            SELECT materialization_hypertable_schema AS schema, materialization_hypertable_name AS name,
                   replace(view_name, 'candle', 'kept') AS kept
            FROM timescaledb_information.continuous_aggregates WHERE view_name IN ('candle_hour', 'candle_day')
        LOOP
            EXECUTE format(
                'INSERT INTO %1$I.%2$I (%4$s) SELECT %4$s FROM %3$I', aggregate.schema, aggregate.name, aggregate.kept,
                'symbol, bucket, open, high, low, close, volume, observed, close_sum, minutes'
            );
        END LOOP;

        PERFORM add_continuous_aggregate_policy(
            'candle_hour', start_offset => INTERVAL '3 months', end_offset => INTERVAL '1 hour',
            schedule_interval => INTERVAL '1 day', initial_start => night + INTERVAL '1 hour', timezone => 'UTC'
        );
        PERFORM add_continuous_aggregate_policy(
            'candle_day', start_offset => INTERVAL '3 months', end_offset => INTERVAL '1 hour',
            schedule_interval => INTERVAL '1 day', initial_start => night + INTERVAL '2 hours', timezone => 'UTC'
        );

        CREATE VIEW candle_1h AS
        SELECT symbol, bucket AS ts, open, high, low, close, volume, observed::integer, close_sum, minutes
        FROM candle_hour
        WHERE minutes <= 60;

        CREATE VIEW candle_1d AS
        SELECT symbol, bucket AS ts, open, high, low, close, volume, observed::integer, close_sum, minutes
        FROM candle_day;
    END IF;
END
$$;

-- In the same transaction, so that no reader is refused in between; the numbers as they are kept are nobody's.
DO $$
DECLARE
    kept record;
BEGIN
    FOR kept IN SELECT * FROM kept_grant LOOP
        IF kept.relname = 'candle' THEN
            EXECUTE format('REVOKE ALL ON scaled_candle FROM %s', kept.grantee);
        END IF;
        EXECUTE format('GRANT %s ON %I TO %s', kept.privilege_type, kept.relname, kept.grantee);
    END LOOP;
END
$$;
