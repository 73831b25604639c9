-- Forecast vintages: written once, never changed, so that the public record cannot be improved afterwards.
CREATE TABLE forecast_model (
    model_id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol          text        NOT NULL,
    name            text        NOT NULL,
    version         text        NOT NULL,
    trained_from    date        NOT NULL,
    trained_through date        NOT NULL,
    data_hash       text        NOT NULL,
    parameters      jsonb       NOT NULL,
    libraries       jsonb       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (symbol, name, version, trained_through, data_hash)
);

CREATE TABLE forecast (
    forecast_id   bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol        text             NOT NULL,
    based_on      date             NOT NULL,
    issued_at     timestamptz      NOT NULL,
    retrospective boolean          NOT NULL,
    last_close    double precision NOT NULL CHECK (last_close > 0 AND last_close < 'Infinity'),
    model_id      bigint           NOT NULL UNIQUE REFERENCES forecast_model ON DELETE CASCADE,
    probabilities double precision[] NOT NULL
);
CREATE INDEX ON forecast (symbol, based_on DESC, issued_at DESC);

CREATE TABLE forecast_point (
    forecast_id bigint             NOT NULL REFERENCES forecast ON DELETE CASCADE,
    horizon     smallint           NOT NULL CHECK (horizon > 0),
    day         date               NOT NULL,
    prices      double precision[] NOT NULL,
    PRIMARY KEY (forecast_id, horizon)
);
COMMENT ON COLUMN forecast_point.prices IS 'ascending, one for each of the forecast''s probabilities';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a % is never changed once it is issued', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER forecast_model_is_immutable BEFORE UPDATE ON forecast_model FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER forecast_is_immutable BEFORE UPDATE ON forecast FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER forecast_point_is_immutable BEFORE UPDATE ON forecast_point FOR EACH ROW EXECUTE FUNCTION refuse_change();
