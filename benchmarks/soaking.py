"""What soak.py loads and asks. Every load of the month gives all of its bars one price, by its number.

So an answer shows of which loads it is made: of one, or it is mixed.
"""

from __future__ import annotations

import csv
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from btcql.errors import DatabaseError
from database.capabilities import read_capabilities
from database.connection import connected
from database.migrate import migrate
from database.writers import MonthLoad, load_month, refresh_aggregates

MARKET, LONG = "SOAK-USD", "LONG-USD"
MONTH = "2024-01-01T00:00:00Z"
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Question:
    """What is asked by POST of GraphQL, or by GET of an address; `prices` takes them out of the answer.

    Of the answer's groups of prices each must be of one load, and all groups of one store (minutes, or the
    aggregates) of the same.
    """

    name: str
    query: str
    prices: Callable[[Any], dict[str, list[float]]]
    code: str | None = None


@dataclass(frozen=True)
class Outcome:
    """status: of HTTP; problem: what is wrong, if anything; behind: aggregates of another load than bars."""

    status: int
    problem: str = ""
    is_mixed: bool = False
    is_behind: bool = False


def prepare(url: str) -> str:
    """Make the tables, ten years of days, and the month's first version; return the edition."""
    migrate(url)
    with connected(url, autocommit=True) as connection:
        for number in range(120):
            first = date(2014 + number // 12, number % 12 + 1, 1)
            load_month(connection, _month(LONG, first, 1440, 1000.0 + number, "1"))
        load_month(connection, _month(MARKET, date(2024, 1, 1), 1, 1000.0, "0"))
        refresh_aggregates(connection)
        return read_capabilities(connection).edition


def load_for_ever(url: str) -> None:
    """Load the month again and again, each time at another price; a database that is away is waited for."""
    version = 0
    while True:
        try:
            with connected(url, autocommit=True) as connection:
                while True:
                    version += 1
                    load_month(
                        connection, _month(MARKET, date(2024, 1, 1), 1, 1000.0 + version, str(version))
                    )
                    refresh_aggregates(connection)
                    print(version, flush=True)
                    time.sleep(4)
        except DatabaseError:
            time.sleep(0.5)


def write_month(file: Path, number: int) -> None:
    """Write minutes of a random walk as CSV, of the month of this number."""
    chance = random.Random(number)
    at, price = datetime(2015 + number // 12, number % 12 + 1, 1, tzinfo=UTC), 30_000.0
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["timestamp", *_PRICES, "volume"])
        for minute in range(28 * 1440):
            before, price = price, round(price * (1 + chance.gauss(0, 0.0005)), 2)
            start = at + timedelta(minutes=minute)
            rows.writerow([start.isoformat(), before, max(before, price), min(before, price), price, 1])


def _month(symbol: str, first: date, minutes: int, price: float, digest: str) -> MonthLoad:
    start = datetime(first.year, first.month, 1, tzinfo=UTC)
    end = datetime(first.year + first.month // 12, first.month % 12 + 1, 1, tzinfo=UTC)
    count = int((end - start).total_seconds()) // 60 // minutes
    ts = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(count) * np.timedelta64(minutes, "m")
    prices = dict.fromkeys(_PRICES, np.full(count, price))
    bars = pa.table(
        {
            "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
            **prices,
            "volume": np.ones(count),
            "minutes": pa.array(np.full(count, minutes), pa.int16()),
        }
    )
    raw = [{"object": f"raw/source=bitstamp/month={first:%Y-%m}", "sha256": digest}]
    return MonthLoad(symbol, first, bars, ("bitstamp",), raw, digest, end)


# <ONE>: a day of the month; <MANY>: some days of it; <BACK>: a number of days. Aliases say where prices come
# from: m from minutes, d from the aggregates.
_FIELDS = {
    "a day of minutes": "m: candles(range: <ONE>, interval: MINUTE) { points { start open high low close } }",
    "minutes by column": "m: candles(range: <ONE>, interval: FIVE_MINUTES) { columns { start open close } }",
    "hours": "d: candles(range: <MANY>, interval: HOUR) { columns { start high low } }",
    "days and weeks": "d: candles(range: <MANY>) { points { start open close } }"
    " d2: candles(range: <MANY>, interval: WEEK) { points { close } }",
    "minutes and days": "m: candles(range: <ONE>, interval: MINUTE) { columns { close } }"
    " d: candles(range: <MANY>) { columns { close } } m2: price { value }",
    "an average of days": "d: movingAverage(range: <MANY>, window: 7) { points { value close status } }",
    "an average of minutes": "m: movingAverage(range: <ONE>, window: 60, kind: EXPONENTIAL, interval: MINUTE)"
    " { columns { value close } }",
    "a movement": "d: movement(range: <MANY>) { open close high { value } low { value } average }",
    "the price": "m: price { value }",
    "ten years of days": "candles(range: {last: ALL}) { columns { start close } coverage { present } }"
    " movingAverage(range: {lastDays: <BACK>}, window: 200) { columns { value } }",
}
_REFUSED = "candles(range: {lastDays: 0}) { points { close } }"
_STATUS = "{ markets { symbol sources freshness { dataThrough } } server { edition } pipeline { state } }"
_EXPORT = f"/export/candles.csv?symbol={MARKET}&interval=MINUTE"


def questions(chance: random.Random) -> list[Question]:
    """Return 300 questions of all kinds."""
    return [question for _ in range(23) for question in _round(chance)]


def _round(chance: random.Random) -> Iterator[Question]:
    """Yield one question of each kind."""
    last = chance.randint(1, 28)
    one, many = _days(last, last), _days(chance.randint(1, last), last)
    for name, fields in _FIELDS.items():
        text = fields.replace("<ONE>", one).replace("<MANY>", many).replace("<BACK>", f"{100 * last}")
        long = name == "ten years of days"
        yield Question(name, _of(LONG if long else MARKET, text), _nothing if long else _answered)
    yield Question("the markets", _STATUS, _nothing)
    yield Question("a bad range", _of(MARKET, _REFUSED), _nothing, "RANGE_INVALID")
    day = f"2024-01-{last:02d}"
    yield Question("an export", f"{_EXPORT}&from={day}&to={day}", _exported)


def _days(first: int, last: int) -> str:
    return f'{{days: {{from: "2024-01-{first:02d}", to: "2024-01-{last:02d}"}}}}'


def _of(symbol: str, fields: str) -> str:
    return f'{{ market(symbol: "{symbol}") {{ {fields} }} }}'


async def ask(http: httpx.AsyncClient, question: Question) -> Outcome:
    """Ask, and judge the answer; raises httpx.HTTPError."""
    if question.query.startswith("/"):
        answer = await http.get(question.query)
        body: Any = answer.text if answer.status_code == 200 else answer.json()
    else:
        answer = await http.post("/graphql", json={"query": question.query})
        body = answer.json()
    errors = body.get("errors", []) if isinstance(body, dict) else []
    codes = [error["extensions"]["code"] for error in errors]
    if question.code is not None and codes == [question.code]:
        return Outcome(answer.status_code)
    if codes == ["DATABASE_UNAVAILABLE"] and "exports are under way" in errors[0]["message"]:
        return Outcome(answer.status_code)  # as many as go at once: the client comes again
    if answer.status_code != 200 or codes:
        return Outcome(answer.status_code, f"status {answer.status_code} {codes}")
    seen = {store: set(prices) for store, prices in question.prices(body).items()}
    problem = "" if all(seen.values()) else "no prices"
    mixed = any(len(versions) > 1 for versions in seen.values())
    behind = not mixed and len(set().union(*seen.values())) > 1 if seen else False
    return Outcome(200, problem, mixed, behind)


def _nothing(_: Any) -> dict[str, list[float]]:
    return {}


def _answered(body: Any) -> dict[str, list[float]]:
    """Return all prices by where they come from: the first letter of their field's alias."""
    groups: dict[str, list[float]] = {}
    for alias, value in body["data"]["market"].items():
        groups.setdefault(alias[0], []).extend(_prices(value, ""))
    return groups


def _prices(value: Any, name: str) -> list[float]:
    if isinstance(value, dict):
        return [price for key, inner in value.items() for price in _prices(inner, key)]
    if isinstance(value, list):
        return [price for inner in value for price in _prices(inner, name)]
    # an exponential average of equal prices is equal to them but for its last bits
    known = value is not None and name in {*_PRICES, "value", "average"}
    return [round(value, 6)] if known else []


def _exported(text: str) -> dict[str, list[float]]:
    rows = list(csv.DictReader(text.splitlines()))
    return {"m": [float(row[name]) for row in rows for name in _PRICES]}


if __name__ == "__main__":
    load_for_ever(sys.argv[1])
