"""Held-out people with degraded frames, and scores that can be worked out otherwise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import modest_model
from tiny_training import PEOPLE, quiet, write_stills

from tarvitpose.config import RowMode
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import Degradation
from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.clips import (
    decoded_joints,
    encoded_batches,
    encoded_versions,
    normalise_clip,
    score_clips,
    score_modes,
)
from tarvitpose.evaluation.degraded import (
    EncodedPeople,
    PredictedJoints,
    ap_score,
    correct,
    encode_people,
    for_model,
    match_people,
    pck_score,
    predict_joints,
)
from tarvitpose.model.mask import seen_regions
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import COCO_17, POSETRACK_15

N, J = 12, 15
RELEASED = {"mask_rule": "released"}
HEAD = [POSETRACK_15.joints.index(name) for name in ("head_bottom", "head_top")]
Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def people(seed: int = 0) -> Arrays:
    """True joints (N, J, 2) and which of them are labelled (N, J); heads always are."""
    random = np.random.default_rng(seed)
    visible = (random.uniform(size=(N, J)) < 0.8).astype(np.float32)
    visible[:, HEAD] = 1
    return random.uniform(0, 60, (N, J, 2)).astype(np.float32), visible


def guesses(truth: np.ndarray[Any, Any], spread: float, seed: int = 1) -> PredictedJoints:
    random = np.random.default_rng(seed)
    moved = truth + random.normal(0, spread, truth.shape)
    return PredictedJoints(
        moved.astype(np.float32), random.uniform(size=truth.shape[:2]).astype(np.float32)
    )


def ap_of(
    degradations: list[PredictedJoints], truth: np.ndarray[Any, Any], visible: np.ndarray[Any, Any]
) -> float:
    """PoseTrack's mean AP where every frame shows one person, worked out joint by joint."""
    heads = np.linalg.norm(truth[:, HEAD[0]] - truth[:, HEAD[1]], axis=-1)
    rows: list[list[tuple[float, bool]]] = [[] for _ in range(J)]
    for poses in degradations:
        close = np.linalg.norm(poses.keypoints - truth, axis=-1) <= 0.5 * heads[:, None]
        hit = close & (visible > 0)
        for person, joint in np.argwhere(visible > 0):
            rows[joint].append((-float(poses.scores[person, joint]), bool(hit[person, joint])))
    precisions = []
    for joint in range(J):
        right = np.array([hit for _, hit in sorted(rows[joint])])
        precision = right.cumsum() / np.arange(1, len(right) + 1)
        best_from_here = np.array([precision[at:].max() for at in range(len(right))])
        precisions.append(100 * best_from_here[right].sum() / len(right))
    return float(np.mean(precisions))


def test_ap_is_what_a_plain_computation_gives() -> None:
    truth, visible = people()
    degradations = [guesses(truth, 5), guesses(truth, 12, seed=2)]
    score = ap_score([match_people(degradations, truth, visible, POSETRACK_15)], samples=50)
    assert score.value == pytest.approx(ap_of(degradations, truth, visible), abs=1e-6)
    assert 0 < score.low < score.high < 100
    assert score.low < score.value < score.high


def test_perfect_poses_have_100() -> None:
    truth, visible = people()
    perfect = match_people([PredictedJoints(truth, visible)], truth, visible, POSETRACK_15)
    assert ap_score([perfect], samples=5).value == pytest.approx(100)
    right, seen = correct([PredictedJoints(truth, visible)], truth, visible, POSETRACK_15)
    assert pck_score(right, seen).value == 100


def test_a_joint_that_nobody_has_a_label_of_is_left_out() -> None:
    """The stills of LSPET have no nose: it must not pull the mean down."""
    truth, visible = people()
    visible[:, 0] = 0
    perfect = match_people([PredictedJoints(truth, visible)], truth, visible, POSETRACK_15)
    score = ap_score([perfect], samples=5)
    assert score.value == score.low == score.high == pytest.approx(100)


