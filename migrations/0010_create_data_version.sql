-- What version the data has: one more with each change of a market, in the change's own transaction, so that
-- whoever reads the same sum before and after has read one version. A market that goes leaves its row: the
-- sum never goes back.
CREATE TABLE data_version (
    symbol     text        PRIMARY KEY,
    version    bigint      NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Of no market: where this database begins to count, by chance, so that one made anew never has a version of
-- the one whose name it takes.
INSERT INTO data_version (symbol, version) VALUES ('', (random() * 1e15)::bigint);
