"""After any sequence of loads every hour and day is what pandas makes of the bars that are there."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from database.connection import connected
from database.writers import (
    LoadResult,
    aggregates_are_fresh,
    load_month,
    read_markers,
    refresh_aggregates,
    remove_market,
)
from tests.bars import month_load
from tests.conftest import fresh_database
from tests.database.test_timescaledb import compress

SYMBOLS = ("BTC-USD", "ETH-USD")
# Chunks of 90 days: the first and the third month are each in two of them.
MONTHS = (date(2023, 12, 1), date(2024, 2, 1), date(2024, 3, 1))
DAYS_OF_A_MONTH = 29
COLUMNS = ["open", "high", "low", "close", "volume", "minutes"]
SCHEMA = pa.schema(
    [
        ("ts", pa.timestamp("us", tz="UTC")),
        *((name, pa.float64()) for name in COLUMNS[:5]),
        ("minutes", pa.int16()),
    ]
)
SUMS = {
    "open": ("open", "first"),
    "high": ("high", "max"),
    "low": ("low", "min"),
    "close": ("close", "last"),
    "volume": ("volume", "sum"),
    "observed": ("close", "count"),
    "close_sum": ("close", "sum"),
    "minutes": ("minutes", "max"),
}
EXACT = ["open", "high", "low", "close", "observed", "minutes"]
ROUNDED = ["volume", "close_sum"]

Key = tuple[str, date]
symbols, months = st.sampled_from(SYMBOLS), st.sampled_from(MONTHS)
seeds, days = st.integers(0, 2**32 - 1), st.integers(0, DAYS_OF_A_MONTH - 1)
lengths, refreshes = st.sampled_from([1, 60, 1440]), st.booleans()


def day_bars(month: date, day: int, minutes: int, seed: int) -> pd.DataFrame:
    """A day's bars, with gaps, indexed by ts."""
    random = np.random.default_rng(seed)
    slots = random.permutation(1440 // minutes)[: random.integers(1, 41)]
    start = pd.Timestamp(month, tz="UTC") + timedelta(days=day)
    index = start + pd.to_timedelta(np.sort(slots) * minutes, unit="min")
    low, open_, close, high = np.sort(random.lognormal(8, 3, (4, len(slots))), axis=0)
    volume = random.lognormal(0, 5, len(slots)) * (random.random(len(slots)) < 0.9)
    if seed % 2:
        # decimals, which are kept as whole numbers as long as all of their month are
        low, open_, close, high = (np.ceil(price * 100) / 100 for price in (low, open_, close, high))
        volume = np.round(volume, seed % 9)
    values = {"open": open_, "high": high, "low": low, "close": close, "volume": volume, "minutes": minutes}
    return pd.DataFrame(values, index=index.rename("ts"))


class Loads(RuleBasedStateMachine):
    """Loads, corrections, removals and refreshes of two markets, beside the frames that must come of them."""

    def __init__(self, server_url: str, edition: str) -> None:
        super().__init__()
        self._stack = ExitStack()
        database = self._stack.enter_context(fresh_database(server_url, edition))
        self.connection = self._stack.enter_context(connected(database.url, autocommit=True))
        self.edition = edition
        self.months: dict[Key, pd.DataFrame] = {}
        self.inputs: dict[Key, str] = {}
        self.loads = 0

    def teardown(self) -> None:
        self._stack.close()

    @rule(symbol=symbols, month=months, seed=seeds, refresh=refreshes)
    def load_a_whole_month(self, symbol: str, month: date, seed: int, refresh: bool) -> None:
        random = np.random.default_rng(seed)
        chosen = np.sort(random.permutation(DAYS_OF_A_MONTH)[: random.integers(1, DAYS_OF_A_MONTH + 1)])
        bars = [day_bars(month, int(day), int(random.choice([1, 60, 1440])), seed + day) for day in chosen]
        self._load((symbol, month), pd.concat(bars), refresh)

    @precondition(lambda self: self.months)
    @rule(data=st.data(), day=days, minutes=lengths, seed=seeds, refresh=refreshes)
    def replace_or_add_a_day(
        self, data: st.DataObject, day: int, minutes: int, seed: int, refresh: bool
    ) -> None:
        key = self._loaded(data)
        bars, start = self.months[key], pd.Timestamp(key[1], tz="UTC") + timedelta(days=day)
        others = bars[(bars.index < start) | (bars.index >= start + timedelta(days=1))]
        self._load(key, pd.concat([others, day_bars(key[1], day, minutes, seed)]).sort_index(), refresh)

    @precondition(lambda self: self.months)
    @rule(data=st.data(), seed=seeds, refresh=refreshes)
    def correct_and_drop_some_bars(self, data: st.DataObject, seed: int, refresh: bool) -> None:
        key, random = self._loaded(data), np.random.default_rng(seed)
        bars = self.months[key].copy()
        wrong = random.random(len(bars)) < 0.02
        bars.loc[wrong, "close"] = bars.loc[wrong, "high"]
        bars.loc[wrong, "volume"] += 0.125
        kept = random.random(len(bars)) >= random.choice([0, 0.02, 0.5])
        kept[0] = True
        self._load(key, bars[kept], refresh)

    @precondition(lambda self: self.months)
    @rule(data=st.data())
    def load_the_same_again(self, data: st.DataObject) -> None:
        key = self._loaded(data)
        month = month_load(table_of(self.months[key]), key[1], self.inputs[key], symbol=key[0])
        assert load_month(self.connection, month) == LoadResult(0, 0)

    @precondition(lambda self: self.months)
    @rule(data=st.data(), seed=seeds, refresh=refreshes)
    def load_over_bars_that_were_deleted_by_hand(self, data: st.DataObject, seed: int, refresh: bool) -> None:
        key, random = self._loaded(data), np.random.default_rng(seed)
        bars = self.months[key]
        left = random.random(len(bars)) < random.choice([0, 0.5, 0.98])
        gone = bars.index[~left].to_pydatetime().tolist()
        self.connection.execute(
            "DELETE FROM scaled_candle WHERE symbol = %s AND ts = ANY (%s)", [key[0], gone]
        )
        self.months[key] = bars[left]
        self._load(key, bars, refresh)

    @precondition(lambda self: self.months)
    @rule(data=st.data())
    def be_refused_a_month_with_a_bar_that_is_none(self, data: st.DataObject) -> None:
        key = self._loaded(data)
        bars = self.months[key].copy()
        bars.iloc[-1, 0] = float("nan")
        with pytest.raises(psycopg.errors.CheckViolation):
            load_month(self.connection, month_load(table_of(bars), key[1], "refused", symbol=key[0]))

    @rule(symbol=symbols, refresh=refreshes)
    def remove_a_market(self, symbol: str, refresh: bool) -> None:
        gone = [key for key in self.months if key[0] == symbol]
        removed = sum(len(self.months.pop(key)) for key in gone)
        for key in gone:
            del self.inputs[key]
        assert remove_market(self.connection, symbol) == removed
        self._look(refresh)

    @precondition(lambda self: self.edition == "community")
    @rule()
    def compress_all_chunks(self) -> None:
        compress(self.connection)

    @rule()
    def refresh(self) -> None:
        self._look(refresh=True)

    def _loaded(self, data: st.DataObject) -> Key:
        return data.draw(st.sampled_from(sorted(self.months)), label="month")

    def _load(self, key: Key, bars: pd.DataFrame, refresh: bool) -> None:
        before = self.months.get(key, bars.iloc[:0])
        both = before.index.intersection(bars.index)
        changed = int((before.loc[both] != bars.loc[both]).any(axis=1).sum())
        wanted = LoadResult(len(bars) - len(both) + changed, len(before) - len(both))
        self.loads += 1
        month = month_load(table_of(bars), key[1], str(self.loads), symbol=key[0])
        assert load_month(self.connection, month) == wanted
        self.months[key], self.inputs[key] = bars, str(self.loads)
        self._look(refresh)

    def _look(self, refresh: bool) -> None:
        if refresh:
            refresh_aggregates(self.connection)
            assert aggregates_are_fresh(self.connection)
        # rollup tables are fresh at any time
        if refresh or self.edition != "community":
            self._compare()

    def _compare(self) -> None:
        raw = self._read("candle", COLUMNS)
        wanted = [bars.assign(symbol=symbol).reset_index() for (symbol, _), bars in self.months.items()]
        if wanted:
            loaded = pd.concat(wanted).set_index(["symbol", "ts"]).sort_index()
            assert raw.index.tolist() == loaded.index.tolist()
            assert (raw == loaded[COLUMNS]).all(axis=None)
        else:
            assert raw.empty
        hours, days = (self._read(view, list(SUMS)) for view in ("candle_1h", "candle_1d"))
        assert_same(hours, summed(raw[raw["minutes"] <= 60], "h"))
        assert_same(days, summed(raw, "D"))
        self._compare_markers()

    def _compare_markers(self) -> None:
        for symbol in SYMBOLS:
            inputs = {month: sha256 for (of, month), sha256 in self.inputs.items() if of == symbol}
            assert read_markers(self.connection, symbol) == inputs
        found = self.connection.execute("SELECT symbol, month, rows, first_ts FROM load").fetchall()
        assert sorted(found) == sorted(
            (symbol, month, len(bars), bars.index[0]) for (symbol, month), bars in self.months.items()
        )

    def _read(self, table: str, columns: list[str]) -> pd.DataFrame:
        text = f"SELECT symbol, ts, {', '.join(columns)} FROM {table} ORDER BY symbol, ts"
        found: list[tuple[Any, ...]] = self.connection.execute(text.encode()).fetchall()
        return pd.DataFrame(found, columns=["symbol", "ts", *columns]).set_index(["symbol", "ts"])


def table_of(bars: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(bars.reset_index(), schema=SCHEMA, preserve_index=False)


def summed(raw: pd.DataFrame, frequency: str) -> pd.DataFrame:
    starts = pd.DatetimeIndex(raw.index.get_level_values("ts")).floor(frequency)
    return raw.groupby([raw.index.get_level_values("symbol"), starts]).agg(**SUMS)


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    assert found.index.tolist() == wanted.index.tolist()
    if len(wanted):
        assert (found[EXACT] == wanted[EXACT]).all(axis=None)
        np.testing.assert_allclose(found[ROUNDED], wanted[ROUNDED], rtol=1e-12, atol=0)


def test_after_any_loads_each_hour_and_day_is_exact(server_url: str, edition: str) -> None:
    bounded = settings(
        max_examples=8,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # to shrink a failure takes longer than a test may: its steps are printed as they were
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )

    class LoadsHere(Loads):
        def __init__(self) -> None:
            super().__init__(server_url, edition)

    run_state_machine_as_test(LoadsHere, settings=bounded)
