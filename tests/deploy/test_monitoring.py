"""Alerts and Grafana's board: a real API exports what they name, a real database answers what they ask."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from database.connection import connected
from database.runs import Plan, recorded, write_plan
from tests.api.markets import issue_forecast, load, numbered
from tests.api.serving import serving
from tests.conftest import Database
from tests.deploy.rendering import of_kind

MONITORING = Path(__file__).parents[2] / "deploy/monitoring"
# Of the kubelet, which no test here runs: each with its labels.
FOREIGN = {
    f"kubelet_volume_stats_{kind}_bytes": {"namespace", "persistentvolumeclaim"}
    for kind in ("available", "capacity")
}
EVERYWHERE = {"instance", "job"}  # given by Prometheus

Tree = dict[str, Any]


def board() -> Tree:
    found: Tree = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    return found


def groups() -> list[Tree]:
    yaml = pytest.importorskip("ruamel.yaml", reason="no YAML reader: pip install ruamel.yaml")
    found: list[Tree] = yaml.YAML(typ="safe").load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))[
        "groups"
    ]
    return found


def targets() -> Iterator[tuple[str, Tree]]:
    """Yield each question of the board with the kind of who answers it."""
    for panel in board()["panels"]:
        for target in panel.get("targets", []):
            yield target["datasource"]["type"], target


def selectors(expression: Any) -> Iterator[Any]:
    """Yield the selectors of series in a parsed expression."""
    if type(expression).__name__ == "VectorSelector":
        yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (inner := getattr(expression, name, None)) is not None:
            yield from selectors(inner)
    arguments = getattr(expression, "args", None) or ()
    for inner in getattr(arguments, "args", arguments):
        yield from selectors(inner)


@pytest.fixture(scope="module")
def expressions() -> dict[str, Any]:
    """Every expression of alerts and board, parsed."""
    parser = pytest.importorskip("promql_parser", reason="nothing reads PromQL: pip install promql-parser")
    texts = [rule["expr"] for group in groups() for rule in group["rules"]]
    texts += [target["expr"] for kind, target in targets() if kind == "prometheus"]
    return {text: parser.parse(text.replace("$__rate_interval", "5m")) for text in texts}


def exported(database: Database) -> dict[str, set[str]]:
    """Return the names of the series that an API with work behind it exports, with their labels."""
    load(database.url, "BTC-USD", numbered("2023-12-01", 41), "bitstamp")
    with recorded(database.url, "BTC-USD", "refresh", lambda: datetime.now(UTC)):
        pass
    with connected(database.url) as connection:
        write_plan(connection, "BTC-USD", Plan(datetime.now(UTC), 1))
    with serving(database.reader_url) as api:
        api.ask("{ markets { symbol } }")
        api.error('{ market(symbol: "NO-SUCH") { symbol } }')
        text = api.http.get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_series_of_alerts_and_board_is_exported(expressions: dict[str, Any], plain: Database) -> None:
    known = exported(plain) | FOREIGN
    named = set()
    for text, expression in expressions.items():
        found = list(selectors(expression))
        assert len(found) == len(re.findall(r"\b(?:btcql|kubelet)_\w+", text)), text
        for selector in found:
            assert selector.name in known, text
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched <= known[selector.name] | EVERYWHERE, text
            named.add(selector.name)
        labels = {
            label.strip()
            for inside in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", text)
            for label in inside.split(",")
        }
        for selector in found:
            assert labels <= known[selector.name] | EVERYWHERE, text
    assert {"btcql_lag_seconds", "btcql_failures", "btcql_database_bytes", "btcql_errors_total"} <= named


def test_a_series_that_is_not_exported_would_be_found(plain: Database) -> None:
    parser = pytest.importorskip("promql_parser", reason="nothing reads PromQL: pip install promql-parser")
    expression = parser.parse("max by (market) (rate(btcql_lag_minutes[5m]) * on (market) btcql_rows) > 1")
    assert [selector.name for selector in selectors(expression)] == ["btcql_lag_minutes", "btcql_rows"]


def test_the_operators_rules_are_the_same() -> None:
    (rules,) = of_kind("production", "PrometheusRule").values()
    assert rules["spec"]["groups"] == groups()


def test_every_alert_has_a_page_to_turn_to() -> None:
    page = (MONITORING.parents[1] / "docs/operating.md").read_text(encoding="utf-8")
    for group in groups():
        for rule in group["rules"]:
            assert f"### {rule['alert']}" in page


def test_alerts_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool is here (Debian: prometheus)")
    tested = subprocess.run(
        [promtool, "test", "rules", MONITORING / "alerts.test.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_statement_of_the_board_is_answered_to_the_reader(database: Database) -> None:
    today = datetime.now(UTC).date()  # of this test: the statements ask for the database's own now
    first = date.fromordinal(today.toordinal() - 40)
    load(database.url, "BTC-USD", numbered(first.isoformat(), 40), "bitstamp")
    yesterday = date.fromordinal(today.toordinal() - 1)
    issue_forecast(database.url, "BTC-USD", yesterday, datetime.now(UTC))
    statements = [target["rawSql"] for kind, target in targets() if kind == "postgres"]
    statements += [variable["query"] for variable in board()["templating"]["list"]]
    assert len(statements) > 4
    assert any("FROM candle_1d" in statement for statement in statements)
    assert any("FROM candle\n" in statement for statement in statements)
    with psycopg.connect(database.reader_url, autocommit=True) as reader:
        for statement in statements:
            asked = statement.replace("$market", "BTC-USD")
            asked = re.sub(
                r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '90 days' AND now()", asked
            )
            assert "$" not in asked
            assert reader.execute(asked.encode()).fetchall(), statement
