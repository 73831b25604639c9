"""Random questions: documents with variables, from a grammar of what may be asked of series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

_FIRST, _LAST = datetime(2022, 12, 25, tzinfo=UTC), datetime(2024, 1, 14, tzinfo=UTC)
_MINUTES = {
    "MINUTE": 1,
    "FIVE_MINUTES": 5,
    "FIFTEEN_MINUTES": 15,
    "HOUR": 60,
    "FOUR_HOURS": 240,
    "DAY": 1440,
    "WEEK": 10_080,
    "MONTH": 43_200,
}
_CANDLE = ["start", "open", "high", "low", "close", "volume", "observed", "complete", "filled", "__typename"]
_AVERAGE = ["start", "value", "close", "observations", "status", "__typename"]
_MOVEMENT = ["open", "close", "change", "changePercent", "average", "volume", "volatility", "__typename"]
_NESTED = [
    "resolved { from to interval clamped }",
    "warnings { code message }",
    "coverage { expected present missing { from to bars } }",
]


class Question(NamedTuple):
    """A document, its variables, and how many fields of the market it asks for."""

    text: str
    variables: dict[str, Any]
    fields: int


class Grammar:
    """Yields questions; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._fragments: list[str] = []
        self._variables: dict[str, tuple[str, Any]] = {}

    def question(self) -> Question:
        """Return the next question."""
        self._fragments, self._variables = [], {}
        kinds = (self._candles, self._average, self._candles, self._average, self._movement, self._price)
        fields = [
            f"{self._alias(f'field{number}')}{self._pick(kinds)()}" for number in range(self._pick([1, 1, 2]))
        ]
        symbol = self._pick(["", "", '(symbol: "DAY-USD")', '(symbol: "GAP-USD")', '(symbol: "NEW-USD")'])
        body = f"{{ market{symbol} {{ {self._wrapped('Market', fields)} }} }}"
        variables = ", ".join(f"${name}: {kind}" for name, (kind, _) in self._variables.items())
        head = f"query ({variables}) " if variables else ""
        # one with a default may be left out
        given = {
            name: value
            for name, (kind, value) in self._variables.items()
            if "=" not in kind or self._chance(0.5)
        }
        return Question(head + " ".join([body, *self._fragments]), given, len(fields))

    def _candles(self) -> str:
        interval = self._pick(list(_MINUTES))
        arguments = [f"range: {self._range(interval)}", f"interval: {self._given('Interval!', interval)}"]
        if self._chance(0.5):
            arguments.append(f"fill: {self._pick(['NULL', 'PREVIOUS', 'NONE'])}")
        if self._chance(0.3):
            arguments.append("includeIncomplete: true")
        columns = self._columns(["start", "open", "high", "low", "close", "volume", "observed"])
        return f"candles({', '.join(arguments)}) {{ {self._series('Candle', _CANDLE, columns)} }}"

    def _average(self) -> str:
        interval = self._pick(["HOUR", "FOUR_HOURS", "DAY", "DAY", "WEEK", "FIFTEEN_MINUTES"])
        window = self._pick([1, 2, 3, 7, 20, 60, 0])
        arguments = [
            f"range: {self._range(interval)}",
            f"window: {self._given('Int!', window)}",
            f"kind: {self._pick(['SIMPLE', 'EXPONENTIAL', 'WEIGHTED'])}",
            f"interval: {interval}",
        ]
        columns = self._columns(["start", "value", "close"])
        selection = self._series("MovingAveragePoint", _AVERAGE, columns, nested=_NESTED[:2])
        return f"movingAverage({', '.join(arguments)}) {{ {selection} }}"

    def _movement(self) -> str:
        selection = self._selection("Movement", _MOVEMENT) + " " + " ".join(self._some(_NESTED))
        return f"movement(range: {self._range('DAY')}) {{ {selection} }}"

    def _price(self) -> str:
        at = f'(at: "{self._instant(60)}")' if self._chance(0.7) else ""
        return f"price{at} {{ {self._selection('Price', ['at', 'value', 'ageSeconds', '__typename'])} }}"

    def _series(self, kind: str, fields: list[str], columns: str, nested: list[str] = _NESTED) -> str:
        points = f"points {{ {self._selection(kind, fields)} }}"
        return " ".join([points, *self._some([*nested, columns, "__typename", "again: " + points])])

    def _columns(self, names: list[str]) -> str:
        return f"columns {{ {' '.join(self._some(names) or names)} }}"

    def _selection(self, kind: str, fields: list[str], depth: int = 0) -> str:
        """Return a selection of leaf fields: one at least, which no directive can take away."""
        chosen = [
            f"{self._alias(f'at{depth}_{number}')}{name}{self._directive()}"
            for number, name in enumerate(self._random.choices(fields, k=self._random.randint(1, 6)))
        ]
        if depth < 2 and self._chance(0.3):
            chosen.append(f"... {self._directive()} {{ {self._selection(kind, fields, depth + 1)} }}")
        return f"{self._wrapped(kind, chosen)} {self._pick(fields)}"

    def _wrapped(self, kind: str, selections: list[str]) -> str:
        """Put some of the selections into a fragment, named or not."""
        cut = self._random.randint(0, len(selections) - 1)
        outside, inside = " ".join(selections[:cut]), " ".join(selections[cut:])
        match self._random.randrange(4):
            case 0:
                name = f"F{len(self._fragments)}"
                self._fragments.append(f"fragment {name} on {kind} {{ {inside} }}")
                return f"{outside} ...{name}"
            case 1:
                return f"... on {kind} {{ {inside} }} {outside}"
        return f"{outside} {inside}"

    def _range(self, interval: str) -> str:
        length = timedelta(minutes=_MINUTES[interval]) * self._random.randint(1, 40)
        match self._random.randrange(8):
            case 0 if _MINUTES[interval] >= _MINUTES["DAY"]:
                return f"{{last: {self._pick(['DAY', 'WEEK', 'MONTH', 'QUARTER'])}}}"
            case 1 if interval in {"WEEK", "MONTH"}:
                return "{last: ALL}"
            case 2 if _MINUTES[interval] >= _MINUTES["HOUR"]:
                return f"{{lastDays: {self._pick([1, 1, 2, 2, 0])}}}"
            case 3 | 4 if _MINUTES[interval] >= _MINUTES["HOUR"]:
                first = self._random.randrange((_LAST - _FIRST).days)
                days = self._random.randint(-1, max(1, length.days))
                value = {
                    "days": {
                        "from": f"{_FIRST + timedelta(days=first):%Y-%m-%d}",
                        "to": f"{_FIRST + timedelta(days=first + days):%Y-%m-%d}",
                    }
                }
                return self._given("RangeInput!", value) if self._chance(0.5) else _literal(value)
        start = datetime.fromisoformat(self._instant(self._pick([1, 60, 1440])))
        bounds = {"from": start.isoformat(), "to": (start + length).isoformat()}
        return (
            self._given("RangeInput!", {"instants": bounds})
            if self._chance(0.5)
            else _literal({"instants": bounds})
        )

    def _instant(self, step: int) -> str:
        minutes = int((_LAST - _FIRST).total_seconds() // 60)
        return (_FIRST + timedelta(minutes=self._random.randrange(0, minutes, step))).isoformat()

    def _directive(self) -> str:
        if not self._chance(0.25):
            return ""
        flag = self._chance(0.5)
        shape = "true" if flag else "false"
        if self._chance(0.6):
            kind = "Boolean!" if self._chance(0.7) else f"Boolean! = {shape}"
            shape = self._given(kind, self._chance(0.5))
        return f" @{self._pick(['skip', 'include'])}(if: {shape})"

    def _given(self, kind: str, value: Any) -> str:
        """Return the value as a literal, or as a variable of this type."""
        if not isinstance(value, dict) and "Boolean" not in kind and self._chance(0.6):
            return str(value)
        name = f"v{len(self._variables)}"
        self._variables[name] = (kind, value)
        return f"${name}"

    def _alias(self, name: str) -> str:
        return f"{name}: " if name.startswith("field") or self._chance(0.4) else ""

    def _some(self, things: list[str]) -> list[str]:
        return [thing for thing in things if self._chance(0.3)]

    def _pick(self, things: Any) -> Any:
        return self._random.choice(things)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_literal(each)}" for key, each in value.items()) + "}"
    return f'"{value}"'
