"""Curves that turn scores into probabilities, fitted to scores of which the truth is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import modest_model
from tiny_training import write_stills

from tarvitpose.config import ModelConfig
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.calibration import reliability
from tarvitpose.evaluation.clips import normalise_clip
from tarvitpose.heatmaps import calibrate
from tarvitpose.skeleton import POSETRACK_15
from tools.calibrate import fit_curve, score_flip_test


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


def test_the_flip_test_is_scored_on_the_mean_of_both_views(tmp_path: Path) -> None:
    model = modest_model(single_score_curve=((0, 0), (1, 0.5)))  # what is fitted are raw scores
    records = read_records("coco", write_stills(tmp_path), POSETRACK_15)
    clips = validation_clips(records, model.config, "dark")
    ((scores, right),) = score_flip_test(model, clips).values()
    expected = []
    for clip in (clips[at] for at in range(len(clips))):
        crop = clip["clip"][1]  # of -1, 0, +1
        with torch.inference_mode():
            plain, mirrored = model.single_frame(
                normalise_clip(torch.stack([crop, crop.flip(1)])[None])[0]
            )
        both = (plain + mirrored.flip(-1)[list(POSETRACK_15.flip_order)]) / 2
        expected += both.amax((1, 2))[clip["visible"] > 0].tolist()
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert set(right.tolist()) <= {0, 1}
