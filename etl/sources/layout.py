"""How one kind of text file spells its bars: where its rows begin and where in them each column stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from btcql.errors import InputError
from btcql.records import Timeframe
from etl.sources.text import Head
from lake.schema import PRICES

NUMBERS = (*PRICES, "volume")
COLUMNS = ("timestamp", *NUMBERS)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file tells of where its bars come from; None where it tells nothing."""

    kind: str
    source: str | None = None
    symbol: str | None = None
    timeframe: Timeframe | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where to find the bars of a text file.

    `places` has the place in a row, from 0, of each of COLUMNS; a row has `width` fields. `skipped`
    physical lines stand above the first row, `titles` of them not blank.
    """

    origin: Origin
    places: Mapping[str, int]
    width: int
    skipped: int
    titles: int = 1
    one_unit: bool = True
    """False: each row's epoch is read by its own magnitude, for this kind changed its unit on the way."""
    empty_rows: bool = False
    """A row whose numbers are all empty or NaN stands for a time without trades: it is no bar."""
    market: int | None = None
    """The place of a column that names the market, which must be one in all rows."""


def below_header(
    head: Head,
    at: int,
    origin: Origin,
    names: Mapping[str, str] | None = None,
    **more: bool | int,
) -> Layout:
    """Return the layout of a file whose header is the head's line `at` (from 0), its columns by name.

    `names` are those, in lower case, of the columns that are not called as in COLUMNS. Raises InputError
    for a column that is missing or there twice.
    """
    line, header = head.lines[at]
    found = [name.lower() for name in header]
    wanted = {column: (names or {}).get(column, column) for column in COLUMNS}
    for name in wanted.values():
        if name not in found:
            raise InputError(
                str(head.path),
                f"column {name} is missing: the header of {origin.kind} must name "
                f"{', '.join(wanted.values())}; found: {', '.join(header)[:200]}",
                line,
            )
        if found.count(name) > 1:
            raise InputError(str(head.path), f"column {name} is there more than once", line)
    places = {column: found.index(name) for column, name in wanted.items()}
    return Layout(origin, places, len(header), skipped=line, titles=at + 1, **more)  # type: ignore[arg-type]
