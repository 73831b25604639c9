-- name: create_key
-- A name that a key in use has is refused by the index.
INSERT INTO api_key (name, prefix, sha256, scopes, rate)
VALUES (%(name)s, %(prefix)s, %(sha256)s, %(scopes)s, %(rate)s)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING key_id, name, prefix, scopes, rate, created_at, revoked_at, last_used_at;

-- name: read_keys
-- All that there were, in the order in which they were made.
SELECT key_id, name, prefix, scopes, rate, created_at, revoked_at, last_used_at FROM api_key ORDER BY key_id;

-- name: revoke_key
-- The key in use of this name, or the one that begins so.
UPDATE api_key SET revoked_at = now()
WHERE (name = %(which)s OR prefix = %(which)s) AND revoked_at IS NULL
RETURNING key_id, name, prefix, scopes, rate, created_at, revoked_at, last_used_at;
