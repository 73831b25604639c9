"""The engines of this machine, for the tests that ask both."""

from __future__ import annotations

import pytest

from btcql.errors import SettingError
from etl.prepare.engine import DUCKDB, SPARK, Engine, choose_engine

ENGINES = (DUCKDB, SPARK)


def engine_of(name: str) -> Engine:
    """Return the engine; a Spark that is not installed skips the test, for it is an extra."""
    try:
        return choose_engine(name, "local[2]")
    except SettingError as missing:
        pytest.skip(str(missing))
