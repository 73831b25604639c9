"""The backtest as a person runs it: prices in, a report out."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import command_in, leaving_nothing
from tests.cli.files import daily_rows, write_csv


def test_a_backtest_reports_how_the_forecast_would_have_done(tmp_path: Path) -> None:
    with leaving_nothing(command_in(tmp_path / "home", "plain", BTCQL_WORKERS="1")) as btcql:
        btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(440)), "--source", "bitstamp")
        said = btcql.succeed("backtest", "--every", "10")
        assert "BTC-USD, 3 origins: pinball " in said
        kept = btcql.rows("SELECT origins, first_origin::text, last_origin::text FROM forecast_backtest")
        assert kept == [(3, "2023-02-04", "2023-02-24")]
        folder = btcql.settings.home / "reports" / "backtest-BTC-USD"
        page = (folder / "README.md").read_text(encoding="utf-8")
        assert "3 origins, every 10 days from 2023-02-04 to 2023-02-24" in page
        assert {file.name for file in folder.iterdir()} == {
            "README.md",
            "reliability.svg",
            "coverage.svg",
            *(f"fan-{number}.svg" for number in range(1, 4)),
        }
        assert "end with 2023-03-01" in btcql.fail("backtest", "--to", "2023-03-02")
