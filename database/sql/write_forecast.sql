-- name: read_daily_bars
-- What a forecast may learn from: days whose bars are all loaded, and late corrections had their time to come.
SELECT (ts AT TIME ZONE 'UTC')::date, open, high, low, close, volume
FROM candle_1d
WHERE symbol = %(symbol)s
  AND ts < %(ends_at)s
  -- hours, for a session's time zone may have days of 23
  AND ts + INTERVAL '24 hours' <= LEAST(
      %(settled_at)s, (SELECT max(complete_through) FROM load WHERE symbol = %(symbol)s)
  )
ORDER BY ts;

-- name: find_vintage
-- Whether this very forecast stands already: the model's row tells its data and its version.
SELECT true
FROM forecast JOIN forecast_model USING (model_id)
WHERE forecast.symbol = %(symbol)s AND based_on = %(based_on)s
  AND data_hash = %(data_hash)s AND name = %(name)s AND version = %(version)s
LIMIT 1;

-- name: write_forecast_model
-- One row if the model is new, none if it stands; a second writer waits here for the first one's end.
INSERT INTO forecast_model (symbol, name, version, trained_from, trained_through, data_hash, parameters, libraries)
VALUES (%(symbol)s, %(name)s, %(version)s, %(trained_from)s, %(trained_through)s, %(data_hash)s, %(parameters)s,
        %(libraries)s)
ON CONFLICT (symbol, name, version, trained_through, data_hash) DO NOTHING
RETURNING model_id;

-- name: write_forecast
-- In the transaction of its model and its points.
INSERT INTO forecast (symbol, based_on, issued_at, retrospective, last_close, model_id, probabilities)
VALUES (%(symbol)s, %(based_on)s, %(issued_at)s, %(retrospective)s, %(last_close)s, %(model_id)s, %(probabilities)s)
RETURNING forecast_id;

-- name: write_forecast_point
-- One later day each.
INSERT INTO forecast_point (forecast_id, horizon, day, prices) VALUES (%s, %s, %s, %s);

-- name: read_newest_vintage
-- What a person is told who asked for it.
SELECT based_on FROM forecast WHERE symbol = %s AND based_on <= %s ORDER BY based_on DESC LIMIT 1;

-- name: write_backtest
-- Each is kept with what it was of; the newest is shown.
INSERT INTO forecast_backtest (symbol, name, version, data_hash, first_origin, last_origin, origins, pinball_ratio,
                               relative_mae, coverage80, coverage95, year_coverage80, year_coverage95, made_at)
VALUES (%(symbol)s, %(name)s, %(version)s, %(data_hash)s, %(first_origin)s, %(last_origin)s, %(origins)s,
        %(pinball_ratio)s, %(relative_mae)s, %(coverage80)s, %(coverage95)s, %(year_coverage80)s,
        %(year_coverage95)s, %(made_at)s);
