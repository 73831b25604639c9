-- name: fetch_issued
-- the forecasts that a record counts, each with the days it learned from
SELECT f.forecast_id, (f.based_on - DATE '1970-01-01')::bigint AS day,
       (m.trained_from - DATE '1970-01-01')::bigint AS first, f.last_close,
       (SELECT max(p.horizon) FROM forecast_point AS p WHERE p.forecast_id = f.forecast_id)::bigint AS horizons
FROM forecast AS f
JOIN forecast_model AS m USING (model_id)
WHERE f.symbol = %(symbol)s AND f.based_on >= %(start)s AND f.based_on < %(end)s
  AND (NOT f.retrospective OR %(retrospective)s)
ORDER BY f.forecast_id
LIMIT %(most)s

-- name: fetch_quantiles
-- what they said of the days that are over, a row for each quantile
SELECT f.forecast_id, p.horizon::bigint AS horizon, q.probability, q.price
FROM forecast AS f
JOIN forecast_point AS p USING (forecast_id)
CROSS JOIN unnest(f.probabilities, p.prices) AS q (probability, price)
WHERE f.forecast_id = ANY (%(forecasts)s) AND p.day < %(end)s
