"""The schema that people are shown is the one that runs, and it keeps the contract."""

from __future__ import annotations

import re

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
    print_type,
)

from graphql_api.schema import PRINTED, printed

# The contract, type by type: what is here may be added to, never changed.
FIELDS = {
    "Query": (
        'markets: [Market!]! | market(symbol: String! = "BTC-USD"): Market!'
        " | pipeline: PipelineStatus! | server: ServerInfo!"
    ),
    "Market": (
        "symbol: String! | base: String! | quote: String! | sources: [String!]! | synthetic: Boolean!"
        " | freshness: Freshness! | price(at: DateTime): Price! | movement(range: RangeInput!): Movement!"
        " | candles(range: RangeInput!, interval: Interval! = DAY, fill: Fill! = NULL,"
        " includeIncomplete: Boolean! = false, maxPoints: Int): CandleSeries!"
        " | movingAverage(range: RangeInput!, window: Int!, kind: AverageKind! = SIMPLE,"
        " interval: Interval! = DAY): MovingAverageSeries!"
        " | forecast(asOf: Date, horizon: Int! = 15): Forecast!"
        " | forecastScore(range: RangeInput, includeRetrospective: Boolean! = false): ForecastScore!"
    ),
    "Freshness": (
        "firstBar: DateTime! | dataThrough: DateTime! | ageSeconds: Int! | stale: Boolean!"
        " | nextRefreshAt: DateTime"
    ),
    "Price": "at: DateTime! | value: Float! | ageSeconds: Int!",
    "Extreme": "at: DateTime! | value: Float!",
    "ResolvedRange": "from: DateTime! | to: DateTime! | interval: Interval! | clamped: Boolean!",
    "Coverage": "expected: Int! | present: Int! | missing: [Gap!]!",
    "Gap": "from: DateTime! | to: DateTime! | bars: Int!",
    "Warning": "code: String! | message: String!",
    "Movement": (
        "resolved: ResolvedRange! | open: Float | close: Float | high: Extreme | low: Extreme"
        " | change: Float | changePercent: Float | average: Float | volume: Float | volatility: Float"
        " | coverage: Coverage! | warnings: [Warning!]!"
    ),
    "CandleSeries": (
        "resolved: ResolvedRange! | points: [Candle!]! | columns: CandleColumns! | coverage: Coverage!"
        " | warnings: [Warning!]!"
    ),
    "Candle": (
        "start: DateTime! | open: Float | high: Float | low: Float | close: Float | volume: Float"
        " | observed: Int! | complete: Boolean! | filled: Boolean!"
    ),
    "CandleColumns": (
        "start: TimeColumn! | open: FloatColumn! | high: FloatColumn! | low: FloatColumn!"
        " | close: FloatColumn! | volume: FloatColumn! | observed: FloatColumn!"
    ),
    "MovingAverageSeries": (
        "resolved: ResolvedRange! | window: Int! | kind: AverageKind! | points: [MovingAveragePoint!]!"
        " | columns: MovingAverageColumns! | warnings: [Warning!]!"
    ),
    "MovingAveragePoint": (
        "start: DateTime! | value: Float | close: Float | observations: Int! | status: PointStatus!"
    ),
    "MovingAverageColumns": "start: TimeColumn! | value: FloatColumn! | close: FloatColumn!",
    "Forecast": (
        "issuedAt: DateTime! | basedOn: Date! | retrospective: Boolean! | lastClose: Float!"
        " | stale: Boolean! | model: ForecastModel! | points: [ForecastPoint!]! | statement: String!"
    ),
    "ForecastPoint": (
        "day: Date! | horizon: Int! | price: Float! | interval(level: Int! = 80): PriceInterval!"
        " | quantiles: [PriceQuantile!]! | actual: Float"
    ),
    "PriceInterval": "level: Int! | lower: Float! | upper: Float!",
    "PriceQuantile": "probability: Float! | price: Float!",
    "ForecastModel": (
        "name: String! | version: String! | trainedFrom: Date! | trainedThrough: Date!"
        " | dataHash: String! | backtest: BacktestScore"
    ),
    "BacktestScore": (
        "origins: Int! | pinballRatio: Float! | relativeMae: Float! | coverage80: Float! | coverage95: Float!"
        " | yearCoverage80: Float! | yearCoverage95: Float! | firstOrigin: Date! | lastOrigin: Date!"
    ),
    "ForecastScore": "issued: Int! | matured: Int! | horizons: [HorizonScore!]!",
    "HorizonScore": (
        "horizon: Int! | matured: Int! | pinballRatio: Float | relativeMae: Float | coverage80: Float"
        " | coverage95: Float"
    ),
    "ServerInfo": (
        "version: String! | database: String! | timescaledb: String | edition: String!"
        " | continuousAggregates: Boolean!"
    ),
    "PipelineStatus": (
        "lastRunAt: DateTime | lastSuccessAt: DateTime | state: String! | visualiserUrl: String"
        " | recentLoads(first: Int! = 20): [Load!]! | recentRuns(first: Int! = 20): [PipelineRun!]!"
        " | qualityWarnings(first: Int! = 20): [QualityWarning!]!"
    ),
    "PipelineRun": (
        "symbol: String! | task: String! | state: String! | startedAt: DateTime! | endedAt: DateTime"
        " | rows: Int!"
    ),
    "QualityWarning": (
        "symbol: String! | kind: String! | source: String! | from: DateTime! | to: DateTime! | bars: Int!"
        " | message: String!"
    ),
    "Load": (
        "symbol: String! | source: String! | from: DateTime! | to: DateTime! | rows: Int!"
        " | loadedAt: DateTime! | rawObject: String! | sha256: String!"
    ),
    "RangeInput": "last: Period | lastDays: Int | days: DayRange | instants: InstantRange",
    "DayRange": "from: Date! | to: Date!",
    "InstantRange": "from: DateTime! | to: DateTime!",
}
ENUMS = {
    "Interval": "MINUTE FIVE_MINUTES FIFTEEN_MINUTES HOUR FOUR_HOURS DAY WEEK MONTH",
    "Period": "DAY WEEK MONTH QUARTER YEAR ALL",
    "AverageKind": "SIMPLE EXPONENTIAL WEIGHTED",
    "Fill": "NULL PREVIOUS NONE",
    "PointStatus": "OK WARMUP GAP",
}
DESCRIPTIONS = {
    "Date": "A UTC calendar day, ISO 8601: 2024-03-01.",
    "FloatColumn": "A whole column of numbers (or nulls) as one JSON array: what chart libraries want.",
    "TimeColumn": "A whole column of instants as one JSON array of epoch milliseconds.",
    "RangeInput": "Exactly one of these.",
    "ForecastPoint": "price: the median.",
    "MovingAveragePoint": "value is null unless status is OK: the divisor never shrinks.",
}


