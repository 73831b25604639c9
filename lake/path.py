"""The grammar of the raw lake's paths, laid out as Hive partitions."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import quote, unquote

from btcql.errors import LakeError, SettingError
from btcql.records import Timeframe, check_source, check_symbol

RAW = "raw"
MANIFEST = "manifest.json"

_KEYS = ("source", "symbol", "timeframe", "month")
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, order=True, slots=True)
class Partition:
    """One month of one source's bars of one symbol: the lake's unit of publishing.

    `month` is the month's first day. Raises SettingError for a malformed source or symbol.
    """

    source: str
    symbol: str
    timeframe: Timeframe
    month: date

    def __post_init__(self) -> None:
        check_source(self.source)
        check_symbol(self.symbol)
        if self.month.day != 1:
            raise ValueError(f"{self.month} is not the first day of a month")

    @property
    def folder(self) -> str:
        """The partition's folder below the lake's root; values are percent-encoded as Hive does."""
        values = (self.source, self.symbol, self.timeframe.value, f"{self.month:%Y-%m}")
        return "/".join([RAW, *(hive(key, value) for key, value in zip(_KEYS, values, strict=True))])

    @property
    def start(self) -> datetime:
        """The month's first instant."""
        return datetime(self.month.year, self.month.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after the month."""
        year, month = divmod(self.month.year * 12 + self.month.month, 12)
        return datetime(year, month + 1, 1, tzinfo=UTC)

    @classmethod
    def parse(cls, folder: str) -> Partition:
        """Return the partition of a folder below the lake's root.

        Raises LakeError for a folder that is not one, spelt otherwise than `folder` would included.
        """
        partition = None
        with contextlib.suppress(ValueError, SettingError):
            values = dict(unhive(level) for level in folder.split("/")[1:])
            if tuple(values) == _KEYS:
                month = date.fromisoformat(f"{values['month']}-01")
                partition = cls(values["source"], values["symbol"], Timeframe(values["timeframe"]), month)
        if partition is None or partition.folder != folder:
            raise LakeError(
                f"{folder} is not a folder of the lake: it has the form "
                "raw/source=<s>/symbol=<BTC-USD>/timeframe=<1m|1h|1d>/month=<YYYY-MM>"
            )
        return partition

    def __str__(self) -> str:
        return self.folder


def hive(key: str, value: str) -> str:
    """Spell one level of a Hive path: source and file:prices give source=file%3Aprices."""
    return f"{key}={quote(value, safe='')}"


def unhive(level: str) -> tuple[str, str]:
    """Return the key and the value of one level of a Hive path; ValueError when it is not one."""
    key, found, value = level.partition("=")
    if not found:
        raise ValueError(f"{level} is not of the form key=value")
    return key, unquote(value)


def part_name(start: datetime, through: datetime, sha256: str) -> str:
    """Name a raw file after the open of its first bar, the end of its last one, and its content."""
    return f"part-{start.astimezone(UTC):{_STAMP}}-{through.astimezone(UTC):{_STAMP}}-{sha256[:12]}.parquet"
