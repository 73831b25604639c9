-- Raw bars, one row each, and the marker that a month of them has arrived.
-- A candle is stamped at its open; `minutes` is its length, for a market's day may come from
-- minute, hourly or daily bars (never from a mixture of them).
CREATE TABLE candle (
    ts      timestamptz      NOT NULL,
    open    double precision NOT NULL,
    high    double precision NOT NULL,
    low     double precision NOT NULL,
    close   double precision NOT NULL,
    volume  double precision NOT NULL,
    minutes smallint         NOT NULL,
    symbol  text             NOT NULL,
    PRIMARY KEY (symbol, ts),
    -- float8 has infinity and NaN (above infinity): the upper bound keeps both out
    CONSTRAINT candle_prices CHECK (
        low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 'Infinity'
    ),
    CONSTRAINT candle_volume CHECK (volume >= 0 AND volume < 'Infinity'),
    CONSTRAINT candle_minutes CHECK (minutes IN (1, 60, 1440))
);

-- One row per month that was loaded, written in the transaction of its rows.
CREATE TABLE load (
    symbol           text        NOT NULL,
    month            date        NOT NULL,
    sources          text[]      NOT NULL,
    input_sha256     text        NOT NULL,
    raw_objects      jsonb       NOT NULL,
    rows             integer     NOT NULL,
    first_ts         timestamptz NOT NULL,
    complete_through timestamptz NOT NULL,
    loaded_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, month)
);
COMMENT ON COLUMN load.complete_through IS 'every bar that ended by then has been loaded';

-- Days whose aggregates are older than their bars; written with the load, removed by the refresh.
CREATE TABLE aggregate_refresh (
    refresh_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_day   timestamptz NOT NULL,
    to_day     timestamptz NOT NULL
);
