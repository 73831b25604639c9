-- name: fetch_readiness
-- the least that shows that the database answers and is migrated
SELECT FROM load LIMIT 1
