"""Each way to degrade a frame does what its name says, and only where it should."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from tarvitpose.data.degrade import (
    DEGRADE,
    KINDS,
    DegradeConfig,
    Kind,
    compressed,
    dark,
    defocus,
    degrade_current,
    degrade_everywhere,
    degrade_others,
    dropped,
    low_resolution,
    motion_blur,
    noisy,
    occlude_window,
)

T, H, W, CURRENT = 5, 128, 96, 2
SPOILING = KINDS[1:]
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


def roughness(image: Image) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_the_kinds_are_clean_occluded_and_one_function_each() -> None:
    assert set(KINDS) == {"clean", "occluded", *DEGRADE}
    assert KINDS[0] == "clean"


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", DEGRADE)
def test_a_spoilt_picture_keeps_its_shape_and_its_source(kind: Kind, severity: float) -> None:
    image = picture()
    degraded = DEGRADE[kind](image, rng(), severity)
    assert degraded.shape == image.shape
    assert degraded.dtype == np.uint8
    assert (degraded != image).any()
    assert np.array_equal(image, picture())


@pytest.mark.parametrize("kind", DEGRADE)
def test_the_same_generator_spoils_alike(kind: Kind) -> None:
    assert np.array_equal(
        DEGRADE[kind](picture(), rng(4), 0.7), DEGRADE[kind](picture(), rng(4), 0.7)
    )


@pytest.mark.parametrize("kind", ["motion_blur", "defocus", "noisy", "low_resolution", "dark"])
def test_more_severe_means_further_from_the_picture(kind: Kind) -> None:
    error = [
        np.abs(DEGRADE[kind](picture(), rng(1), s).astype(float) - picture()).mean()
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
    small, large = (defocus(one, rng(), 1.0) for one in (image, taller))
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


@pytest.mark.parametrize("kind", SPOILING)
def test_only_the_current_frame_changes_when_asked(kind: Kind) -> None:
    before = clip()
    after, told = degrade_current(before, CURRENT, rng(), (kind,))
    assert told == kind
    assert np.array_equal(before, clip())
    assert (after[CURRENT] != before[CURRENT]).mean() > 0.05
    others = [t for t in range(T) if t != CURRENT]
    assert np.array_equal(after[others], before[others])


def test_clean_changes_nothing() -> None:
    after, kind = degrade_current(clip(), CURRENT, rng(), ("clean",))
    assert kind == "clean"
    assert np.array_equal(after, clip())


def test_all_kinds_are_drawn() -> None:
    small = clip()[:, :32, :32]
    assert {degrade_current(small, CURRENT, rng(s), KINDS)[1] for s in range(120)} == set(KINDS)


def test_the_other_frames_are_spoilt_mildly_with_their_probability() -> None:
    before = clip()
    changed = np.zeros(T)
    for seed in range(60):
        after, _ = degrade_current(before, CURRENT, rng(seed), ("clean",), auxiliary=0.25)
        changed += (after != before).reshape(T, -1).any(1)
    assert changed[CURRENT] == 0
    assert 0.1 < changed[[0, 1, 3, 4]].mean() / 60 < 0.4


@pytest.mark.parametrize("seed", range(12))
def test_an_occluder_hides_a_given_joint_and_part_of_the_person(seed: int) -> None:
    before = np.full((T, 256, 192, 3), 128, np.uint8)
    points = np.array([[60.0, 90.0]])
    after, _ = degrade_current(before, CURRENT, rng(seed), ("occluded",), points=points)
    hidden = (after[CURRENT] != before[CURRENT]).any(-1)
    assert hidden[80:101, 50:71].mean() > 0.5
    person = 256 * 192 / 1.25**2
    assert 0.05 < hidden.sum() / person < 0.45


def test_an_occluder_may_go_on_through_all_frames_and_moves() -> None:
    before = np.full((T, H, W, 3), 128, np.uint8)
    points = np.array([[W / 2, H / 2]])
    moved = 0
    for seed in range(8):
        after, _ = degrade_current(
            before, CURRENT, rng(seed), ("occluded",), points=points, auxiliary=1.0
        )
        masks = np.abs(after.astype(int) - 128).max(-1) > 60
        moved += bool((masks[0] != masks[CURRENT]).any() and masks[1].any() and masks[3].any())
    assert moved >= 4


def test_an_occluder_can_be_cut_from_another_image() -> None:
    green = np.zeros((40, 50, 3), np.uint8)
    green[..., 1] = 250
    before = np.zeros((T, H, W, 3), np.uint8)
    cut = 0
    for seed in range(10):
        after, _ = degrade_current(before, CURRENT, rng(seed), ("occluded",), others=[green])
        colours = np.unique(after[CURRENT].reshape(-1, 3), axis=0).tolist()
        cut += [0, 250, 0] in colours
    assert 4 <= cut < 10


def test_joints_outside_the_crop_draw_no_occluder_out() -> None:
    points = np.array([[-500.0, 20.0], [50.0, 900.0]])
    after, _ = degrade_current(clip(), CURRENT, rng(), ("occluded",), points=points)
    assert (after[CURRENT] != clip()[CURRENT]).any()


def quiet(**shares: float) -> DegradeConfig:
    return DegradeConfig(current=0, auxiliary=0, **shares)


OTHERS = [t for t in range(T) if t != CURRENT]


@pytest.mark.parametrize("switch", ["blurred", "defocused", "dropped"])
def test_each_other_frame_is_spoilt_with_its_own_probability(switch: str) -> None:
    before, changed, all_lost = clip(), np.zeros(T), np.zeros(T)
    for seed in range(100):
        after, lost = degrade_others(before, CURRENT, rng(seed), quiet(**{switch: 0.3}))
        changed += (after != before).reshape(T, -1).any(1)
        all_lost += lost
    assert np.array_equal(before, clip())
    assert changed[CURRENT] == all_lost[CURRENT] == 0
    assert (np.abs(changed[OTHERS] / 100 - 0.3) < 0.15).all()
    assert np.array_equal(all_lost, changed * (switch == "dropped"))


@pytest.mark.parametrize("switch", ["blurred", "defocused"])
def test_blurred_frames_are_smoother_and_as_light(switch: str) -> None:
    after, _ = degrade_others(clip(), CURRENT, rng(), quiet(**{switch: 1.0}))
    for t in OTHERS:
        edges = [cv2.Laplacian(one, cv2.CV_64F).std() for one in (after[t], clip()[t])]
        assert edges[0] < 0.6 * edges[1]
        assert after[t].mean() == pytest.approx(clip()[t].mean(), abs=5)


def test_lost_frames_show_nothing_or_the_last_frame_again() -> None:
    before, kinds = clip(), set()
    for seed in range(30):
        after, lost = degrade_others(before, CURRENT, rng(seed), quiet(dropped=1.0))
        assert lost.tolist() == [t != CURRENT for t in range(T)]
        for t in OTHERS:
            flat = bool((after[t] == after[t, 0, 0, 0]).all())
            assert flat or np.array_equal(after[t], after[t - 1])
            kinds |= {(t, flat)}
    repeats = {(3, False), (4, False)}  # a repeated frame that was empty is empty
    assert kinds == {(t, True) for t in OTHERS} | repeats


def test_a_single_frame_and_a_quiet_configuration_lose_nothing() -> None:
    for frames, current, config in ((clip()[:1], 0, quiet(dropped=1.0)), (clip(), 2, quiet())):
        after, lost = degrade_others(frames, current, rng(), config)
        assert np.array_equal(after, frames)
        assert not lost.any()
    assert not quiet().touches_others
    assert quiet(blurred=0.1).touches_others


def test_a_poor_camera_spoils_all_frames_alike_and_each_anew() -> None:
    still, anew = np.repeat(picture()[None], T, 0), 0
    for seed in range(12):
        after = degrade_everywhere(still, rng(seed)).astype(int)
        changed = np.abs(after - still).mean((1, 2, 3))
        assert 0 < changed.max() < 1.3 * changed.min()
        anew += bool((after[1] != after[0]).any())
    assert anew >= 3  # noise; compression alone does the same to the same frame


@pytest.mark.parametrize("seed", range(6))
def test_an_occluder_crosses_all_frames_at_a_steady_pace(seed: int) -> None:
    before = np.full((T, 400, 400, 3), 128, np.uint8)
    point = np.array([[200.0, 200.0]])
    after = occlude_window(before, CURRENT, rng(seed), points=point)
    assert (before == 128).all()
    masks = (after != before).any(-1)
    assert masks[CURRENT, 190:210, 190:210].mean() > 0.5
    middles = [np.argwhere(mask).mean(0) for mask in masks[1:4] if mask.any()]
    assert len(middles) == 3
    inside = [not (mask[0].any() or mask[-1].any() or mask[:, [0, -1]].any()) for mask in masks]
    if all(inside[1:4]):
        assert np.abs(middles[2] - 2 * middles[1] + middles[0]).max() < 2


@pytest.mark.parametrize(
    "wrong",
    [{"kinds": ()}, {"kinds": ("rainy",)}, {"current": 2}, {"dropped": -1}, {"occluder": 2}],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DegradeConfig.model_validate(wrong)
