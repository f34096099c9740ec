"""Random crops: each part can be switched, and names follow a mirrored person."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tarvitpose.config import ModelConfig
from tarvitpose.data.augment import (
    NO_AUGMENTATION,
    AugmentConfig,
    CropArea,
    black_outside,
    cut_off,
    half_body_area,
    inference_area,
    jitter_boxes,
    jitter_colour,
    shrink,
    swap_sides,
)
from tarvitpose.data.framing import FRAMING, ClipSettings, inference_framing
from tarvitpose.data.records import Record
from tarvitpose.geometry import centre_and_size, crop_matrices, transform_points, warp
from tarvitpose.skeleton import JOINT_SETS, POSETRACK_15, JointSet

SIZE = (128, 96)
BOX = (30.0, 20.0, 90.0, 180.0)


def body(joints: JointSet = POSETRACK_15) -> NDArray[np.float32]:
    """Joints (J, 2) with the legs below y = 100."""
    rows = {"hip": 110, "knee": 140, "ankle": 170}
    return np.array(
        [
            (40 + 40 * name.startswith("left"), rows.get(name.partition("_")[2], 60))
            for name in joints.joints
        ],
        np.float32,
    )


def crops_of(config: AugmentConfig, count: int = 300) -> list[CropArea]:
    model = ModelConfig(width=32, depth=1, heads=2, input_size=SIZE)
    settings, rng = ClipSettings(model, config, [person()]), np.random.default_rng(0)
    areas = []
    for _ in range(count):
        framing = inference_framing(person(), model)
        for transform in FRAMING:
            framing = transform.apply(framing, settings, rng)
        areas.append(framing.area)
    return areas


def changed(**fields: float) -> AugmentConfig:
    return NO_AUGMENTATION.model_copy(update=fields)


def test_with_everything_off_the_crop_is_that_of_inference() -> None:
    plain = inference_area(BOX, SIZE)
    centre, size = centre_and_size(BOX, SIZE)
    for crop in (plain, *crops_of(NO_AUGMENTATION, 5)):
        assert np.array_equal(crop.centre, centre[0])
        assert np.array_equal(crop.size, size[0])
        assert (crop.rotation, crop.flip) == (0, False)
    expected = crop_matrices(centre, size, SIZE, "udp")[0]
    assert np.array_equal(plain.matrix(SIZE, "udp"), expected)


def test_scale_stays_within_its_share_and_keeps_the_aspect() -> None:
    plain = inference_area(BOX, SIZE)
    ratios = np.array([crop.size / plain.size for crop in crops_of(changed(scale=0.35))])
    assert np.allclose(ratios[:, 0], ratios[:, 1])
    assert 0.649 < ratios.min() < 0.7
    assert 1.3 < ratios.max() < 1.351


def test_rotation_is_clipped_and_happens_with_its_probability() -> None:
    angles = np.array([crop.rotation for crop in crops_of(changed(rotate=0.6))])
    assert np.abs(angles).max() == pytest.approx(45)
    assert 0.5 < (angles != 0).mean() < 0.7
    assert abs(angles.mean()) < 5


@pytest.mark.parametrize(("name", "sigma", "limit"), [("scale", 0.35, 0.35), ("rotation", 45, 90)])
def test_the_released_loaders_spread_and_limits(name: str, sigma: float, limit: float) -> None:
    """A clipped normal: 68.3% within one sigma, 31.7% at or beyond it, 4.6% beyond two."""
    config = changed(**{name: limit, f"{name}_sigma": sigma, "rotate": 1.0})
    plain = inference_area(BOX, SIZE)
    crops = crops_of(config, 2000)
    if name == "scale":
        values = np.abs([float(crop.size[0] / plain.size[0] - 1) for crop in crops])
    else:
        values = np.abs([crop.rotation for crop in crops])
    assert values.max() == pytest.approx(limit, rel=1e-5)
    assert (values < 0.999 * sigma).mean() == pytest.approx(0.683, abs=0.04)
    assert (values > 0.999 * limit).mean() == pytest.approx(
        0.317 if name == "scale" else 0.046, abs=0.03
    )


def test_without_a_sigma_it_is_half_of_the_limit() -> None:
    for name, limit in (("scale", 0.3), ("rotation", 40.0)):
        plain = changed(**{name: limit, "rotate": 1.0})
        explicit = changed(**{name: limit, "rotate": 1.0, f"{name}_sigma": limit / 2})
        for first, second in zip(crops_of(plain, 20), crops_of(explicit, 20), strict=True):
            assert np.array_equal(first.size, second.size)
            assert first.rotation == second.rotation


def test_flip_happens_with_its_probability() -> None:
    assert 0.4 < np.mean([crop.flip for crop in crops_of(changed(flip=0.5))]) < 0.6
    assert all(crop.flip for crop in crops_of(changed(flip=1.0), 5))


def test_shift_moves_the_middle_within_its_share() -> None:
    plain = inference_area(BOX, SIZE)
    moved = np.array([crop.centre - plain.centre for crop in crops_of(changed(shift=0.1))])
    assert (np.abs(moved) <= 0.1001 * plain.size).all()
    assert (np.abs(moved).max(0) > 0.08 * plain.size).all()


def test_half_bodies_show_the_upper_or_the_lower_joints() -> None:
    plain = inference_area(BOX, SIZE)
    middles = {float(crop.centre[1]) for crop in crops_of(changed(half_body=1.0), 50)}
    assert middles == {60.0, 140.0}
    for crop in crops_of(changed(half_body=1.0), 50):
        assert (crop.size < plain.size).all()
        assert (crop.size > 0.33 * plain.size).all()


@pytest.mark.parametrize(("seen", "possible"), [(8, False), (9, True)])
def test_half_bodies_need_more_than_8_visible_joints(seen: int, possible: bool) -> None:
    visible = np.arange(15) < seen
    crop = half_body_area(body(), visible, POSETRACK_15, SIZE, np.random.default_rng(0))
    assert (crop is not None) == possible


def test_half_bodies_ignore_joints_that_are_not_visible() -> None:
    points, visible = body(), np.ones(15)
    points[0], visible[0] = (5000, 5000), 0
    crops = [
        half_body_area(points, visible, POSETRACK_15, SIZE, np.random.default_rng(s))
        for s in range(9)
    ]
    assert max(float(crop.size.max()) for crop in crops if crop) < 300


@pytest.mark.parametrize("codec", ["udp", "classic"])
def test_a_mirrored_crop_is_the_mirror_of_the_crop(codec: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 150, 3), np.uint8)
    centre, size = np.float32([60, 100]), np.float32([96, 128])
    plain, mirrored = (CropArea(centre, size, flip=flip).matrix(SIZE, codec) for flip in (0, 1))
    pixels = warp(image, plain, SIZE)[:, ::-1].astype(int) - warp(image, mirrored, SIZE)
    assert np.abs(pixels).max() <= 12  # of 255, in noise: OpenCV's fixed-point interpolation
    points = transform_points(np.stack([plain, mirrored]), np.stack([body(), body()]))
    assert np.allclose(points[0][:, 0], SIZE[1] - 1 - points[1][:, 0], atol=1e-3)
    assert np.allclose(points[0][:, 1], points[1][:, 1])


@pytest.mark.parametrize("joints", [*JOINT_SETS.values()][:-1], ids=[*JOINT_SETS][:-1])
def test_swapping_sides_goes_by_name_and_twice_is_identity(joints: JointSet) -> None:
    values = np.arange(len(joints), dtype=np.float32)
    [swapped] = swap_sides(values[None], joints)
    for at, name in enumerate(joints.joints):
        side, _, part = name.partition("_")
        other = {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)
        assert swapped[at] == joints.joints.index(other)
    assert np.array_equal(swap_sides(swapped[None], joints)[0], values)


def test_jittered_boxes_are_other_crops_of_the_same_frame() -> None:
    """Moving a crop is the same as cropping by the moved box."""
    plain = inference_area(BOX, SIZE)
    moves = jitter_boxes(40, SIZE, 0.1, np.random.default_rng(0))  # (40, 2, 3)
    matrix = plain.matrix(SIZE, "udp")
    middle = (np.array(SIZE[::-1]) - 1) / 2
    for move in moves:
        scale, shown = 1 / move[0, 0], move[:, :2] @ middle + move[:, 2]
        person = np.array(SIZE[::-1]) / 1.25  # pixels of the crop
        assert move[0, 0] == move[1, 1]
        assert move[0, 1] == move[1, 0] == 0
        assert abs(scale - 1) <= 0.1
        assert (np.abs(shown - middle) <= 0.1 * person + 1e-9).all()
        centre = plain.centre - (shown - middle) / matrix[[0, 1], [0, 1]] * scale
        other = CropArea(np.float32(centre), plain.size * np.float32(scale)).matrix(SIZE, "udp")
        both = move[:, :2] @ matrix + [[0, 0, 1]] * move[:, 2:]
        assert np.allclose(both, other, atol=1e-3)
    assert (np.ptp(moves[:, 0, 2]), np.ptp(moves[:, 1, 2])) > (10, 10)


def test_colour_is_the_same_in_all_frames_and_black_stays_black() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    frame[:3] = 0
    clip = np.stack([frame] * 4)
    varied = jitter_colour(clip, np.random.default_rng(2), 0.2)
    assert varied.shape == clip.shape
    assert varied.dtype == np.uint8
    assert all(np.array_equal(varied[t], varied[0]) for t in range(4))
    assert (varied[0, 3:] != frame[3:]).any()
    assert not varied[:, :3].any()


def person(box: tuple[float, float, float, float] = BOX) -> Record:
    return Record("still", (Path("still.png"),), 0, box, body(), np.ones(15, np.float32))


def test_a_frame_that_ends_within_a_person_hides_what_is_beyond_it() -> None:
    sides = set()
    for seed in range(60):
        shown = cut_off(person(), np.random.default_rng(seed))
        if shown.frame_area is None:  # too few joints would be left
            assert not shown.cut_joints.any()
            assert shown.record.visible.all()
            continue
        (side,) = np.flatnonzero(np.isfinite(shown.frame_area))
        sides.add(int(side))
        x0, y0, x1, y1 = shown.frame_area
        x, y = body().T
        np.testing.assert_array_equal(shown.cut_joints, (x < x0) | (x > x1) | (y < y0) | (y > y1))
        np.testing.assert_array_equal(shown.record.visible, 1 - shown.cut_joints)
        assert shown.record.visible.sum() >= 4
        expected = [max(BOX[0], x0), max(BOX[1], y0), min(BOX[2], x1), min(BOX[3], y1)]
        assert shown.record.box == pytest.approx(expected)
    assert sides == {0, 1, 2, 3}


def test_beyond_the_edge_the_image_is_black() -> None:
    image = np.full((40, 30, 3), 9, np.uint8)
    blackened = black_outside(image, (-np.inf, -np.inf, np.inf, 25.2))
    assert (blackened[:25] == 9).all()
    assert (blackened[25:] == 0).all()


def test_a_person_far_away_has_few_pixels_and_the_same_place() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3), np.uint8)
    far = shrink(noise, np.random.default_rng(1))
    assert far.shape == noise.shape
    assert far.std() < 0.6 * noise.std()
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None, None], (1, 1, 48, 3))
    assert np.abs(shrink(ramp, np.random.default_rng(1)).astype(int) - ramp)[:, 8:-8].max() < 6
