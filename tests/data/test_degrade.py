"""Each way to degrade a frame does what its name says, and only where it should."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import tiny_config

from tarvitpose.data.augment import AugmentConfig
from tarvitpose.data.degrade import (
    DEGRADATIONS,
    DEGRADE,
    Degradation,
    DegradeConfig,
    compressed,
    dark,
    defocus,
    dropped,
    low_resolution,
    motion_blur,
    noisy,
)
from tarvitpose.data.framing import ClipSettings
from tarvitpose.data.occluder import occlude
from tarvitpose.data.transforms import DEGRADATION, Clip

T, H, W, CURRENT = 5, 128, 96, 2
OTHERS = [t for t in range(T) if t != CURRENT]
Image = NDArray[np.uint8]


def picture(seed: int = 0) -> Image:
    """A picture with large and small shapes, (H, W, 3)."""
    cells = np.random.default_rng(seed).integers(30, 226, (16, 12, 3), np.uint8)
    return np.asarray(cv2.resize(cells, (W, H), interpolation=cv2.INTER_NEAREST))


def clip() -> Image:
    return np.stack([picture(seed) for seed in range(T)])


def point_of_light(size: int = 65) -> Image:
    image = np.zeros((256, 256, 3), np.uint8)
    image[size, size] = 255
    return image


def lit(image: Image) -> tuple[int, int]:
    """Height and width of what is not black."""
    rows, columns = np.nonzero(image[..., 0])
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def degraded(
    name: str, frames: Image, seed: int, at: int = CURRENT, **config: Any
) -> tuple[Image, NDArray[np.bool_]]:
    """Return frames (T, H, W, 3) after one transform, and which of them lost their joints, (T,)."""
    (transform,) = (each for each in DEGRADATION if each.name == name)
    degrade = DegradeConfig.model_validate({"current": 0, "auxiliary": 0, **config})
    settings = ClipSettings(tiny_config(), AugmentConfig(degrade=degrade), [])
    known = np.ones((len(frames), 1), np.float32)
    before = Clip(frames, np.zeros((len(frames), 1, 2), np.float32), known, at, np.eye(2, 3))
    after = transform.apply(before, settings, rng(seed))
    return after.frames, after.visible[:, 0] == 0


def roughness(image: Image) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_the_degradations_are_clean_occluded_and_one_function_each() -> None:
    assert set(DEGRADATIONS) == {"clean", "occluded", *DEGRADE}
    assert DEGRADATIONS[0] == "clean"


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("degradation", DEGRADE)
def test_a_degraded_picture_keeps_its_shape_and_its_source(
    degradation: Degradation, severity: float
) -> None:
    image = picture()
    degraded = DEGRADE[degradation](image, rng(), severity)
    assert degraded.shape == image.shape
    assert degraded.dtype == np.uint8
    assert (degraded != image).any()
    assert np.array_equal(image, picture())


@pytest.mark.parametrize(
    "degradation", ["motion_blur", "defocus", "noisy", "low_resolution", "dark"]
)
def test_more_severe_means_further_from_the_picture(degradation: Degradation) -> None:
    error = [
        np.abs(DEGRADE[degradation](picture(), rng(1), s).astype(float) - picture()).mean()
        for s in (0.0, 1.0)
    ]
    assert error[0] < error[1]


@pytest.mark.parametrize(("severity", "length"), [(0.0, 5), (1.0, 25)])
def test_motion_blur_is_a_line_of_its_length_and_angle(severity: float, length: int) -> None:
    image = np.full((256, 256, 3), 0, np.uint8)
    image[:, 128] = 255
    across = motion_blur(image, rng(), severity, angle=0)
    along = motion_blur(image, rng(), severity, angle=90)
    assert length - 1 <= (across[128, :, 0] > 2).sum() <= length + 2
    assert along[128, 128, 0] > 150
    columns = np.arange(256) @ across[128, :, 0] / across[128, :, 0].sum()
    assert columns == pytest.approx(128, abs=0.1)  # joints stay where they are


def test_motion_blur_keeps_the_light() -> None:
    for angle in (0, 30, 77, 135):
        blurred = motion_blur(np.full((64, 64, 3), 180, np.uint8), rng(), 1.0, angle)
        assert np.abs(blurred.astype(int) - 180).max() <= 1


@pytest.mark.parametrize(("severity", "radius"), [(0.0, 2), (1.0, 7)])
def test_defocus_is_a_disc_of_its_radius(severity: float, radius: int) -> None:
    height, width = lit(defocus(point_of_light(), rng(), severity))
    assert height == width
    assert 2 * radius <= height <= 2 * radius + 3


def test_blur_grows_with_the_crop() -> None:
    image = point_of_light(64)
    image[63:66, 63:66] = 255
    taller = np.pad(image, ((0, 256), (0, 0), (0, 0)))  # of 512 rows
    small, large = (defocus(light, rng(), 1.0) for light in (image, taller))
    assert 1.7 < lit(large)[0] / lit(small)[0] < 2.2


def test_dark_is_dark_and_noisy() -> None:
    flat = np.full((64, 64, 3), 200, np.uint8)
    for severity, brightest in ((0.0, 125), (1.0, 13)):
        shot = dark(flat, rng(), severity)
        assert shot.mean() < brightest
        assert shot.std() > 1


def test_noise_keeps_the_mean() -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    for seed in range(6):
        shot = noisy(flat, rng(seed), 0.2)
        assert shot.mean() == pytest.approx(128, abs=2)
        assert shot.std() == pytest.approx(20, abs=2)


def test_low_resolution_has_few_pixels_and_keeps_the_mean() -> None:
    image = picture()
    coarse = low_resolution(image, rng(), 1.0)
    assert roughness(coarse) < roughness(image)
    assert coarse.mean() == pytest.approx(image.mean(), abs=4)


def test_compression_keeps_the_colours() -> None:
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    assert np.abs(compressed(red, rng(), 0.0).astype(int) - red).max() < 25
    noise = rng().integers(0, 256, (64, 64, 3), np.uint8)
    assert roughness(compressed(noise, rng(), 1.0)) < 0.5 * roughness(noise)


def test_a_dropped_frame_shows_nothing() -> None:
    lost = [dropped(picture(), rng(seed), 1.0) for seed in range(8)]
    assert all((shot == shot[0, 0, 0]).all() for shot in lost)
    assert {int(shot.max()) == 0 for shot in lost} == {True, False}


@pytest.mark.parametrize("degradation", DEGRADE)
def test_only_the_given_frame_changes(degradation: Degradation) -> None:
    before = clip()
    after, _ = degraded("current", before, 0, current=1, degradations=[degradation])
    assert np.array_equal(before, clip())
    assert (after[CURRENT] != before[CURRENT]).mean() > 0.05
    assert np.array_equal(after[OTHERS], before[OTHERS])


@pytest.mark.parametrize(("mild", "strong"), [(0.25, 0.0), (0.0, 0.25), (0.1, 0.15)])
def test_the_other_frames_are_degraded_with_their_probability(mild: float, strong: float) -> None:
    before = clip()
    changed = np.zeros(T)
    for seed in range(60):
        after, _ = degraded("auxiliary", before, seed, auxiliary=mild, auxiliary_strong=strong)
        changed += (after != before).reshape(T, -1).any(1)
    assert np.array_equal(before, clip())
    assert changed[CURRENT] == 0
    assert 0.1 < changed[OTHERS].mean() / 60 < 0.4


def test_strong_degradations_are_further_from_the_picture_than_mild_ones() -> None:
    before, errors = clip(), []
    for mild, strong in ((1.0, 0.0), (0.0, 1.0)):
        config = {"auxiliary": mild, "auxiliary_strong": strong}
        clips = [degraded("auxiliary", before, seed, **config)[0] for seed in range(9)]
        errors.append(np.abs(np.stack(clips).astype(float) - before).mean())
    assert errors[1] > errors[0]


@pytest.mark.parametrize("seed", range(12))
def test_an_occluder_hides_a_given_joint_and_part_of_the_person(seed: int) -> None:
    before = np.full((T, 256, 192, 3), 128, np.uint8)
    points = np.array([[60.0, 90.0]])
    after = occlude(before, CURRENT, rng(seed), points=points, frames=[CURRENT])
    assert np.array_equal(after[OTHERS], before[OTHERS])
    hidden = (after[CURRENT] != before[CURRENT]).any(-1)
    assert hidden[80:101, 50:71].mean() > 0.5
    person = 256 * 192 / 1.25**2
    assert 0.05 < hidden.sum() / person < 0.45


def test_an_occluder_can_be_cut_from_another_image() -> None:
    green = np.zeros((40, 50, 3), np.uint8)
    green[..., 1] = 250
    before = np.zeros((T, H, W, 3), np.uint8)
    cut = 0
    for seed in range(10):
        after = occlude(before, CURRENT, rng(seed), image=green)
        colours = np.unique(after[CURRENT].reshape(-1, 3), axis=0).tolist()
        cut += [0, 250, 0] in colours
    assert 4 <= cut < 10


def test_joints_outside_the_crop_draw_no_occluder_out() -> None:
    points = np.array([[-500.0, 20.0], [50.0, 900.0]])
    after = occlude(clip(), CURRENT, rng(), points=points)
    assert (after[CURRENT] != clip()[CURRENT]).any()


@pytest.mark.parametrize("name", ["blurred", "defocused"])
def test_each_other_frame_is_blurred_with_its_probability(name: str) -> None:
    before, changed = clip(), np.zeros(T)
    for seed in range(100):
        after, _ = degraded(name, before, seed, **{name: 0.3})
        changed += (after != before).reshape(T, -1).any(1)
    assert np.array_equal(before, clip())
    assert changed[CURRENT] == 0
    assert (np.abs(changed[OTHERS] / 100 - 0.3) < 0.15).all()


def test_each_other_frame_is_lost_with_its_probability() -> None:
    before, changed, all_lost = clip(), np.zeros(T), np.zeros(T)
    for seed in range(100):
        after, lost = degraded("dropped", before, seed, dropped=0.3)
        changed += (after != before).reshape(T, -1).any(1)
        all_lost += lost
    assert np.array_equal(before, clip())
    assert changed[CURRENT] == all_lost[CURRENT] == 0
    assert (np.abs(changed[OTHERS] / 100 - 0.3) < 0.15).all()
    assert np.array_equal(all_lost, changed)


def test_lost_frames_show_nothing_or_the_last_frame_again() -> None:
    before, outcomes = clip(), set()
    for seed in range(30):
        after, lost = degraded("dropped", before, seed, dropped=1.0)
        assert lost.tolist() == [t != CURRENT for t in range(T)]
        for t in OTHERS:
            flat = bool((after[t] == after[t, 0, 0, 0]).all())
            assert flat or np.array_equal(after[t], after[t - 1])
            outcomes |= {(t, flat)}
    repeats = {(3, False), (4, False)}  # a repeated frame that was empty is empty
    assert outcomes == {(t, True) for t in OTHERS} | repeats


def test_a_single_frame_or_a_share_of_0_loses_nothing() -> None:
    for frames, current, share in ((clip()[:1], 0, 1.0), (clip(), CURRENT, 0.0)):
        after, lost = degraded("dropped", frames, 0, current, dropped=share)
        assert np.array_equal(after, frames)
        assert not lost.any()


def test_a_poor_camera_degrades_all_frames_alike_and_each_anew() -> None:
    still, anew = np.repeat(picture()[None], T, 0), 0
    for seed in range(12):
        after = degraded("everywhere", still, seed, everywhere=1)[0].astype(int)
        changed = np.abs(after - still).mean((1, 2, 3))
        assert 0 < changed.max() < 1.3 * changed.min()
        anew += bool((after[1] != after[0]).any())
    assert anew >= 3  # noise; compression alone does the same to the same frame


@pytest.mark.parametrize("seed", range(6))
def test_an_occluder_crosses_all_frames_at_a_steady_pace(seed: int) -> None:
    before = np.full((T, 400, 400, 3), 128, np.uint8)
    point = np.array([[200.0, 200.0]])
    after = occlude(before, CURRENT, rng(seed), points=point)
    assert (before == 128).all()
    masks = (after != before).any(-1)
    assert masks[CURRENT, 190:210, 190:210].mean() > 0.5
    middles = [np.argwhere(mask).mean(0) for mask in masks[1:4] if mask.any()]
    assert len(middles) == 3
    inside = [not (mask[0].any() or mask[-1].any() or mask[:, [0, -1]].any()) for mask in masks]
    if all(inside[1:4]):
        assert np.abs(middles[2] - 2 * middles[1] + middles[0]).max() < 2


def test_degradations_may_still_be_called_kinds() -> None:
    old = DegradeConfig.model_validate({"kinds": ["dark"]})
    assert old == DegradeConfig(degradations=("dark",))
    assert old.model_dump()["degradations"] == ("dark",)
