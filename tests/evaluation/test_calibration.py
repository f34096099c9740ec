"""Scores as probabilities: reliability by hand, fitted curves, and where they are applied."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from saved_figures import record_figures
from tiny_models import tiny_config

from tarvitpose.config import ModelConfig, TemporalMode
from tarvitpose.evaluation.calibration import ScoredJoints, plot_reliability, reliability
from tarvitpose.evaluation.clips import decoded_joints
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose


def test_the_error_is_the_mean_distance_over_bins() -> None:
    scores = [0.05, 0.95, 0.95, 0.95, 0.95, 1.0]
    right = [False, True, True, True, False, True]
    predicted = reliability(scores, right)
    assert predicted.counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 5]
    assert predicted.right[[0, 9]] == pytest.approx([0, 0.8])
    assert predicted.scores[9] == pytest.approx(0.96)
    assert predicted.error == pytest.approx((1 * 0.05 + 5 * 0.16) / 6)
    assert np.isnan(reliability([], []).error)


def scored_joints(scores: Any, right: Any, counted: Any, units: Any) -> ScoredJoints:
    modes = {"single-frame": np.float32(scores)}
    hits = {"single-frame": np.array(right)}
    return ScoredJoints(modes, hits, np.array(counted), np.array(units))


def test_the_error_of_labelled_joints_has_an_interval_over_videos() -> None:
    scores, right = [[0.95, 0.1], [0.05, 0.95]], [[True, False], [True, False]]
    counted = [[True, False], [True, True]]
    both = scored_joints(scores, right, counted, [0, 1])
    errors = [0.05, (0.95 + 0.95) / 2]  # of each video alone
    together = (abs(0.95 - 1 + 0.95) + 0.95) / 3  # the bin of 0.95 has a right and a wrong joint
    result = both.comparison(samples=400)
    assert result.values["single-frame"]["mean"] == pytest.approx(100 * together, rel=1e-5)
    assert result.intervals["single-frame"]["mean"] == pytest.approx(
        [100 * error for error in errors], rel=1e-5
    )
    assert "3 joints of 2 people" in result.note
    alone = scored_joints(scores, right, counted, [7, 7]).comparison(samples=400)
    assert alone.values == result.values
    assert alone.intervals == {}


def test_scores_that_are_right_have_the_error_of_chance() -> None:
    scores = np.random.default_rng(100).uniform(size=(150, 8))
    right = np.random.default_rng(101).uniform(size=(150, 8)) < scores
    result = scored_joints(scores, right, np.ones((150, 8), bool), range(150)).comparison(100)
    chance = float(result.note.split("would have ")[1].split()[0])
    assert result.values["single-frame"]["mean"] == pytest.approx(chance, abs=1.5)
    assert 1 < chance < 5


@pytest.mark.parametrize("name", ["score_curve", "single_score_curve", "flip_score_curve"])
@pytest.mark.parametrize(
    "curve", [((0.5, 0.1), (0.2, 0.3)), ((0, 0.5), (1, 0.5)), ((0, 0), (2, 1))]
)
def test_curves_that_fall_or_leave_the_range_are_refused(curve: object, name: str) -> None:
    with pytest.raises(ValidationError, match=r"score.curve"):
        ModelConfig.model_validate({"width": 32, "depth": 1, "heads": 2, name: curve})


def test_a_model_says_what_its_curve_says() -> None:
    config = tiny_config()
    maps = torch.rand(2, len(config.joints), *(side // 4 for side in config.input_size))
    points, raw = decoded_joints(config, maps)
    curves = {
        "score_curve": ((0.0, 0.0), (1.0, 0.5)),
        "single_score_curve": ((0.0, 0.0), (1.0, 0.25)),
    }
    curved = config.model_copy(update=curves)
    shares: dict[TemporalMode, float] = {"tar": 0.5, "none": 0.25, "fused": 0.5, "pooled": 0.25}
    for mode, share in shares.items():  # what has no curve of its own takes the nearest one
        same, scores = decoded_joints(curved, maps, mode)
        np.testing.assert_array_equal(points, same)
        np.testing.assert_allclose(scores, raw * share, atol=1e-6)
    without_time = curved.model_copy(update={"offsets": ()})
    np.testing.assert_allclose(decoded_joints(without_time, maps, "none")[1], raw / 2, atol=1e-6)
    own = curved.model_copy(update={"fused_score_curve": ((0.0, 0.0), (1.0, 0.75))})
    np.testing.assert_allclose(decoded_joints(own, maps, "fused")[1], raw * 0.75, atol=1e-6)


def test_predict_takes_the_curve_of_its_mode() -> None:
    curve = ((0.0, 0.0), (1.0, 0.5))
    model = TARViTPose(tiny_config(single_score_curve=curve))
    plain = TARViTPose(tiny_config())
    plain.load_state_dict(model.state_dict())
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    boxes = np.array([[10, 5, 60, 85]], np.float32)
    modes: dict[TemporalMode, float] = {"none": 0.5, "pooled": 0.5, "tar": 1, "fused": 1}
    for mode, share in modes.items():
        predicted = []
        for network in (model, plain):
            predictor = Predictor(TorchEngine(network.eval()), temporal=mode)
            predicted += predictor.joints([[image] * len(predictor.offsets)], [boxes])
        np.testing.assert_allclose(predicted[0].scores, predicted[1].scores * share, atol=1e-6)


@pytest.mark.parametrize("peaks", [False, True])
def test_single_frames_with_the_flip_test_have_a_curve_of_their_own(peaks: bool) -> None:
    halved, doubtful = ((0.0, 0.0), (1.0, 0.5)), ((0.0, 0.0), (1.0, 0.25))
    plain = TARViTPose(tiny_config()).eval()
    shares: dict[TemporalMode, tuple[float, dict[str, Any]]] = {
        "none": (0.25, {"single_score_curve": halved, "flip_score_curve": doubtful}),
        "tar": (0.5, {"score_curve": halved, "flip_score_curve": doubtful}),
    }
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    boxes = np.array([[10, 5, 60, 85]], np.float32)
    for mode, (share, curves) in shares.items():
        curved = TARViTPose(tiny_config(**curves)).eval()
        curved.load_state_dict(plain.state_dict())
        scores = []
        for network in (curved, plain):
            predictor = Predictor(TorchEngine(network), temporal=mode, flip_test=True, peaks=peaks)
            scores += [predictor.joints([[image] * len(predictor.offsets)], [boxes])[0].scores]
        np.testing.assert_allclose(scores[0], scores[1] * share, atol=1e-6)


def test_the_plot_shows_the_reliability_beside_the_diagonal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, path = record_figures(monkeypatch), tmp_path / "reliability.png"
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.02, 0.98, 6000)
    shown = reliability(scores, rng.uniform(size=6000) < scores**2)
    plot_reliability({"single-frame": shown}, path)
    diagonal, curve = figures[0].axes[0].lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_array_equal(curve.get_xydata(), np.stack([shown.scores, shown.right], 1))
    assert curve.get_label() == f"single-frame, error {100 * shown.error:.1f}%"
    assert cv2.imread(str(path)) is not None
