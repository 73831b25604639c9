"""The checks around a month's preparation: what is no bar stops it, what is odd becomes a warning."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

from btcql.calendar import DAY
from btcql.errors import LakeError
from btcql.records import Timeframe
from database.quality import QualityWarning
from etl.prepare.engine import Engine
from lake.manifest import Manifest
from lake.path import MANIFEST

_LABELS = {frame.minutes: frame.value for frame in Timeframe}
_SAME = ("kind", "source", "minutes", "other_source", "other_minutes")
_ERRORS = {
    "out_of_order": "does not follow the bar before it in time",
    "outside": "lies outside the month",
    "mixed": "follows one of another source or length within its day",
}


@cache
def sql(name: str) -> str:
    """Return the text of etl/prepare/<name>.sql."""
    return files("etl.prepare").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def check_raw(engine: Engine, raw: pa.Table, bounds: pa.Table, manifests: list[Manifest]) -> None:
    """Raise LakeError for the first raw bar that is none, naming its file, instant and values.

    `raw` and `bounds` are check_raw.sql's raw_bar and month; `manifests` are what `raw` was read from.
    """
    wrong = engine(sql("check_raw"), raw_bar=raw, month=bounds).to_pylist()
    if not wrong:
        return
    bar = wrong[0]
    partition, name = next(
        (manifest.partition, manifest.files[bar["file_number"]].name)
        for manifest in manifests
        if (manifest.partition.source, manifest.partition.timeframe.minutes)
        == (bar["source"], bar["minutes"])
    )
    values = ", ".join(f"{key} {bar[key]!r}" for key in ("open", "high", "low", "close", "volume"))
    at = "no time" if bar["us"] is None else _spelt(bar["us"])
    raise LakeError(
        f"{partition.symbol} {partition.month:%Y-%m}: the {partition.timeframe} bar of {bar['source']} at "
        f"{at} ({values}) {bar['wrong']}: remove {partition}/{name} with its {MANIFEST} from the lake, and "
        "land the month again"
    )


def check_prepared(
    engine: Engine, bars: pa.Table, raw: pa.Table, bounds: pa.Table, market_month: str
) -> tuple[QualityWarning, ...]:
    """Return what is odd about the prepared bars, in order of time; LakeError for what must not be.

    The tables are check_prepared.sql's bar, raw_bar and month; `market_month` names them in an error.
    """
    found = engine(sql("check_prepared"), bar=bars, raw_bar=raw, month=bounds).to_pylist()
    for bar in found:
        if bar["kind"] in _ERRORS:
            raise LakeError(
                f"{market_month}: the prepared bar of {bar['source']} at {_spelt(bar['us'])} "
                f"{_ERRORS[bar['kind']]}: this is a fault of btcql, please report it"
            )
    warnings = [
        QualityWarning(
            kind=stretch["kind"],
            source=stretch["source"],
            from_at=_instant(stretch["us"]),
            to_at=_instant(stretch["until_us"]),
            bars=stretch["bars"],
            message=_message(stretch),
        )
        for stretch in _joined(found)
    ]
    return tuple(sorted(warnings, key=lambda own: (own.from_at, own.kind, own.source, own.message)))


def _joined(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join stretches of one kind and source that are a day apart or less; they come in order of time."""
    joined: list[dict[str, Any]] = []
    for stretch in found:
        last = joined[-1] if joined else None
        if (
            last
            and all(last[key] == stretch[key] for key in _SAME)
            and stretch["us"] - last["until_us"] <= DAY
        ):
            last["until_us"] = max(last["until_us"], stretch["until_us"])
            last["bars"] += stretch["bars"]
            last["parts"] += stretch["parts"]
        else:
            joined.append(dict(stretch))
    return joined


def _message(stretch: Mapping[str, Any]) -> str:
    """Say what is odd, in one line."""
    bars, parts, price, other = (stretch[key] for key in ("bars", "parts", "price", "other_price"))
    of_length = f"{bars:,} bar{'s' if bars != 1 else ''} of {_LABELS[stretch['minutes']]}"
    if stretch["kind"] == "gap":
        return f"{of_length} missing" + (f" in {parts} stretches" if parts > 1 else "")
    if stretch["kind"] == "sparse":
        return f"{of_length} missing, in {parts:,} stretches that are shorter than an hour"
    if stretch["kind"] == "no_trades":
        return f"{of_length} without a trade" + (f" in {parts} stretches" if parts > 1 else "")
    if stretch["kind"] == "jump":
        return (
            f"from {other!r} to {price!r}, more than 20 times the range of the days beside"
            f"{f'; {bars:,} such bars' if bars > 1 else ''}"
        )
    apart = abs(price - other) / min(price, other)
    second = f"the {_LABELS[stretch['other_minutes']]} bars of {stretch['other_source']}"
    such = f"; {bars:,} such bars" if bars > 1 else ""
    return f"closes at {price!r}, in {second} at {other!r}: {apart:.1%} apart{such}"


def _instant(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def _spelt(us: int) -> str:
    return f"{_instant(us):%Y-%m-%dT%H:%M:%S}Z"
