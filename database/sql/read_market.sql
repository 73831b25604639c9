-- name: fetch_market
-- what is known of one market, from its load markers: a row a month, never the bars themselves
SELECT symbol, array_agg(DISTINCT source ORDER BY source), min(first_ts), max(complete_through)
FROM load CROSS JOIN unnest(sources) AS source
WHERE symbol = %(symbol)s
GROUP BY symbol

-- name: fetch_markets
-- the same of every market
SELECT symbol, array_agg(DISTINCT source ORDER BY source), min(first_ts), max(complete_through)
FROM load CROSS JOIN unnest(sources) AS source
GROUP BY symbol
ORDER BY symbol COLLATE "C"
