-- name: fetch_vintage
-- the newest forecast that used no day after the asked one, with its model
SELECT f.forecast_id, f.based_on, f.issued_at, f.retrospective, f.last_close, f.probabilities,
       m.name, m.version, m.trained_from, m.trained_through, m.data_hash,
       (SELECT max(p.horizon) FROM forecast_point AS p WHERE p.forecast_id = f.forecast_id)
FROM forecast AS f
JOIN forecast_model AS m USING (model_id)
WHERE f.symbol = %(symbol)s AND f.based_on <= %(as_of)s
ORDER BY f.based_on DESC, f.issued_at DESC, f.forecast_id DESC
LIMIT 1

-- name: fetch_vintage_span
-- which forecasts exist, for the message that says why there is none as of the asked day
SELECT min(based_on), max(based_on)
FROM forecast
WHERE symbol = %(symbol)s

-- name: fetch_points
-- a vintage's days with what the price turned out to be: one query, however many days
SELECT p.horizon, p.day, p.prices, d.close
FROM forecast_point AS p
LEFT JOIN candle_1d AS d
       ON d.symbol = %(symbol)s AND d.ts = p.day::timestamp AT TIME ZONE 'UTC'
      AND d.ts >= %(start)s AND d.ts < %(end)s
WHERE p.forecast_id = %(forecast_id)s AND p.horizon <= %(horizon)s
ORDER BY p.horizon

-- name: fetch_backtest
-- how the model that made a forecast would have done on this market, by its newest backtest
SELECT origins, pinball_ratio, relative_mae, coverage80, coverage95, year_coverage80, year_coverage95,
       first_origin, last_origin
FROM forecast_backtest
WHERE symbol = %(symbol)s AND name = %(name)s AND version = %(version)s
ORDER BY made_at DESC
LIMIT 1
