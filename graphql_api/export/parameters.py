"""From an address's parameters to the contract's arguments: the same names and words, as strict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeVar

from strawberry import Some

from btcql.errors import QueryError
from btcql.records import Period
from graphql_api.inputs import DayRange, InstantRange, RangeInput
from graphql_api.scalars import parse_date, parse_datetime

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_RANGE = ("last", "lastDays", "from", "to")


@dataclass(frozen=True)
class Parameters:
    """The parameters of one address, each at most once; every reader raises QueryError (BAD_USER_INPUT)."""

    values: dict[str, str]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], known: tuple[str, ...]) -> Parameters:
        """Return the parameters; one that is not `known`, or comes twice, is refused."""
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                raise _refused(f"{name!r} is not a parameter here: they are {', '.join(known)}")
            if name in values:
                raise _refused(f"{name} is given twice: give it once")
            values[name] = value
        return cls(values)

    def text(self, name: str, default: str) -> str:
        """Return a text as it stands."""
        return self.values.get(name, default)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number; without a default it must be given."""
        if name in self.values:
            return self._parse(name, _integer)
        if default is None:
            raise _refused(f"{name} is missing: give a whole number, such as {name}=7")
        return default

    def flag(self, name: str) -> bool:
        """Return true or false (the default)."""
        return name in self.values and self._parse(name, _flag)

    def word(self, name: str, default: E) -> E:
        """Return a word of the enum that `default` is of."""
        if name not in self.values:
            return default
        return self._parse(name, lambda text: _word(type(default), text))

    def day(self, name: str) -> date | None:
        """Return a calendar day, None if it is not given."""
        return self._parse(name, parse_date) if name in self.values else None

    def range(self) -> RangeInput:
        """Return the range: exactly one of `last`, `lastDays`, and `from` with `to` (days or instants)."""
        given = [name for name in _RANGE if name in self.values]
        if given == ["last"]:
            return _range(last=Some(self.word("last", Period.ALL)))
        if given == ["lastDays"]:
            return _range(last_days=Some(self.integer("lastDays")))
        if given != ["from", "to"]:
            raise _refused(
                f"{' and '.join(given) or 'nothing'} is no range: give last, or lastDays, or from and to"
            )
        if any("T" in self.values[name].upper() for name in given):
            start, end = (self._parse(name, parse_datetime) for name in given)
            return _range(instants=Some(InstantRange(from_=start, to=end)))
        first, last = (self._parse(name, parse_date) for name in given)
        return _range(days=Some(DayRange(from_=first, to=last)))

    def _parse(self, name: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(self.values[name])
        except ValueError as error:
            # A + that is not written %2B arrives as a space.
            hint = " (write + as %2B)" if " " in self.values[name] else ""
            raise _refused(f"{name}: {error}{hint}") from None


def _range(
    *,
    last: Some[Period] | None = None,
    last_days: Some[int] | None = None,
    days: Some[DayRange] | None = None,
    instants: Some[InstantRange] | None = None,
) -> RangeInput:
    return RangeInput(last=last, last_days=last_days, days=days, instants=instants)


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,10}", text, re.ASCII) or not -(2**31) <= int(text) < 2**31:
        raise ValueError(f"{text!r} is not a whole number of 32 bits")
    return int(text)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _word(words: type[E], text: str) -> E:
    if text not in words.__members__:
        raise ValueError(f"{text!r} is not one of {', '.join(words.__members__)}")
    return words[text]


def _refused(message: str) -> QueryError:
    return QueryError("BAD_USER_INPUT", message)
