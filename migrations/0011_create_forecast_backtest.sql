-- How a model would have done on a market's past: what people are shown beside its forecasts.
CREATE TABLE forecast_backtest (
    symbol          text             NOT NULL,
    name            text             NOT NULL,
    version         text             NOT NULL,
    data_hash       text             NOT NULL,
    first_origin    date             NOT NULL,
    last_origin     date             NOT NULL CHECK (last_origin >= first_origin),
    origins         integer          NOT NULL CHECK (origins > 0),
    pinball_ratio   double precision NOT NULL CHECK (pinball_ratio >= 0 AND pinball_ratio < 'Infinity'),
    relative_mae    double precision NOT NULL CHECK (relative_mae >= 0 AND relative_mae < 'Infinity'),
    coverage80      double precision NOT NULL CHECK (coverage80 BETWEEN 0 AND 1),
    coverage95      double precision NOT NULL CHECK (coverage95 BETWEEN 0 AND 1),
    year_coverage80 double precision NOT NULL CHECK (year_coverage80 BETWEEN 0 AND 1),
    year_coverage95 double precision NOT NULL CHECK (year_coverage95 BETWEEN 0 AND 1),
    made_at         timestamptz      NOT NULL,
    PRIMARY KEY (symbol, name, version, made_at)
);
COMMENT ON COLUMN forecast_backtest.year_coverage80 IS 'of the origins of the year that ends with the last one';
