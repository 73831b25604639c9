-- Old bars in the columnstore, and a safety net under the aggregates: TimescaleDB Community only.
DO $$
DECLARE
    -- At night, one after the other, and never at once: a database just made is loaded first.
    night timestamptz := date_trunc('day', now(), 'UTC') + INTERVAL '27 hours';
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
       AND current_setting('timescaledb.license', true) = 'timescale' THEN
        IF NOT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name = 'candle_hour') THEN
            RAISE EXCEPTION 'this database was made without TimescaleDB Community, and its tables cannot be turned into'
                ' hypertables and continuous aggregates: make a new one and load it again from the lake';
        END IF;

        -- A market's month is read and corrected together: a batch holds one market's bars in their order.
        ALTER TABLE candle SET (
            timescaledb.enable_columnstore, timescaledb.segmentby = 'symbol', timescaledb.orderby = 'ts DESC'
        );
        -- Corrections come late, but rarely later than this; a load into the columnstore works, only slower.
        CALL add_columnstore_policy(
            'candle', after => INTERVAL '180 days', schedule_interval => INTERVAL '1 day',
            initial_start => night, timezone => 'UTC'
        );

        -- Every load refreshes its own days: these find something only if that was left undone. The window is
        -- bounded, for a refresh over dropped bars would erase their history: keep bars longer than it.
        PERFORM add_continuous_aggregate_policy(
            'candle_hour', start_offset => INTERVAL '3 months', end_offset => INTERVAL '1 hour',
            schedule_interval => INTERVAL '1 day', initial_start => night + INTERVAL '1 hour', timezone => 'UTC'
        );
        -- Later than the hours that it is built from.
        PERFORM add_continuous_aggregate_policy(
            'candle_day', start_offset => INTERVAL '3 months', end_offset => INTERVAL '1 hour',
            schedule_interval => INTERVAL '1 day', initial_start => night + INTERVAL '2 hours', timezone => 'UTC'
        );
    END IF;
END
$$;
