-- name: try_turn
-- Of the session: whoever holds it runs the pipeline.
SELECT pg_try_advisory_lock(hashtextextended('btcql.pipeline', 0));

-- name: take_turn
-- As try_turn, when the other run has ended.
SELECT pg_advisory_lock(hashtextextended('btcql.pipeline', 0));

-- name: share_refresh
-- Loads go on beside each other, never beside a refresh: it would miss what they have not committed yet.
-- Before the month's lock: who waits for the refresh must hold nothing that another load waits for.
SELECT pg_advisory_xact_lock_shared(hashtextextended('btcql.refresh', 0));

-- name: lock_month
-- Two loads of one month take turns; the second finds the first one's marker.
SELECT pg_advisory_xact_lock(hashtextextended('btcql.load ' || %s::text || ' ' || %s::text, 0));

-- name: read_marker
-- The input that the month was loaded from.
SELECT input_sha256 FROM load WHERE symbol = %s AND month = %s;

-- name: read_markers
-- Every loaded month of a market.
SELECT month, input_sha256 FROM load WHERE symbol = %s ORDER BY month;

-- name: read_sources
-- Made-up ones among them are to go before real ones come.
SELECT DISTINCT unnest(sources) FROM load WHERE symbol = %s;

-- name: find_other_kind
-- Whether the market has bars of the other kind, made-up or real, than the ones about to come.
SELECT true FROM load WHERE symbol = %s AND ('synthetic' = ANY (sources)) <> %s LIMIT 1;

-- name: find_absent_chunks
-- The days whose chunk is still to be made: chunks begin at midnight, and may be as short as a day.
SELECT day
FROM unnest(%(days)s::timestamptz[]) AS day
WHERE NOT EXISTS (
    SELECT FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'public' AND hypertable_name = 'scaled_candle'
      AND range_start <= day AND day < range_end
);

-- name: touch_chunks
-- Rows of no market, removed at once: the chunks that they were put into stay.
INSERT INTO scaled_candle (ts, open, high, low, close, volume, minutes, symbol)
SELECT day, 1, 1, 1, 1, 0, 1, '' FROM unnest(%(days)s::timestamptz[]) AS day
ON CONFLICT (symbol, ts) DO NOTHING;

-- name: untouch_chunks
-- In the transaction of touch_chunks: nobody else ever sees those rows.
DELETE FROM scaled_candle WHERE symbol = '' AND ts = ANY (%(days)s::timestamptz[]);

-- name: find_bar
-- Whether the stretch has bars already: an empty one is copied into directly.
SELECT true FROM scaled_candle WHERE symbol = %s AND ts >= %s::timestamptz AND ts < %s::timestamptz LIMIT 1;

-- name: read_bars
-- The bars of a stretch, in any order: to be compared with those to come.
SELECT ts, open, high, low, close, volume, minutes::bigint
FROM candle
WHERE symbol = %s AND ts >= %s::timestamptz AND ts < %s::timestamptz;

-- name: create_staging
-- For the bars that are new or different.
CREATE TEMPORARY TABLE staging (LIKE scaled_candle) ON COMMIT DROP;

-- name: drop_staging
-- A second month may be loaded in the same transaction.
DROP TABLE staging;

-- name: remove_absent
-- Bars that the corrected month no longer has. The bounds' type is said, for TimescaleDB 2.28 finds no row of the
-- columnstore by a date and removes none, without an error.
DELETE FROM scaled_candle
WHERE symbol = %s AND ts >= %s::timestamptz AND ts < %s::timestamptz AND ts = ANY (%s::timestamptz[]);

-- name: upsert_staged
-- A bar that is already there is another in at least one number.
INSERT INTO scaled_candle
SELECT * FROM staging
ON CONFLICT (symbol, ts) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, minutes = excluded.minutes, price_unit = excluded.price_unit,
    volume_unit = excluded.volume_unit;

-- name: write_marker
-- In the transaction of the rows: both are there or neither.
INSERT INTO load (symbol, month, sources, input_sha256, raw_objects, rows, first_ts, complete_through)
VALUES (%(symbol)s, %(month)s, %(sources)s, %(input_sha256)s, %(raw_objects)s, %(rows)s, %(first_ts)s,
        %(complete_through)s)
ON CONFLICT (symbol, month) DO UPDATE
SET sources = excluded.sources, input_sha256 = excluded.input_sha256, raw_objects = excluded.raw_objects,
    rows = excluded.rows, first_ts = excluded.first_ts, complete_through = excluded.complete_through,
    loaded_at = now();

-- name: read_digests
-- Of the days as they were last loaded: none if a program that knows no digests loaded the month after that, or
-- if it has more or fewer bars by now.
SELECT days
FROM load_digest
JOIN load USING (symbol, month, input_sha256)
WHERE rows = (
    SELECT count(*) FROM scaled_candle
    WHERE symbol = %(symbol)s AND ts >= %(starts)s::timestamptz AND ts < %(ends)s::timestamptz
)
  AND symbol = %(symbol)s AND month = %(month)s;

-- name: write_digests
-- In the transaction of the marker, which must be there.
INSERT INTO load_digest (symbol, month, input_sha256, days) VALUES (%s, %s, %s, %s)
ON CONFLICT (symbol, month) DO UPDATE SET input_sha256 = excluded.input_sha256, days = excluded.days;

-- name: remove_bars
-- All of a market's.
DELETE FROM scaled_candle WHERE symbol = %s;

-- name: remove_markers
-- All of a market's.
DELETE FROM load WHERE symbol = %s;

-- name: remove_forecasts
-- With their points, by the foreign keys.
DELETE FROM forecast_model WHERE symbol = %s;

-- name: remove_backtests
-- What was shown of made-up bars says nothing of real ones.
DELETE FROM forecast_backtest WHERE symbol = %s;
