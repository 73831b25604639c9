-- What the checks of a month's preparation found odd; it comes, changes and goes with the month's marker.
CREATE TABLE quality_warning (
    symbol  text        NOT NULL,
    month   date        NOT NULL,
    number  integer     NOT NULL,
    kind    text        NOT NULL,
    source  text        NOT NULL,
    from_at timestamptz NOT NULL,
    to_at   timestamptz NOT NULL,
    bars    bigint      NOT NULL,
    message text        NOT NULL,
    PRIMARY KEY (symbol, month, number),
    FOREIGN KEY (symbol, month) REFERENCES load ON DELETE CASCADE,
    CONSTRAINT quality_warning_stretch CHECK (from_at < to_at)
);
