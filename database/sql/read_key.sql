-- name: fetch_key
-- by the hash, which who knows it had to have the key for; a revoked key is none
SELECT key_id, name, scopes, rate FROM api_key WHERE sha256 = %s AND revoked_at IS NULL;

-- name: begin_noting
-- the API's sessions only read; two APIs may note the same key's use
SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;

-- name: note_key_uses
-- the one thing that the reader may write, by the function of migration 0009
SELECT note_api_key_use(%(ids)s::integer[], %(ages)s::interval[]);
