-- name: fetch_pending
-- the first day, of those that end after an instant, whose hourly and daily bars are older than its base bars
SELECT min(from_day)
FROM aggregate_refresh
WHERE (symbol = %(symbol)s OR symbol IS NULL) AND to_day > %(since)s

-- name: fetch_newest_forecast
-- where who wants to hear of new ones begins
SELECT coalesce(max(forecast_id), 0) FROM forecast WHERE symbol = %(symbol)s

-- name: fetch_issued_after
-- the vintages issued after one, in the order of their writing; a few at a time
SELECT f.forecast_id, f.based_on, f.issued_at, f.retrospective, f.last_close, f.probabilities,
       m.name, m.version, m.trained_from, m.trained_through, m.data_hash,
       (SELECT max(p.horizon) FROM forecast_point AS p WHERE p.forecast_id = f.forecast_id)
FROM forecast AS f
JOIN forecast_model AS m USING (model_id)
WHERE f.symbol = %(symbol)s AND f.forecast_id > %(forecast_id)s AND f.issued_at > %(issued_after)s
ORDER BY f.forecast_id
LIMIT 10
