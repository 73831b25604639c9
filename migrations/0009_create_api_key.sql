-- Who may ask the API beyond what everybody may. A key's secret stands nowhere: it is 256 random bits, so that a
-- plain hash of it cannot be searched, and the reader may see it.
CREATE TABLE api_key (
    key_id       integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL CHECK (name <> ''),
    prefix       text        NOT NULL UNIQUE,
    sha256       bytea       NOT NULL UNIQUE CHECK (length(sha256) = 32),
    scopes       text[]      NOT NULL CHECK (cardinality(scopes) > 0),
    rate         integer     CHECK (rate > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE UNIQUE INDEX ON api_key (name) WHERE revoked_at IS NULL;
COMMENT ON COLUMN api_key.prefix IS 'what the key begins with: it tells one from another, and is no part of the secret';
COMMENT ON COLUMN api_key.rate IS 'cost a minute; null: without a limit';
COMMENT ON COLUMN api_key.last_used_at IS 'to the minute';

-- All that the API writes: it is the reader, who may do this and nothing else. At most once a minute for a key.
CREATE FUNCTION note_api_key_use(ids integer[], ages interval[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.api_key AS api_key
    SET last_used_at = now() - greatest(used.age, interval '0')
    FROM unnest(ids, ages) AS used (id, age)
    WHERE api_key.key_id = used.id
      AND (api_key.last_used_at IS NULL OR api_key.last_used_at < now() - used.age - interval '1 minute')
$$;
REVOKE ALL ON FUNCTION note_api_key_use(integer[], interval[]) FROM PUBLIC;