def test_the_printed_schema_is_the_one_that_runs() -> None:
    """If not: python -m graphql_api.schema."""
    assert PRINTED.read_text(encoding="utf-8") == printed()


@pytest.mark.parametrize("name", FIELDS)
def test_a_type_has_the_fields_of_the_contract(name: str) -> None:
    found = build_schema(printed()).type_map[name]
    assert isinstance(found, GraphQLObjectType | GraphQLInputObjectType)
    lines = re.findall(r"^  (\w.*)$", print_type(without_descriptions(found)), re.MULTILINE)
    assert sorted(lines) == sorted(FIELDS[name].split(" | "))


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_values_of_the_contract(name: str) -> None:
    found = build_schema(printed()).type_map[name]
    assert isinstance(found, GraphQLEnumType)
    assert list(found.values) == ENUMS[name].split()


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_type_is_described_as_in_the_contract(name: str) -> None:
    assert build_schema(printed()).type_map[name].description == DESCRIPTIONS[name]


def test_a_range_is_exactly_one_of_its_fields() -> None:
    assert "input RangeInput @oneOf {" in printed()


def without_descriptions(
    found: GraphQLObjectType | GraphQLInputObjectType,
) -> GraphQLObjectType | GraphQLInputObjectType:
    for field in found.fields.values():
        field.description = None
    return found
