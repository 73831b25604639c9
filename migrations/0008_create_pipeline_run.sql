-- What the pipeline did and when it does it again. It stands here, and not in a process, for it has to outlive
-- every one of them; the API reads it too.
CREATE TABLE pipeline_run (
    run_id     integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market     text        NOT NULL,
    task       text        NOT NULL CHECK (task IN ('refresh', 'import')),
    attempt    integer     NOT NULL DEFAULT 1 CHECK (attempt > 0),
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    state      text        NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'succeeded', 'failed', 'interrupted')),
    rows       bigint      NOT NULL DEFAULT 0,
    error      text,
    CHECK ((state = 'running') = (ended_at IS NULL))
);
CREATE INDEX ON pipeline_run (market, started_at DESC);
COMMENT ON COLUMN pipeline_run.rows IS 'written or removed';
COMMENT ON COLUMN pipeline_run.state IS 'a run holds an advisory lock: one that is "running" without was killed';

CREATE TABLE pipeline_plan (
    market   text        PRIMARY KEY,
    next_at  timestamptz NOT NULL,
    failures integer     NOT NULL CHECK (failures >= 0)
);
COMMENT ON COLUMN pipeline_plan.failures IS 'since the last success';

-- What people are to be told, once.
CREATE TABLE pipeline_event (
    event_id     integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market       text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('failed', 'recovered', 'stale', 'fresh')),
    at           timestamptz NOT NULL,
    message      text        NOT NULL,
    delivered_to text[]      NOT NULL DEFAULT '{}',
    tries        integer     NOT NULL DEFAULT 0,
    retry_at     timestamptz,
    CHECK (tries >= 0)
);
CREATE INDEX ON pipeline_event (market, event_id);
COMMENT ON COLUMN pipeline_event.delivered_to IS 'digests of the addresses, which may hold secrets';
COMMENT ON COLUMN pipeline_event.retry_at IS 'null: everybody has been told, or nobody is to be';
