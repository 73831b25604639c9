"""The quantile model: gradient-boosted trees that reshape the historical distribution of scaled returns.

Quantile regression (Koenker and Bassett 1978) by XGBoost's `reg:quantileerror`: the trees start from the
historical quantiles, given as the base margin, so that few rounds only bend their shape and width. Many
rounds sharpen the bands until they no longer hold what they promise.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import xgboost

from ml.frame import Floats
from ml.returns import PROBABILITIES

NAME = "xgboost-quantile"
VERSION = "2"
CHOSEN_THROUGH = date(2024, 5, 1)  # no later day had a part in the choice of the design and its numbers
ROUNDS = 20
PARAMETERS: dict[str, Any] = {
    "objective": "reg:quantileerror",
    "quantile_alpha": list(PROBABILITIES),
    "tree_method": "hist",
    "max_bin": 64,
    "eta": 0.05,
    "max_depth": 3,
    "min_child_weight": 20,
    "subsample": 0.7,
    "colsample_bynode": 0.5,
    "lambda": 5,
    "seed": 20091031,
    "verbosity": 0,
}


def fit(features: Floats, targets: Floats, start: Floats, *, threads: int = 1) -> xgboost.Booster:
    """Return the trees fitted to `targets` (n,) from `features` (n, k) and `start` (n, probabilities)."""
    rows = xgboost.DMatrix(features, label=targets, base_margin=start, nthread=threads)
    return xgboost.train({**PARAMETERS, "nthread": threads}, rows, num_boost_round=ROUNDS)


def predict(trees: xgboost.Booster, features: Floats, start: Floats, *, threads: int = 1) -> Floats:
    """Return the quantiles, of shape (n, probabilities), ascending.

    Those of single trees can cross: they are sorted. Sorting
    never worsens the pinball loss (Chernozhukov, Fernandez-Val and Galichon 2010).
    """
    rows = xgboost.DMatrix(features, base_margin=start, nthread=threads)
    return np.sort(trees.predict(rows).astype(np.float64), axis=1)
