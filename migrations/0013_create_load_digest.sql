-- What each day of a loaded month was, as a digest: the next load of the month reads and compares only the days
-- that differ. It counts only while the month's marker has the same input, for a program that knew nothing of
-- digests may have loaded since.
CREATE TABLE load_digest (
    symbol       text    NOT NULL,
    month        date    NOT NULL,
    input_sha256 text    NOT NULL,
    days         bytea[] NOT NULL,
    PRIMARY KEY (symbol, month),
    FOREIGN KEY (symbol, month) REFERENCES load ON DELETE CASCADE
);
COMMENT ON COLUMN load_digest.days IS 'sha256 of each day''s bars, from the month''s first to its last; null: it has none';
