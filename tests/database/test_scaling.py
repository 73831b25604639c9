"""Bars are kept as whole numbers where they are decimals, and read as they were: to the last bit."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcql.errors import DatabaseError
from database.columns import Floats
from database.connection import connected
from database.scaling import UNITS, find_unit, scaled
from database.writers import LoadResult
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_writers import MARCH, load, rows

positive = st.floats(min_value=5e-324, max_value=1.7e308)
short = st.builds(
    lambda whole, scale: float(f"{whole}e-{scale}"), st.integers(1, 10**15 - 1), st.integers(0, 24)
)
cents = st.builds(lambda whole: float(f"{whole}e-2"), st.integers(1, 10**9))
columns = st.one_of(
    *(st.lists(kind, min_size=1, max_size=30) for kind in (positive, short, cents, positive | cents))
)


def bits(values: Floats) -> bytes:
    return struct.pack(f"{len(values)}d", *values)


@settings(max_examples=200)
@given(columns, columns)
def test_whatever_the_numbers_are_they_come_back_to_the_last_bit(
    one: list[float], other: list[float]
) -> None:
    arrays = [np.array(one), np.array(other)]
    unit = find_unit(arrays)
    assert unit in UNITS
    for array in arrays:
        kept = scaled(array, unit)
        assert bits(kept / unit) == bits(array)
        if unit > 1:
            assert (kept == np.rint(kept)).all()
            assert kept.max() < 2**53


@pytest.mark.parametrize(
    ("numbers", "unit"),
    [
        ([42345.67, 42345.6, 42345.0], 100),
        ([1.0, 250000.0], 1),
        ([12.34567, 0.00000001], 10**8),
        ([99999.9999999999, 0.5], 10**10),
        ([9999999.9999999999, 1.23456789], 10**8),
        ([99999999999999.9, 1.23456789012345], 1),
        ([1.5, 1e-11], 1),
        ([1 / 3, 1000.5], 1),
        ([float("nan"), 0.5], 1),
        ([0.5, float("inf")], 1),
        ([0.0, -0.0], 1),
        ([], 1),
    ],
)
def test_the_unit_is_the_least_that_keeps_all(numbers: list[float], unit: float) -> None:
    assert find_unit([np.array(numbers, np.float64)]) == unit


KEPT = "SELECT open, high, low, close, price_unit, volume_unit FROM scaled_candle ORDER BY ts LIMIT 1"
UNITS_KEPT = "SELECT DISTINCT price_unit, volume_unit FROM scaled_candle ORDER BY 1, 2"


def test_each_load_has_units_of_its_own_and_the_view_undoes_it(database: Database) -> None:
    bars = month_bars(MARCH, 200)
    load(database.url, month_load(bars, MARCH, "a"))
    assert rows(database.url, UNITS_KEPT) == [(100, 1000)]
    first = [round(100 * bars[name][0].as_py()) for name in ("open", "high", "low", "close")]
    assert rows(database.url, KEPT) == [(*first, 100, 1000)]
    thirds = bars.set_column(5, "volume", pa.array(np.arange(1, 201) / 3))
    load(database.url, month_load(thirds, MARCH, "a", symbol="ETH-USD"))
    assert rows(database.url, UNITS_KEPT) == [(100, 1), (100, 1000)]
    for symbol, loaded in (("BTC-USD", bars), ("ETH-USD", thirds)):
        found = rows(database.url, f"SELECT * FROM candle WHERE symbol = '{symbol}' ORDER BY ts")
        wanted = [(*bar.values(), symbol) for bar in loaded.to_pylist()]
        assert found == wanted


def test_the_same_bar_in_another_unit_is_not_touched(database: Database) -> None:
    bars = month_bars(MARCH, 200)
    load(database.url, month_load(bars, MARCH, "a"))
    before = rows(database.url, "SELECT ctid, xmin, * FROM scaled_candle ORDER BY ts")
    prices = bars["high"].to_numpy().copy()
    prices[50] += 0.125
    finer = bars.set_column(2, "high", pa.array(prices))
    assert load(database.url, month_load(finer, MARCH, "b")) == LoadResult(1, 0)
    assert rows(database.url, UNITS_KEPT) == [(100, 1000), (1000, 1000)]
    after = rows(database.url, "SELECT ctid, xmin, * FROM scaled_candle ORDER BY ts")
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    assert rows(database.url, "SELECT high FROM candle ORDER BY ts") == [
        (price,) for price in prices.tolist()
    ]


def test_no_unit_that_a_number_would_not_survive_is_taken(database: Database) -> None:
    load(database.url, month_load(month_bars(MARCH, 2), MARCH, "a"))
    for column in ("price_unit", "volume_unit"):
        with pytest.raises(DatabaseError, match=f"candle_{column}"), connected(database.url) as connection:
            connection.execute(f"UPDATE scaled_candle SET {column} = 1e11".encode())
