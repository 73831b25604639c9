"""Thousands of queries made up from the schema, thrown at the API over ASGI: none may find a fault.

Needs schemathesis: .venv/bin/pip install -c constraints.txt -e '.[test,fuzz]'

    python -m benchmarks.fuzz --cases 2000
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any

import psutil
import schemathesis
import typer
from graphql import (
    ArgumentNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from benchmarks import market
from benchmarks.editions import installation
from btcql.errors import BtcqlError
from btcql.settings import Settings
from database.address import with_role
from database.migrate import migrate
from database.roles import READER
from database.server import EmbeddedServer
from graphql_api.app import create_app

_MEGABYTE = 1_000_000


@dataclass
class Tally:
    """What came back, and what should not have."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    longest: float = 0.0

    def add(self, query: Any, response: Any, seconds: float) -> None:
        self.cases += 1
        self.longest = max(self.longest, seconds)
        body = response.json()
        codes = {error["extensions"]["code"] for error in body.get("errors", ())}
        self.outcomes[f"{response.status_code} {' '.join(sorted(codes)) or 'answered'}"] += 1
        # the database is there: so not even a 503 is due
        if response.status_code >= 500 or "INTERNAL" in codes:
            self.faults.append(f"{response.status_code} {body}\n{query}")


class Sensible(Visitor):
    """Makes of a case one that can be answered: a market that there is, a range said in one way."""

    def enter_argument(self, node: ArgumentNode, *_: object) -> ArgumentNode | None:
        if node.name.value == "symbol":
            return ArgumentNode(name=node.name, value=StringValueNode(value=market.SYMBOL))
        if node.name.value == "range" and isinstance(node.value, ObjectValueNode):
            said = [part for part in node.value.fields if not isinstance(part.value, NullValueNode)]
            return ArgumentNode(name=node.name, value=ObjectValueNode(fields=tuple(said[:1])))
        return None


def main(
    cases: Annotated[int, typer.Option(min=1)] = 2_000,
    number: Annotated[int, typer.Option("--seed", help="Another number, other cases.")] = 1,
) -> None:
    """Print how many cases came back in what way, and the faults; the exit code tells of any."""
    days = st.one_of(st.dates(date(2014, 1, 1), date(2030, 1, 1)), st.dates()).map(date.isoformat)
    instants = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    schemathesis.graphql.scalar("Date", st.one_of(days, st.text()).map(nodes.String))
    schemathesis.graphql.scalar("DateTime", st.one_of(instants, st.text()).map(nodes.String))
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        own = Settings(home_path=home, pg_bin=str(installation("plain").bin), anonymous_rate_text="unlimited")
        url = stack.enter_context(EmbeddedServer(own).running())
        migrate(url)
        market.load_made_up(url, datetime.now(UTC).date())
        app = create_app(own, with_role(url, READER))
        schema = schemathesis.graphql.from_asgi("/graphql", app=app)
        tally, process = Tally(), psutil.Process()
        began, before = time.monotonic(), process.memory_info().rss

        @seed(number)
        @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=schema.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            if tally.cases % 4:  # the fourth stays as absurd as it is
                case.body = print_ast(visit(parse(str(case.body)), Sensible()))
            asked = time.monotonic()
            response = case.call()
            tally.add(case.body, response, time.monotonic() - asked)

        ask()
        grown = (process.memory_info().rss - before) / _MEGABYTE
    for outcome, count in tally.outcomes.most_common():
        print(f"{count:>6}  {outcome}")
    seconds = time.monotonic() - began
    print(
        f"{tally.cases} cases in {seconds:.0f} s, the longest {tally.longest:.2f} s; "
        f"{grown:+.0f} MB in memory"
    )
    for fault in tally.faults[:10]:
        print(fault)
    if tally.faults:
        raise SystemExit(f"{len(tally.faults)} faults")


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
