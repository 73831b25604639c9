from __future__ import annotations

from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import pytest

from ml.backtest import Outcomes
from ml.evaluation import evaluate, loss_ratio, reliability
from ml.frame import Floats
from ml.returns import HORIZONS, PROBABILITIES
from ml.rivals import BASELINE

ORIGINS = 4000
NORMAL = np.array([NormalDist().inv_cdf(p) for p in PROBABILITIES])


def outcomes(came: Floats, **scales: float) -> Outcomes:
    """Normal quantiles of each method's scale against what came."""
    shape = (*came.shape, 1)
    quantiles = {name: np.broadcast_to(scale * NORMAL, (*came.shape, 13)) for name, scale in scales.items()}
    assert shape[:2] == came.shape
    day = [date(2000, 1, 1) + timedelta(number) for number in range(len(came))]
    return Outcomes(day, np.ones(len(came)), came, quantiles, {})


@pytest.fixture(scope="module")
def normal() -> Outcomes:
    came = np.random.default_rng(2).standard_normal((ORIGINS, len(HORIZONS)))
    return outcomes(came, **{BASELINE: 1.0, "same": 1.0, "wide": 2.0, "narrow": 0.5})


def test_the_true_distribution_holds_what_it_promises(normal: Outcomes) -> None:
    own = evaluate(normal, "same", 5)
    assert own.coverage == {80: pytest.approx(0.8, abs=0.01), 95: pytest.approx(0.95, abs=0.005)}
    assert own.pit_deviation < 0.01
    assert (own.pinball_ratio, own.interval) == (1.0, (1.0, 1.0))
    assert own.relative_mae == 1.0
    assert reliability(normal.quantiles["same"], normal.came) == pytest.approx(PROBABILITIES, abs=0.01)


@pytest.mark.parametrize(("method", "held"), [("wide", 0.9896), ("narrow", 0.4783)])
def test_another_width_is_told_by_every_measure(normal: Outcomes, method: str, held: float) -> None:
    own, best = evaluate(normal, method, 5), evaluate(normal, "same", 5)
    assert own.coverage[80] == pytest.approx(held, abs=0.01)
    assert own.pit_deviation > 0.08
    assert 1 < own.interval[0] < own.pinball_ratio < own.interval[1]
    assert own.winkler[80] > best.winkler[80]
    assert own.winkler[95] > best.winkler[95]
    assert loss_ratio(normal, method, "same") == pytest.approx(own.pinball_ratio)


def test_a_loss_and_an_interval_score_known_by_hand() -> None:
    flat = outcomes(np.full((1, 15), 3.0), **{BASELINE: 1.0})
    own = evaluate(flat, BASELINE, 5, horizon=1)
    assert own.pinball == pytest.approx(np.mean(np.array(PROBABILITIES) * (3 - NORMAL)))
    upper = NormalDist().inv_cdf(0.9)
    assert own.winkler[80] == pytest.approx(2 * upper + (3 - upper) * 10)
    assert own.coverage == {80: 0.0, 95: 0.0}


def test_days_without_a_bar_do_not_count() -> None:
    came = np.random.default_rng(3).standard_normal((300, len(HORIZONS)))
    came[::2, 4] = np.nan
    own = evaluate(outcomes(came, **{BASELINE: 1.0}), BASELINE, 5, horizon=5)
    known = evaluate(outcomes(came[1::2], **{BASELINE: 1.0}), BASELINE, 5, horizon=5)
    assert own.coverage == known.coverage
    assert own.pinball == pytest.approx(known.pinball)
    assert own.pit_deviation == known.pit_deviation
    assert np.isfinite([own.winkler[80], own.relative_mae, *own.interval]).all()
