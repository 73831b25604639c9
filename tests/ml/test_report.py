from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from btcql.vintages import STATEMENT
from ml import model, report, rivals
from ml.backtest import METHODS, MODEL, Outcomes
from ml.returns import HORIZONS, later_returns
from tests.ml.markets import made_bars
from tests.ml.test_evaluation import NORMAL

BARS = made_bars(3700)


def a_backtest(*, arima: bool = True) -> report.Backtest:
    """Origins on both sides of the day through which the design was chosen, without learning anything."""
    rows = np.arange(3000, 3600, 20)
    spread = 0.035 * np.sqrt(HORIZONS)[:, None] * NORMAL
    names = [*METHODS] + [rivals.ARIMA] * arima
    came = later_returns(BARS.close, np.ones(len(BARS), dtype=bool))[rows]
    quantiles = {name: np.stack([spread * (1 + 0.1 * n)] * len(rows)) for n, name in enumerate(names)}
    days = [day.item() for day in BARS.day[rows]]
    refused = {days[0] - timedelta(20): "only 399 closed days"}
    return report.Backtest("BTC-USD", BARS, 20, Outcomes(days, BARS.close[rows], came, quantiles, refused))


def test_a_report_shows_its_plots_and_says_what_the_median_is_worth() -> None:
    files = report.write(a_backtest())
    page = files[report.NAME]
    assert STATEMENT in page
    assert sorted(re.findall(r"\]\((.+?)\)", page)) == sorted(files.keys() - {report.NAME})
    for name in files.keys() - {report.NAME}:
        assert ET.fromstring(files[name]).tag.endswith("svg"), name
    assert report.write(a_backtest()) == files, "the same again"


def test_a_report_tells_every_horizon_every_year_and_both_sides_of_the_choice() -> None:
    page = report.write(a_backtest())[report.NAME]
    for row in [*map(str, HORIZONS), "2023", "2024", "before", "after", MODEL, rivals.EWMA, rivals.ARIMA]:
        assert re.search(rf"^\| {re.escape(row)} \|( [^|]+ \|){{9}}$", page, re.MULTILINE), row
    assert str(model.CHOSEN_THROUGH) in page
    assert "From 1 more origins none could be made" in page
    assert "nan" not in page


def test_without_statsmodels_a_report_says_how_to_get_the_comparison() -> None:
    page = report.write(a_backtest(arima=False))[report.NAME]
    assert "pip install 'btcql[backtest]'" in page
    assert f"| {rivals.ARIMA} |" not in page


@pytest.mark.parametrize("price", [1e-5, 1e6])
def test_prices_of_any_scale_are_drawn(price: float) -> None:
    own = a_backtest()
    scaled = made_bars(3700, price=price)
    outcomes = own.outcomes
    moved = Outcomes(
        outcomes.day, outcomes.close * price / 1000, outcomes.came, outcomes.quantiles, outcomes.refused
    )
    chart = report.write(report.Backtest("BTC-USD", scaled, 20, moved))["fan-1.svg"]
    places = [float(number) for number in re.findall(r"(?<=[ML ])-?\d+\.\d", chart)]
    assert len(places) > 100
    assert min(places) >= 0
    assert max(places) <= 640
