-- name: find_warnings
-- An older schema has none.
SELECT true FROM pg_tables WHERE schemaname = 'public' AND tablename = 'quality_warning';

-- name: remove_warnings
-- Before a month's new ones.
DELETE FROM quality_warning WHERE symbol = %s AND month = %s;

-- name: write_warning
-- In the transaction of the marker, which must be there.
INSERT INTO quality_warning (symbol, month, number, kind, source, from_at, to_at, bars, message)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: read_warnings
-- The three newest of each market and kind, with how many there are. A month is checked by itself: what is
-- missing between two of them is told from their markers.
WITH known AS (
    SELECT symbol, kind, source, from_at, to_at, message FROM quality_warning
    UNION ALL
    SELECT symbol, 'month_gap', array_to_string(sources, ', '), before, first_ts, 'no bars between two loads'
    FROM (
        SELECT symbol, sources, first_ts, lag(complete_through) OVER (PARTITION BY symbol ORDER BY month) AS before
        FROM load
    ) AS follows
    WHERE first_ts - before >= INTERVAL '1 hour'
),
numbered AS (
    SELECT *,
           count(*) OVER (PARTITION BY symbol, kind) AS total,
           max(from_at) OVER (PARTITION BY symbol, kind) AS newest,
           row_number() OVER (PARTITION BY symbol, kind ORDER BY from_at DESC, source, message) AS number
    FROM known
)
SELECT symbol, kind, total, number, source, from_at, to_at, message
FROM numbered
WHERE number <= 3
ORDER BY symbol, newest DESC, kind, number
LIMIT 200;