def test_people_without_a_head_are_left_out() -> None:
    truth, visible = people()
    visible[:5, HEAD[0]] = 0
    assert len(match_people([guesses(truth, 5)], truth, visible, POSETRACK_15)) == N - 5


def test_joints_that_posetrack_needs_must_be_there() -> None:
    truth, visible = np.zeros((1, 17, 2), np.float32), np.ones((1, 17), np.float32)
    with pytest.raises(ConfigError, match="head_bottom, head_top, which coco17 lacks"):
        match_people([PredictedJoints(truth, visible)], truth, visible, COCO_17)


def test_the_gain_over_itself_is_exactly_0() -> None:
    truth, visible = people()
    some = [
        match_people([guesses(truth, 9, seed)], truth, visible, POSETRACK_15) for seed in (1, 2)
    ]
    gain = ap_score(some, some, samples=20)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)
    right, seen = correct([guesses(truth, 9)], truth, visible, POSETRACK_15)
    gain = pck_score(right, seen, right)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_a_gain_compares_the_same_people() -> None:
    """Paired draws leave out what makes people hard for both: the interval is narrower."""
    truth, visible = people()
    worse = match_people([guesses(truth, 9)], truth, visible, POSETRACK_15)
    better = match_people([guesses(truth, 8.5)], truth, visible, POSETRACK_15)
    gain = ap_score([better], [worse], samples=200)
    alone = ap_score([better], samples=200)
    assert gain.value == pytest.approx(alone.value - ap_score([worse], samples=1).value)
    assert gain.low <= gain.value <= gain.high
    assert gain.high - gain.low < alone.high - alone.low


def test_several_seeds_are_averaged() -> None:
    truth, visible = people()
    seeds = [
        match_people([guesses(truth, 9, seed)], truth, visible, POSETRACK_15) for seed in (1, 2)
    ]
    each = [ap_score([seed], samples=1).value for seed in seeds]
    assert ap_score(seeds, samples=1).value == pytest.approx(np.mean(each))


def test_pck_counts_a_fifth_of_the_torso() -> None:
    truth, visible = people()
    names = POSETRACK_15.joints
    for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip"):
        visible[:, names.index(name)] = 1
    ends = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
    torso = np.max(
        [
            np.linalg.norm(truth[:, names.index(a)] - truth[:, names.index(b)], axis=-1)
            for a, b in ends
        ],
        axis=0,
    )
    for share, expected in ((0.19, 100.0), (0.21, 0.0)):
        moved = truth + np.stack([share * torso, np.zeros(N)], -1)[:, None]
        poses = PredictedJoints(moved.astype(np.float32), visible)
        right, seen = correct([poses, poses], truth, visible, POSETRACK_15)
        assert right.shape == seen.shape == (N, 2 * J)
        assert pck_score(right, seen).value == expected
        nearer, seen = correct([poses], truth, visible, POSETRACK_15, share + 0.005)
        assert pck_score(nearer, seen).value == 100


@pytest.fixture
def numbered() -> EncodedPeople:
    """Features that say which frame they are of: the offset, or 10 and more for current ones."""
    offsets, degradations = (-2, -1, 1, 2), ("clean", "dark")
    neighbours = np.float16(offsets).reshape(1, 4, 1, 1, 1).repeat(20, 0)
    current = np.float16([10, 11]).reshape(1, 2, 1, 1, 1).repeat(20, 0)
    nothing = np.zeros((20, J, 2), np.float32), np.zeros((20, J), np.float32)
    return EncodedPeople(degradations, offsets, neighbours, current, *nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ((-2, -1, 1, 2), [-2, -1, 11, 1, 2]),
        ((-1, 1), [-1, 11, 1]),
        ((-1,), [-1, 11]),
        ((1, 2), [11, 1, 2]),
        ((), [11]),
    ],
)
def test_a_window_has_its_frames_in_time(
    numbered: EncodedPeople, offsets: tuple[int, ...], expected: list[int]
) -> None:
    batches = list(numbered.batches("dark", offsets))
    assert [len(features) for features, _ in batches] == [16, 4]
    for features, scores in batches:
        assert features.dtype == torch.float32
        assert (features.flatten(1) == torch.tensor(expected, dtype=torch.float32)).all()
        assert scores is None


