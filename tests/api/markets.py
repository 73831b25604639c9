"""Made-up markets for the API's tests, as pandas frames: what the answers are recomputed from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from btcql.vintages import BacktestRecord, ForecastPoint, ModelCard, Vintage
from database.connection import connected
from database.forecasts import write_backtest, write_vintage
from database.writers import MonthLoad, load_month, refresh_aggregates

NOW = datetime(2024, 1, 11, 12, 34, 56, tzinfo=UTC)
PROBABILITIES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
_LENGTH = {1: "min", 60: "h", 1440: "D"}


def walk(start: str, end: str, minutes: int, seed: int = 1) -> pd.DataFrame:
    """Return a random walk of bars over [start, end), their prices to the cent."""
    at = pd.date_range(start, end, freq=_LENGTH[minutes], inclusive="left", tz="UTC", unit="us")
    random = np.random.default_rng(seed)
    closes = np.round(30_000 * np.exp(np.cumsum(random.normal(0, 0.001 * minutes**0.5, len(at)))), 2)
    opens = np.concatenate(([30_000.0], closes[:-1]))
    spread = np.round(random.uniform(0, 50, (2, len(at))), 2)
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, closes) + spread[0],
            "low": np.minimum(opens, closes) - spread[1],
            "close": closes,
            "volume": np.round(random.uniform(0, 5, len(at)), 6),
            "minutes": minutes,
        },
        index=at,
    )


def without(frame: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    """Return the frame without the bars of [start, end)."""
    inside = (frame.index >= pd.Timestamp(start, tz="UTC")) & (frame.index < pd.Timestamp(end, tz="UTC"))
    return frame[~inside]


def mixed() -> pd.DataFrame:
    """Return days, then hours, then minutes; each with holes; through 2024-01-11T12:30."""
    days = without(walk("2023-01-01", "2023-07-01", 1440, 1), "2023-03-10", "2023-03-12")
    hours = without(walk("2023-07-01", "2024-01-01", 60, 2), "2023-09-10", "2023-09-11")
    hours = without(hours, "2023-10-05T07:00", "2023-10-05T11:00")
    minutes = walk("2024-01-01", "2024-01-11T12:30", 1, 3)
    minutes = minutes[np.random.default_rng(4).uniform(size=len(minutes)) > 0.02]
    minutes = without(without(minutes, "2024-01-05T03:10", "2024-01-05T06:50"), "2024-01-08", "2024-01-09")
    return pd.concat([days, hours, minutes])


def numbered(first: str, days: int) -> pd.DataFrame:
    """Return daily bars whose price is the day's number, from 1."""
    at = pd.date_range(first, periods=days, freq="D", tz="UTC", unit="us")
    price = np.arange(1.0, days + 1)
    columns = dict.fromkeys(("open", "high", "low", "close"), price)
    return pd.DataFrame({**columns, "volume": 1.0, "minutes": 1440}, index=at)


def load(url: str, symbol: str, frame: pd.DataFrame, *sources: str, through: datetime | None = None) -> None:
    """Load the bars month by month, as the pipeline does, and refresh the aggregates."""
    last = frame.index[-1] + pd.Timedelta(minutes=int(frame["minutes"].iloc[-1]))
    end = through or last.to_pydatetime()
    with connected(url, autocommit=True) as connection:
        for month, bars in frame.groupby(pd.DatetimeIndex(frame.index).strftime("%Y-%m-01")):
            first = date.fromisoformat(str(month))
            after = datetime(first.year + first.month // 12, first.month % 12 + 1, 1, tzinfo=UTC)
            table = pa.table(
                {
                    "ts": pa.array(bars.index, type=pa.timestamp("us", tz="UTC")),
                    **{name: bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")},
                    "minutes": pa.array(bars["minutes"], type=pa.int16()),
                }
            )
            digest = f"{symbol} {month} {len(bars)}"
            raw = [{"object": f"raw/source={name}/{month}", "sha256": digest} for name in sources]
            load_month(connection, MonthLoad(symbol, first, table, sources, raw, digest, min(after, end)))
        refresh_aggregates(connection)


def close_before(frame: pd.DataFrame, instant: str) -> float:
    """Return the newest close of a bar that began before an instant."""
    return float(frame["close"][frame.index < pd.Timestamp(instant, tz="UTC")].iloc[-1])


def resampled(frame: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Return coarser bars, those without any base bar left out; weeks begin on Monday."""
    bars = frame.resample(rule, closed="left", label="left").agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
        observed=("close", "count"),
    )
    return bars[bars["observed"] > 0]


def issue_forecast(
    url: str, symbol: str, based_on: date, issued_at: datetime, version: str = "1", days: int = 15
) -> Vintage:
    """Write a vintage whose quantile p of day h is 30000 + 1000 h (p - 1/2), and return it."""
    points = tuple(
        ForecastPoint(
            h, based_on + timedelta(days=h), tuple(30_000 + 1000 * h * (p - 0.5) for p in PROBABILITIES)
        )
        for h in range(1, days + 1)
    )
    model = ModelCard("test", version, date(2023, 1, 1), based_on, "abc", {}, {})
    vintage = Vintage(based_on, 30_000.0, PROBABILITIES, points, model)
    with connected(url, autocommit=True) as connection:
        assert write_vintage(connection, symbol, vintage, issued_at)
    return vintage


def keep_backtest(url: str, symbol: str, version: str, pinball_ratio: float, made_at: datetime) -> None:
    """Write a backtest of the model of `issue_forecast`."""
    first, last = date(2023, 1, 1), date(2023, 12, 1)
    record = BacktestRecord(
        30, pinball_ratio, 1.01, 0.8, 0.95, 0.79, 0.94, first, last, "test", version, "abc"
    )
    with connected(url, autocommit=True) as connection:
        write_backtest(connection, symbol, record, made_at)
