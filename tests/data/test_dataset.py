"""Clips by key: the same key gives the same clip, joints sit where the dots are."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tarvitpose.config import ModelConfig, vit_small, window_offsets
from tarvitpose.data import dataset
from tarvitpose.data.augment import AugmentConfig, cut_off
from tarvitpose.data.crowd import can_be_cut_out
from tarvitpose.data.dataset import (
    ClipDataset,
    ClipItem,
    KeySampler,
    joint_weights,
    single_threaded,
    training_targets,
    validation_clips,
)
from tarvitpose.data.degrade import DEGRADATIONS, DegradeConfig
from tarvitpose.data.framing import FRAMING, ClipSettings, Framing, Transform
from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.data.stills import STANDSTILL, MotionConfig
from tarvitpose.data.transforms import APPEARANCE, DEGRADATION, MOTION, Clip
from tarvitpose.errors import DataError
from tarvitpose.geometry import transform_points
from tarvitpose.heatmaps import decode
from tarvitpose.skeleton import POSETRACK_15

SHARED = Path(__file__).parents[3] / "shared" / "data"
SIZE, T, J = (128, 96), 5, 15
HEIGHT, WIDTH = 200, 160
BOX = (40.0, 40.0, 120.0, 160.0)
LEFT, RIGHT = (POSETRACK_15.joints.index(f"{side}_wrist") for side in ("left", "right"))
CLEAN = DegradeConfig(current=0, auxiliary=0)
STEADY = AugmentConfig(
    half_body=0, scale=0, rotate=0, flip=0, colour=0, motion=STANDSTILL, degrade=CLEAN
)


def model(**changes: object) -> ModelConfig:
    return ModelConfig.model_validate(
        {"width": 32, "depth": 1, "heads": 2, "input_size": SIZE, **changes}
    )


def keypoints() -> np.ndarray:
    points = np.random.default_rng(5).uniform((60, 60), (100, 140), (J, 2)).astype(np.float32)
    points[LEFT], points[RIGHT] = (60, 80), (100, 80)
    return points


def still(folder: Path, number: int = 0, name: str = "still.png") -> Record:
    """A still of grey blotches, a red dot on the left wrist and a green one on the right wrist."""
    blotches = np.random.default_rng(number).integers(60, 120, (10, 8), np.uint8)
    image = cv2.cvtColor(cv2.resize(blotches, (WIDTH, HEIGHT)), cv2.COLOR_GRAY2BGR)
    points = keypoints()
    cv2.circle(image, (60, 80), 4, (0, 0, 255), -1)  # BGR
    cv2.circle(image, (100, 80), 4, (0, 255, 0), -1)
    cv2.imwrite(str(folder / name), image)
    return Record(f"set/{number}#1", (folder / name,), 0, BOX, points, np.ones(J))


def video(folder: Path, frames: int = 4, current: int = 1) -> Record:
    """A video whose frame k is of the one grey level 10 + 20 k."""
    paths = tuple(folder / f"{at:06d}.png" for at in range(frames))
    for at, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 10 + 20 * at, np.uint8))
    return Record("clip/1#0", paths, current, BOX, keypoints(), np.ones(J))


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return [still(tmp_path, number, f"{number}.png") for number in range(3)]


def same(first: ClipItem, second: ClipItem) -> bool:
    return first["name"] == second["name"] and all(
        torch.equal(first[key], second[key])  # type: ignore[literal-required]
        for key in (set(ClipItem.__annotations__) - {"name"})
    )


def dot_middle(frame: torch.Tensor, channel: int) -> np.ndarray:
    """The middle of the pixels where one colour is much stronger than the others, (2,)."""
    values = frame.numpy().astype(float)
    excess = values[..., channel] - np.delete(values, channel, -1).max(-1)
    y, x = np.nonzero(excess > 60)
    return np.array([x.mean(), y.mean()])


def test_an_item_has_the_promised_shapes(records: list[Record]) -> None:
    item = ClipDataset(records, model(), AugmentConfig())[0, 1]
    assert item["name"] == "set/1#1"
    shapes = {
        "clip": (T, *SIZE, 3),
        "clean": (*SIZE, 3),
        "targets": (J, SIZE[0] // 4, SIZE[1] // 4),
        "weights": (J,),
        "keypoints": (J, 2),
        "visible": (J,),
        "frame_keypoints": (T, J, 2),
        "frame_visible": (T, J),
        "offsets": (T,),
        "matrix": (2, 3),
    }
    kinds = {"clip": torch.uint8, "clean": torch.uint8, "offsets": torch.int64}
    for key, shape in shapes.items():
        values = item[key]  # type: ignore[literal-required]
        assert values.shape == shape
        assert values.dtype == kinds.get(key, torch.float32)
    assert item["offsets"].tolist() == [-2, -1, 0, 1, 2]


def test_the_same_key_gives_the_same_clip_and_others_differ(records: list[Record]) -> None:
    data, again = (ClipDataset(records, model(), AugmentConfig(), seed=1) for _ in range(2))
    other = ClipDataset(records, model(), AugmentConfig(), seed=2)
    assert same(data[3, 1], again[3, 1])
    assert same(data[0, 1], again[1])
    assert not same(data[3, 1], data[4, 1])
    assert not same(data[3, 1], other[3, 1])


def test_the_clean_frame_is_the_current_one_before_it_was_degraded(records: list[Record]) -> None:
    others = {"motion": MotionConfig(still=0), "colour": 0.2}
    for names, everywhere in ((("dark",), 0), (("occluded",), 0), (("occluded",), 1)):
        degraded = DegradeConfig(current=1, auxiliary=0, degradations=names, everywhere=everywhere)
        clips = ClipDataset(records, model(), AugmentConfig(degrade=degraded, **others))
        clean = ClipDataset(records, model(), AugmentConfig(degrade=CLEAN, **others))
        for index in range(len(records)):
            assert torch.equal(clips[0, index]["clean"], clean[0, index]["clip"][T // 2])
            assert torch.equal(clean[0, index]["clean"], clean[0, index]["clip"][T // 2])
            assert not torch.equal(clips[0, index]["clean"], clips[0, index]["clip"][T // 2])
            others_too = not torch.equal(clips[0, index]["clip"][0], clean[0, index]["clip"][0])
            assert others_too == bool(everywhere)


def test_reading_changes_no_record(records: list[Record]) -> None:
    data = ClipDataset(records, model(), AugmentConfig(flip=1, half_body=1))
    for epoch in range(8):
        item = data[epoch, 0]
        item["visible"][:] = 0  # nor does writing to what was read
        item["keypoints"][:] = 0
    assert np.array_equal(records[0].keypoints, keypoints())
    assert records[0].visible.all()


def test_left_and_right_swap_names_when_mirrored(records: list[Record]) -> None:
    plain = ClipDataset(records, model(), STEADY)[0]
    mirrored = ClipDataset(records, model(), STEADY.model_copy(update={"flip": 1.0}))[0]
    red, green = 0, 1
    for item, left, right in ((plain, red, green), (mirrored, green, red)):
        frame, points = item["clip"][2], item["keypoints"].numpy()
        assert np.abs(dot_middle(frame, left) - points[LEFT]).max() < 0.5
        assert np.abs(dot_middle(frame, right) - points[RIGHT]).max() < 0.5
    assert plain["keypoints"][LEFT, 0] < plain["keypoints"][RIGHT, 0]
    assert mirrored["keypoints"][RIGHT, 0] > mirrored["keypoints"][LEFT, 0]


def test_joints_stay_exact_under_all_augmentation(records: list[Record]) -> None:
    lively = AugmentConfig(
        colour=0, half_body=0, degrade=CLEAN, motion=MotionConfig(still=0, fast=1, limbs=1)
    )
    data = ClipDataset(records, model(), lively)
    for epoch in range(12):
        item = data[epoch, 0]
        dots = [dot_middle(item["clip"][2], channel) for channel in (0, 1)]
        points = item["keypoints"].numpy()[[LEFT, RIGHT]]
        error = min(np.abs(points - pair).max() for pair in (dots, dots[::-1]))
        assert error < 0.5


def test_targets_peak_at_the_joints(records: list[Record]) -> None:
    item = ClipDataset(records, model(), AugmentConfig(degrade=CLEAN))[2, 0]
    points, scores = decode(item["targets"].numpy()[None], SIZE, "udp")
    labelled = item["weights"].numpy() > 0
    assert labelled.sum() > 5
    assert np.array_equal(scores[0] > 0, labelled)
    assert np.abs(points[0] - item["keypoints"].numpy())[labelled].max() < 0.5


def test_weights_are_those_of_the_method_and_0_outside(tmp_path: Path) -> None:
    whole = still(tmp_path)
    points, visible = whole.keypoints.copy(), whole.visible.copy()
    points[LEFT], visible[RIGHT] = (5000, 80), 0
    cut = Record(whole.name, whole.frames, 0, BOX, points, visible)
    item = ClipDataset([cut], model(), STEADY)[0]
    expected = {"elbow": 1.2, "knee": 1.2, "wrist": 0.0, "ankle": 1.5}
    for at, name in enumerate(POSETRACK_15.joints):
        assert item["weights"][at] == pytest.approx(expected.get(name.partition("_")[2], 1.0))
    assert item["visible"][[LEFT, RIGHT]].tolist() == [1, 0]
    assert not item["targets"][[LEFT, RIGHT]].any()
    assert joint_weights(POSETRACK_15)[LEFT] == 1.5


def test_without_joint_weights_all_labelled_joints_count_alike(tmp_path: Path) -> None:
    config = STEADY.model_copy(update={"joint_weights": False})
    record = still(tmp_path)
    plain, weighted = (ClipDataset([record], model(), each)[0] for each in (config, STEADY))
    assert torch.equal(plain["weights"], (weighted["weights"] > 0).float())
    assert set(plain["weights"].tolist()) == {1.0}


def test_a_single_frame_model_gets_the_current_frame(records: list[Record]) -> None:
    clip = ClipDataset(records, model(), STEADY)[0]["clip"]
    single = ClipDataset(records, model(offsets=()), STEADY)[0]["clip"]
    assert torch.equal(single[0], clip[window_offsets(model().offsets)[1]])
    assert len(single) == 1


def test_validation_crops_as_inference_does(records: list[Record]) -> None:
    item = validation_clips(records, model())[0]
    assert not torch.equal(item["clip"][0], item["clip"][2])
    assert item["matrix"][0, 1] == item["matrix"][1, 0] == 0
    points = item["keypoints"].numpy()
    assert np.abs(dot_middle(item["clip"][2], 0) - points[LEFT]).max() < 0.5


def test_crops_have_the_padding_of_the_network(records: list[Record]) -> None:
    plain, tight = (validation_clips(records, model(box_padding=p))[0]["matrix"] for p in (1.25, 1))
    assert tight[0, 0] == pytest.approx(1.25 * plain[0, 0])


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_validation_differs_only_in_the_current_frame(records: list[Record], kind: str) -> None:
    clean, degraded = (validation_clips(records, model(), k, seed=3)[1] for k in ("clean", kind))
    others = [0, 1, 3, 4]
    assert torch.equal(clean["clip"][others], degraded["clip"][others])
    assert torch.equal(clean["keypoints"], degraded["keypoints"])
    assert torch.equal(clean["clip"][2], degraded["clip"][2]) == (kind == "clean")
    again = validation_clips(records, model(), kind, seed=3)[1]  # type: ignore[arg-type]
    assert same(degraded, again)


def steady(degrade: DegradeConfig = CLEAN, **changes: object) -> AugmentConfig:
    """Nothing varies but for what is asked for."""
    return STEADY.model_copy(update={"degrade": degrade, **changes})


def lively(**changes: object) -> AugmentConfig:
    motion = MotionConfig(still=0, limbs=1)
    return steady(scale=0.3, rotate=1, flip=0.5, motion=motion, **changes)


CHANCES = ("truncate", "half_body", "flip", "reverse", "box_jitter", "crowd", "small", "rotate")
SWITCHES: dict[str, Any] = {  # what switches each transform on
    **dict.fromkeys(CHANCES, 1.0),
    **{"shift": 0.1, "scale": 0.3, "colour": 0.2, "offset_span": 4},
    "motion": MotionConfig(still=0, limbs=1),
}
DEGRADE_SWITCHES = ("everywhere", "current", "auxiliary", "occluder")
DEGRADE_SWITCHES += ("blurred", "defocused", "dropped")
LISTS = {"FRAMING": FRAMING, "APPEARANCE": APPEARANCE, "DEGRADATION": DEGRADATION}
TRANSFORMS = (MOTION, *FRAMING, *APPEARANCE, *DEGRADATION)


def test_every_transform_has_a_name_and_random_numbers_of_its_own() -> None:
    assert {item.name for item in TRANSFORMS} == {*SWITCHES, *DEGRADE_SWITCHES}
    assert len({item.stream for item in TRANSFORMS}) == len(TRANSFORMS)


def effect(name: str, before: Framing | Clip, after: Framing | Clip) -> list[Any]:
    """What a transform did, whatever others did before it."""
    if isinstance(before, Framing) and isinstance(after, Framing):
        size = before.area.size
        shift = (after.area.centre - before.area.centre) / size
        numbers = [*(after.area.size / size), *shift, after.area.rotation - before.area.rotation]
        is_reversed = after.offsets == tuple(-offset for offset in before.offsets)
        is_drawn = sorted(map(abs, after.offsets)) != sorted(map(abs, before.offsets))
        moves = (after.moves - before.moves).ravel()
        return [
            after.area.flip != before.area.flip,
            is_reversed,
            is_drawn,
            *np.round([*numbers, *moves], 4).tolist(),
        ]
    assert isinstance(before, Clip) and isinstance(after, Clip)  # noqa: PT018
    if name in ("auxiliary", "blurred", "defocused", "dropped"):
        return (after.frames != before.frames).reshape(T, -1).any(1).tolist()
    return [after is not before]


def effects(data: ClipDataset, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What each transform but motion does to some clips."""
    seen: dict[str, list[Any]] = defaultdict(list)

    def watched(transform: Transform[Any, Any]) -> Transform[Any, Any]:
        def apply(state: Any, settings: ClipSettings, rng: np.random.Generator) -> Any:
            after = transform.apply(state, settings, rng)
            seen[transform.name].append(effect(transform.name, state, after))
            return after

        return replace(transform, apply=apply)

    with monkeypatch.context() as patch:
        for name, transforms in LISTS.items():
            patch.setattr(dataset, name, [watched(transform) for transform in transforms])
        for epoch in range(6):
            _ = data[epoch, 1]
    return seen