def test_frames_that_were_not_encoded_are_refused(numbered: EncodedPeople) -> None:
    with pytest.raises(ConfigError, match=r"encoded at \(-2, -1, 1, 2\), not at \[3\]"):
        next(numbered.batches("clean", (-1, 3)))


def test_encoded_people_give_the_joints_of_their_clips(tmp_path: Path) -> None:
    model = modest_model()
    records = read_records("coco", write_stills(tmp_path), POSETRACK_15)
    degradations: Any = ("clean", "dark")
    lines: list[str] = []
    folder = tmp_path / "held_out"
    benchmark = encode_people(folder, model, records, degradations, lines.append)
    for degradation in degradations:
        predicted = predict_joints(model, benchmark, degradation)
        clips = validation_clips(records, model.config, degradation)
        clip = torch.stack([clips[at]["clip"] for at in range(PEOPLE)])
        with torch.inference_mode():
            keypoints, scores = decoded_joints(model.config, model(normalise_clip(clip)))
        # Features are kept in float16: now and then another pixel is the highest.
        assert np.mean(np.abs(predicted.keypoints - keypoints) < 0.5) > 0.95
        np.testing.assert_allclose(predicted.scores, scores, atol=0.02)
    wanted = np.stack([clips[at]["keypoints"].numpy() for at in range(PEOPLE)])
    np.testing.assert_array_equal(benchmark.keypoints, wanted)

    def refuse(*_: Any) -> None:
        raise AssertionError("encoded again")

    with_scores = encode_people(
        tmp_path / "scores", model, records, degradations, lines.append, scores=True
    )
    for (features, none), (same, scores) in zip(
        benchmark.batches("dark", (-1, 1)), with_scores.batches("dark", (-1, 1)), strict=True
    ):
        assert none is None
        assert torch.equal(features, same)
        expected = model.token_scores(features)
        torch.testing.assert_close(scores, expected, rtol=0, atol=5e-3)
    model.encoder.forward = refuse  # type: ignore[method-assign,assignment]
    again = encode_people(folder, model, records, degradations, quiet)
    np.testing.assert_array_equal(again.current, benchmark.current)


def test_people_encoded_once_score_as_clip_by_clip(tmp_path: Path) -> None:
    model = modest_model()
    records = read_records("coco", write_stills(tmp_path), POSETRACK_15)
    degradations: tuple[Degradation, ...] = ("clean", "dark")
    sets = [validation_clips(records, model.config, each) for each in degradations]
    modes: tuple[RowMode, ...] = ("tar", "pooled", "fused", "mean-heatmaps")
    together = score_modes(model, encoded_versions(model, sets, "cpu"), modes)
    for at, clips in enumerate(sets):
        encoded = list(encoded_batches(model, clips, "cpu"))
        for mode in modes:
            alone, part = score_clips(model, encoded, mode), together[mode]
            for field in ("temporal_scores", "single_scores", "visible", "mask_shares"):
                every = getattr(part, field)[at::2]  # the versions of a person follow each other
                np.testing.assert_allclose(every, getattr(alone, field), atol=1e-4)
            assert np.mean(part.temporal[at::2] == alone.temporal) > 0.99


def alike(**changes: Any) -> TARViTPose:
    """Return the modest model's weights under a changed config."""
    model = modest_model()
    other = TARViTPose(model.config.model_copy(update=changes))
    other.load_state_dict(model.state_dict())
    return other.eval()


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, list[Record]]:
    """The folder of encoded people with scores of tokens, and its people."""
    records = read_records("coco", write_stills(tmp_path), POSETRACK_15)
    encode_people(tmp_path / "held_out", modest_model(), records, ("clean",), quiet, scores=True)
    return tmp_path / "held_out", records


