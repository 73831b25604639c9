"""CSV files of bars, made from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

HEADER = "timestamp,open,high,low,close,volume"
FIRST = datetime(2022, 1, 1, tzinfo=UTC)


def daily_rows(days: int, seed: int = 7, first: datetime = FIRST) -> list[str]:
    random = np.random.default_rng(seed)
    closes = np.round(20_000 * np.exp(np.cumsum(random.normal(0, 0.03, days))), 2)
    rows = []
    before = 20_000.0
    for number, close in enumerate(closes):
        high, low = round(max(before, close) * 1.01, 2), round(min(before, close) * 0.99, 2)
        rows.append(f"{first + timedelta(days=number):%Y-%m-%dT00:00:00Z},{before},{high},{low},{close},12.5")
        before = close
    return rows


def write_csv(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path
