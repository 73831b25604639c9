"""The made-up market: the same for everyone, its past never changing, its bars sound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from btcql.records import Timeframe
from etl.sources.sample import sample_bars
from lake.path import Partition
from lake.schema import BARS, by_month, check_bars

THROUGH = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample() -> dict[Timeframe, pa.Table]:
    return sample_bars(THROUGH)


def frame(table: pa.Table) -> pd.DataFrame:
    return pd.DataFrame({name: table[name].to_numpy() for name in table.column_names}).set_index("ts")


def test_it_has_ten_years_of_hours_and_thirty_days_of_minutes(sample: dict[Timeframe, pa.Table]) -> None:
    hours, minutes = sample[Timeframe.HOUR], sample[Timeframe.MINUTE]
    assert hours.schema.equals(BARS)
    assert minutes.num_rows == 30 * 1440
    assert hours.num_rows == (THROUGH - datetime(2016, 3, 10, tzinfo=UTC)) / timedelta(hours=1)
    assert hours["ts"][-1].as_py() == THROUGH - timedelta(hours=1)
    assert minutes["ts"][-1].as_py() == THROUGH - timedelta(minutes=1)


def test_every_bar_is_one_that_the_lake_takes(sample: dict[Timeframe, pa.Table]) -> None:
    for timeframe, table in sample.items():
        for month, bars in by_month(table):
            check_bars(bars, Partition("synthetic", "BTC-USD", timeframe, month))
        for name in ("open", "high", "low", "close"):
            prices = table[name].to_numpy()
            assert (prices == np.rint(prices * 100) / 100).all(), "prices are in cents"


def test_hours_are_exactly_their_minutes(sample: dict[Timeframe, pa.Table]) -> None:
    hours, minutes = frame(sample[Timeframe.HOUR]), frame(sample[Timeframe.MINUTE])
    made = minutes.resample("1h").agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    own = hours.loc[made.index]
    for name in ("open", "high", "low", "close"):
        assert (made[name] == own[name]).all()
    assert (made["volume"] - own["volume"]).abs().max() < 1e-6


def test_the_past_never_changes(sample: dict[Timeframe, pa.Table]) -> None:
    later = sample_bars(THROUGH + timedelta(days=24))
    for timeframe in (Timeframe.HOUR, Timeframe.MINUTE):
        before, after = frame(sample[timeframe]), frame(later[timeframe])
        shared = before.index.intersection(after.index)
        assert len(shared) >= 6 * 1440
        pd.testing.assert_frame_equal(before.loc[shared], after.loc[shared], check_exact=True)


def test_it_behaves_like_a_market_and_promises_nothing(sample: dict[Timeframe, pa.Table]) -> None:
    daily = frame(sample[Timeframe.HOUR])["close"].resample("1D").last()
    returns = pd.Series(np.diff(np.log(daily.to_numpy())))
    error = returns.std() / np.sqrt(len(returns))
    assert 0.02 < returns.std() < 0.04
    assert abs(returns.mean()) < 2 * error, "no trend that could be told from chance"
    assert returns.abs().autocorr(1) > 0.1, "volatility clusters"
    assert abs(returns.autocorr(1)) < 0.1, "returns themselves do not"
    assert float(((returns / returns.std()) ** 4).mean()) > 4, "tails are fat"
    hours = frame(sample[Timeframe.HOUR])
    assert np.corrcoef(np.log(hours["high"] / hours["low"]), hours["volume"])[0, 1] > 0.3


@pytest.mark.parametrize(
    "through",
    [datetime(2024, 2, 29, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), datetime(2059, 12, 31, tzinfo=UTC)],
)
def test_any_midnight_ten_years_after_its_origin_will_do(through: datetime) -> None:
    hours = sample_bars(through)[Timeframe.HOUR]
    assert hours["ts"][-1].as_py() == through - timedelta(hours=1)
    assert 100 < hours["low"].to_numpy().min() < hours["high"].to_numpy().max() < 1_000_000


@pytest.mark.parametrize(
    ("through", "reason"),
    [
        (datetime(2026, 3, 10, 1, tzinfo=UTC), "not a midnight in UTC"),
        (datetime(2019, 12, 31, tzinfo=UTC), "begins in 2010"),
    ],
)
def test_other_instants_are_refused(through: datetime, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        sample_bars(through)