def test_people_that_were_encoded_otherwise_are_refused(
    stored: tuple[Path, list[Record]],
) -> None:
    folder, records = stored
    first = records[0]
    relabelled = [replace(first, keypoints=first.keypoints + 1), *records[1:]]
    released, classic = (alike(**how) for how in (RELEASED, {"codec": "classic"}))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"kinds": ("clean", "dark")}, "kinds: clean -> clean,dark"),
        ({"records": records[:2]}, "people: "),
        ({"records": relabelled}, r"people: \w{12}\.\.\. -> \w{12}\.\.\.\)"),
        ({"model": released}, "model.mask_rule: paper -> released"),
        ({"model": classic}, "model.codec: udp -> classic"),
        ({"model": modest_model(seed=1)}, "weights.decoder: .*; weights.encoder: "),
        ({"scores": False}, "model.mask_rule: paper -> not noted; weights.decoder: "),
        ({"precision": "bf16-mixed"}, "precision: not noted -> bf16-mixed"),
    ]
    for changes, words in cases:
        values = {"model": modest_model(), "records": records, "kinds": ("clean",), "scores": True}
        values |= changes
        model, people, degradations = (values.pop(key) for key in ("model", "records", "kinds"))
        with pytest.raises(ConfigError, match=rf"held_out: made with other .*\({words}") as caught:
            encode_people(folder, model, people, degradations, quiet, **values)
        assert str(caught.value).endswith("remove that folder")


def test_people_whose_clips_were_drawn_in_another_way_are_refused(
    stored: tuple[Path, list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tarvitpose.evaluation.degraded.DRAWING", 99)
    folder, records = stored
    with pytest.raises(ConfigError, match=r"held_out: made with other .*\(drawing: \d+ -> 99\)"):
        encode_people(folder, modest_model(), records, ("clean",), quiet, scores=True)


def test_people_of_a_training_in_bfloat16_are_encoded_and_predicted_in_it(tmp_path: Path) -> None:
    records, model = read_records("coco", write_stills(tmp_path), POSETRACK_15), modest_model()
    low = encode_people(
        tmp_path / "low", model, records, ("clean",), quiet, scores=True, precision="bf16-mixed"
    )
    full = encode_people(tmp_path / "full", model, records, ("clean",), quiet, scores=True)
    assert not np.array_equal(low.current, full.current)
    np.testing.assert_allclose(low.current, full.current, atol=0.1)
    window, scores = next(low.batches("clean", model.config.offsets))
    assert scores is not None
    regions = seen_regions(scores, model.config.mask_rule, model.config.mask_threshold)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        heatmaps = model.aggregate(window, regions)
    predicted = predict_joints(model, low, "clean")
    np.testing.assert_array_equal(predicted.scores, decoded_joints(model.config, heatmaps)[1])


def test_stored_scores_are_for_models_of_the_same_mask_alone(
    stored: tuple[Path, list[Record]],
) -> None:
    folder, records = stored
    benchmark = encode_people(folder, modest_model(), records, ("clean",), quiet, scores=True)
    for how in ({}, {"mask_threshold": 0.3}, {"mask_rule": "none"}):
        assert for_model(benchmark, alike(**how)) is benchmark
    released = alike(**RELEASED)
    other = for_model(benchmark, released)
    predicted = predict_joints(released, other, "clean")
    window = next(other.batches("clean", released.config.offsets))[0]
    with torch.inference_mode():
        heatmaps = released.aggregate(window, released.regions(window))
    np.testing.assert_array_equal(predicted.keypoints, decoded_joints(released.config, heatmaps)[0])
    with pytest.raises(
        ConfigError, match=r"the encoded people: .*\(model\.codec: udp -> classic\)"
    ):
        for_model(benchmark, alike(codec="classic"))
