"""Curves that turn scores into probabilities, fitted to scores of which the truth is known."""

import numpy as np
import pytest

from tarvitpose.config import ModelConfig
from tarvitpose.evaluation.calibration import reliability
from tarvitpose.heatmaps import calibrate
from tools.calibrate import fit_curve


def raw_scores(count: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose squares are the true probabilities."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.02, 0.98, count)
    return scores, rng.uniform(size=count) < scores**2


def test_a_fitted_curve_makes_new_scores_probabilities() -> None:
    curve = fit_curve(*raw_scores())
    rng = np.random.default_rng(1)
    fresh = rng.uniform(0.02, 0.98, 6000)
    right = rng.uniform(size=6000) < fresh**2
    assert reliability(fresh, right).error > 0.1
    assert reliability(calibrate(fresh.astype(np.float32), curve), right).error < 0.02
    ModelConfig(width=32, depth=1, heads=2, score_curve=curve)  # is a valid one


def test_where_there_is_no_heat_the_score_is_zero() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.1, 1, 500)
    curve = fit_curve(scores, rng.uniform(size=500) < 0.4)  # even the least are often right
    assert curve[0] == (0.0, 0.0)
    assert calibrate(np.float32([-0.1, 0.0]), curve).tolist() == [0, 0]
    assert calibrate(np.float32([0.15]), curve)[0] > 0.25


def test_a_curve_rises_even_where_the_data_do_not() -> None:
    rng = np.random.default_rng(0)
    curve = fit_curve(rng.uniform(0, 1, 500), np.zeros(500))
    x, y = np.array(curve).T
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) > 0).all()
    with pytest.raises(ValueError, match="two different scores"):
        fit_curve([0.5, 0.5], [0, 1])
