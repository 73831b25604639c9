-- Hourly and daily bars: continuous aggregates on TimescaleDB Community, rollup tables elsewhere.
-- The views candle_1h and candle_1d hide which; nothing else reads what is below them.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('candle', by_range('ts', INTERVAL '90 days'), create_default_indexes => false);
    END IF;

    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
       AND current_setting('timescaledb.license', true) = 'timescale' THEN
        -- No time zone in time_bucket: it is UTC-aligned as it is, and with one timescaledb#10296 loses rows.
        CREATE MATERIALIZED VIEW candle_hour
        WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
        SELECT symbol,
               time_bucket('1 hour', ts) AS bucket,
               first(open, ts)  AS open,
               max(high)        AS high,
               min(low)         AS low,
               last(close, ts)  AS close,
               sum(volume)      AS volume,
               count(*)         AS observed,
               sum(close)       AS close_sum,
               max(minutes)     AS minutes
        FROM candle
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

        -- The hypertables below are reached by symbol and time together, as the views are read.
        CREATE INDEX ON candle_hour (symbol, bucket DESC);
        CREATE INDEX ON candle_day (symbol, bucket DESC);
    ELSE
        CREATE TABLE candle_hour (
            symbol    text             NOT NULL,
            bucket    timestamptz      NOT NULL,
            open      double precision NOT NULL,
            high      double precision NOT NULL,
            low       double precision NOT NULL,
            close     double precision NOT NULL,
            volume    double precision NOT NULL,
            observed  bigint           NOT NULL,
            close_sum double precision NOT NULL,
            minutes   smallint         NOT NULL,
            PRIMARY KEY (symbol, bucket)
        );
        CREATE TABLE candle_day (LIKE candle_hour INCLUDING ALL);
    END IF;
END
$$;

-- A daily bar has no hours: it is in candle_hour only so that candle_day can be built from it.
CREATE VIEW candle_1h AS
SELECT symbol, bucket AS ts, open, high, low, close, volume, observed::integer, close_sum, minutes
FROM candle_hour
WHERE minutes <= 60;

CREATE VIEW candle_1d AS
SELECT symbol, bucket AS ts, open, high, low, close, volume, observed::integer, close_sum, minutes
FROM candle_day;