@pytest.mark.parametrize("switch", [*SWITCHES, *DEGRADE_SWITCHES])
def test_switching_a_transform_on_does_not_change_what_others_draw(
    records: list[Record], monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    half = dict.fromkeys(DEGRADE_SWITCHES, 0.5)
    config = AugmentConfig.model_validate(
        {**SWITCHES, **dict.fromkeys(CHANCES, 0.5), "degrade": half}
    )
    if switch in SWITCHES:
        off: Any = STANDSTILL if switch == "motion" else 0
        without = config.model_copy(update={switch: off})
    else:
        degrade = config.degrade.model_copy(update={switch: 0.0})
        without = config.model_copy(update={"degrade": degrade})
    first, second = (
        effects(ClipDataset(records, model(), each, 3), monkeypatch) for each in (config, without)
    )
    changed = {name for name in first if first[name] != second[name]}
    # What a cut leaves of the body may be too little for half of it, and sets what that half is.
    assert changed <= {switch, *(("half_body",) if switch == "truncate" else ())}
    assert switch in {*changed, "motion"}


def test_offsets_are_drawn_within_a_span(tmp_path: Path) -> None:
    data = ClipDataset([video(tmp_path, 9, current=4)], model(), steady(offset_span=4), seed=1)
    shown = set()
    for epoch in range(8):
        item = data[epoch, 0]
        levels = item["clip"][:, SIZE[0] // 2, SIZE[1] // 2, 0]
        assert levels.tolist() == (10 + 20 * (4 + item["offsets"])).tolist()
        assert item["frame_visible"].any(1).tolist() == [False, False, True, False, False]
        assert same(item, data[epoch, 0])
        shown.add(tuple(item["offsets"].tolist()))
    assert len(shown) > 3


def test_drawn_offsets_move_a_still_as_far_as_they_reach(records: list[Record]) -> None:
    motion = MotionConfig(still=0, limbs=0)
    near, far = (
        ClipDataset(records, model(offsets=offsets), steady(motion=motion, offset_span=span))
        for offsets, span in (((-1, 1), 0), ((-1, 1), 8))
    )
    moved = []
    for data in (near, far):
        points = np.stack([data[epoch, 0]["frame_keypoints"].numpy() for epoch in range(8)])
        moved.append(np.abs(points[:, [0, 2]] - points[:, 1:2]).mean())
    assert moved[1] > 2 * moved[0]


def test_reversed_clips_run_backwards(records: list[Record], tmp_path: Path) -> None:
    people = [*records, video(tmp_path, 9, current=4)]
    forwards, backwards = (ClipDataset(people, model(), lively(reverse=p)) for p in (0, 1))
    for index in range(len(people)):
        for key in ("clip", "frame_keypoints", "frame_visible", "offsets"):
            first, second = forwards[2, index][key], backwards[2, index][key]  # type: ignore[literal-required]
            assert torch.equal(first.flip(0), second)
        assert torch.equal(forwards[2, index]["targets"], backwards[2, index]["targets"])


def test_joints_are_exact_in_the_crop_that_each_frame_has_of_its_own(
    records: list[Record],
) -> None:
    image = records[0].frames[0]
    standing = Record("video/1#0", (image,) * T, 2, BOX, keypoints(), np.ones(J))
    data = ClipDataset([records[0], standing], model(), lively(box_jitter=1, box_noise=0.1))
    for index in range(2):
        for epoch in range(6):
            item = data[epoch, index]
            points = item["frame_keypoints"].numpy()[:, [LEFT, RIGHT]]
            for t in range(T):
                dots = [dot_middle(item["clip"][t], channel) for channel in (0, 1)]
                error = min(np.abs(points[t] - pair).max() for pair in (dots, dots[::-1]))
                assert error < 0.5
            expected = transform_points(item["matrix"][None], keypoints()[None])[0]
            assert torch.equal(item["frame_keypoints"][2], item["keypoints"])
            turned = np.linalg.det(item["matrix"][:, :2]) < 0
            order = POSETRACK_15.flip_order if turned else range(J)
            assert np.allclose(expected[list(order)], item["keypoints"], atol=0.01)


def test_boxes_jitter_by_their_share_and_independently(records: list[Record]) -> None:
    plain = ClipDataset(records, model(), STEADY)[0]["keypoints"].numpy()
    data = ClipDataset(records, model(), steady(box_jitter=1, box_noise=0.05))
    moved = np.stack([data[epoch, 0]["frame_keypoints"].numpy() for epoch in range(20)]) - plain
    assert np.abs(moved).max() < 0.05 * SIZE[0] * 1.1
    middles = moved.mean(2)  # (epochs, T, 2)
    assert np.abs(np.corrcoef(middles[..., 0].T) - np.eye(T)).max() < 0.7
    assert (middles.std(0) > 0.5).all()
    calm = ClipDataset(records, model(), steady(box_jitter=1, box_noise=0))[0]
    assert np.allclose(calm["frame_keypoints"], plain, atol=1e-3)


def test_a_frame_that_repeats_the_current_one_shows_it_as_degraded_as_it_is(
    records: list[Record],
) -> None:
    degrade = DegradeConfig(current=1, auxiliary=0, degradations=("motion_blur",), dropped=1)
    data = ClipDataset(records, model(), steady(degrade))
    items = [data[epoch, 0] for epoch in range(8)]
    frozen = [item["clip"] for item in items if item["clip"][3].float().std() > 1]
    assert frozen
    assert all(torch.equal(clip[3], clip[2]) for clip in frozen)


def test_an_occluder_moves_through_the_whole_window(records: list[Record]) -> None:
    plain = ClipDataset(records, model(), STEADY)
    degrade = CLEAN.model_copy(update={"occluder": 1.0})
    hidden = ClipDataset(records, model(), steady(degrade))
    moves = 0
    for epoch in range(6):
        before, after = plain[epoch, 0], hidden[epoch, 0]
        masks = (before["clip"] != after["clip"]).any(-1)
        assert 0.02 < masks[2].float().mean() < 0.6
        assert masks[1].any()
        assert masks[3].any()
        moves += not torch.equal(masks[1], masks[2])
        assert torch.equal(before["frame_keypoints"], after["frame_keypoints"])
        assert after["frame_visible"].all()
    assert moves >= 5


def test_all_switches_together_depend_on_the_key_alone(
    records: list[Record], tmp_path: Path
) -> None:
    degrade = DegradeConfig(occluder=0.5, blurred=0.3, defocused=0.3, dropped=0.3)
    everything = AugmentConfig(offset_span=5, reverse=0.5, box_jitter=0.5, degrade=degrade)
    people = [*records, video(tmp_path, 9, current=4)]
    data, again = (ClipDataset(people, model(), everything, seed=5) for _ in range(2))
    keys = list(itertools.product(range(3), range(len(people))))
    clips = {key: data[key] for key in keys}
    assert all(same(clips[key], again[key]) for key in reversed(keys))
    assert not same(clips[0, 0], clips[1, 0])


def test_a_missing_image_names_file_and_record(tmp_path: Path) -> None:
    record = still(tmp_path)
    record.frames[0].unlink()
    with pytest.raises(DataError, match=r"still\.png: .*set/0#1"):
        ClipDataset([record], model())[0]


def test_no_records_are_an_error() -> None:
    with pytest.raises(DataError, match="at least one record"):
        ClipDataset([], model())


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_out_of_range_is_an_error(records: list[Record], index: int) -> None:
    with pytest.raises(IndexError):
        ClipDataset(records, model())[0, index]


def take(sampler: KeySampler, count: int) -> list[tuple[int, int]]:
    keys: Iterator[tuple[int, int]] = iter(sampler)
    return list(itertools.islice(keys, count))


def test_keys_are_shuffled_and_each_epoch_has_each_index_once() -> None:
    keys = take(KeySampler(7, seed=0), 21)
    for epoch in range(3):
        part = keys[7 * epoch : 7 * epoch + 7]
        assert {key[0] for key in part} == {epoch}
        assert sorted(key[1] for key in part) == list(range(7))
    assert keys[:7] != [(0, index) for _, index in keys[7:14]]
    assert keys != take(KeySampler(7, seed=1), 21)


@pytest.mark.parametrize("step", [0, 1, 3, 7, 20])
def test_keys_resume_at_any_step(step: int) -> None:
    whole = take(KeySampler(7, seed=4, batch_size=3), 90)
    rest = take(KeySampler(7, seed=4, start_step=step, batch_size=3), 12)
    assert rest == whole[3 * step : 3 * step + 12]


def batches(records: list[Record], step: int, workers: int) -> Iterator[ClipItem]:
    data = ClipDataset(records, model(), AugmentConfig(), seed=1)
    sampler = KeySampler(len(data), seed=1, start_step=step, batch_size=2)
    init = single_threaded if workers else None
    return iter(DataLoader(data, 2, sampler=sampler, num_workers=workers, worker_init_fn=init))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 and later
def test_a_loader_resumes_where_it_stopped_with_or_without_workers(records: list[Record]) -> None:
    whole = batches(records, 0, workers=0)
    third = next(itertools.islice(whole, 2, None))
    resumed = next(batches(records, 2, workers=1))
    assert third["clip"].shape == (2, T, *SIZE, 3)
    assert same(third, resumed)


@pytest.mark.parametrize("name", ["lspet", "people"])
def test_real_stills_load(name: str) -> None:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/data/{name}")
    data = ClipDataset(
        read_records("coco", folder / "train.json", POSETRACK_15), model(), AugmentConfig()
    )
    items = [data[1, at] for at in range(0, len(data), len(data) // 10)]
    assert all(torch.isfinite(item["keypoints"]).all() for item in items)
    assert np.mean([float((item["weights"] > 0).sum()) for item in items]) > 6


def test_joints_beyond_the_frames_edge_are_taught_to_have_no_heat(tmp_path: Path) -> None:
    config = STEADY.model_copy(update={"truncate": 1.0, "absent": 0.5})
    clips = ClipDataset([still(tmp_path)], model(), config)
    outside_count = 0
    for epoch in range(8):
        item = clips[epoch, 0]
        outside = item["targets"].amax((1, 2)) == 0
        outside_count += int(outside.sum())
        base = torch.from_numpy(joint_weights(POSETRACK_15))
        torch.testing.assert_close(item["weights"], torch.where(outside, 0.5 * base, base))
        assert (item["keypoints"][outside] < 0).all()
    assert outside_count > 8


def test_a_second_person_leaves_the_joints_alone(tmp_path: Path) -> None:
    records = [still(tmp_path), still(tmp_path, 1, "other.png")]
    plain = ClipDataset(records, model(), STEADY)[0, 0]
    joined = ClipDataset(records, model(), STEADY.model_copy(update={"crowd": 1.0}))[0, 0]
    assert not torch.equal(plain["clip"], joined["clip"])
    for key in ("targets", "weights", "keypoints", "visible"):
        assert torch.equal(plain[key], joined[key])


def test_a_label_that_is_trusted_less_weighs_less() -> None:
    points, visible = np.full((15, 2), 50, np.float32), np.ones(15, np.float32)
    visible[4] = 0.25
    points[5] = -20  # outside the crop
    visible[5] = 0.5
    targets, weights = training_targets(points, visible, vit_small(), AugmentConfig(absent=0.8))
    full = joint_weights(POSETRACK_15)
    np.testing.assert_allclose(weights[[3, 4, 5]], full[[3, 4, 5]] * [1, 0.25, 0.5 * 0.8])
    assert targets[4].max() == targets[3].max()  # the target itself is that of any joint
    assert targets[5].max() == 0


def test_people_are_counted_by_labels_however_far_these_are_trusted() -> None:
    points = np.stack([np.full(15, 80), np.linspace(50, 150, 15)], 1)
    box = (40.0, 40.0, 120.0, 160.0)
    for trust in (1.0, 0.2):
        record = Record("a#1", (Path("a.jpg"),), 0, box, points, np.full(15, trust))
        assert can_be_cut_out(record)
        shown = cut_off(record, np.random.default_rng(1))
        assert shown.cut_joints.any()
        assert shown.record.labelled.sum() == 15 - shown.cut_joints.sum()
