"""Both codecs: encoding and decoding, compared with DARK, and mirrored."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tarvitpose.config import Codec
from tarvitpose.heatmaps import decode, decode_peaks, encode, flip_back, heatmap_size
from tarvitpose.skeleton import POSETRACK_15

SIZES = [(256, 192), (384, 288)]
CODECS: list[Codec] = ["udp", "classic"]
NOISE = 0.02


def random_points(count: int, size: tuple[int, int], margin: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(0)
    high = (size[1] - 1 - margin, size[0] - 1 - margin)
    return random.uniform((margin, margin), high, (count, 2)).astype(np.float32)


def random_maps(people: int = 3, joints: int = 15, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((people, joints, 64, 48), np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_udp_there_and_back(size: tuple[int, int]) -> None:
    points = random_points(3000, size)
    targets, weights = encode(points, np.ones(3000), size, "udp")
    decoded, scores = decode(targets[None], size, "udp")
    assert weights.all()
    assert np.abs(decoded[0] - points).max() < 0.01
    assert scores.min() > 0.8


def test_udp_there_and_back_along_the_border_and_over_it() -> None:
    height, width = SIZES[0]
    along = np.linspace(0, width - 1, 500)
    points = np.concatenate(
        [
            np.stack([along, np.full(500, y)], -1)
            for y in (-1.9, 0, 3, height - 4, height - 1, height + 0.9)
        ]
    ).astype(np.float32)
    targets, weights = encode(points, np.ones(len(points)), SIZES[0], "udp")
    decoded, _ = decode(targets[None], SIZES[0], "udp")
    assert weights.all()
    assert np.abs(decoded[0] - points).max() < 0.01


def test_corners() -> None:
    height, width = SIZES[0]
    points = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    targets, _ = encode(points, np.ones(4), SIZES[0], "udp")
    assert [targets[i].argmax() for i in range(4)] == [0, 47, 63 * 48, 64 * 48 - 1]
    np.testing.assert_allclose(decode(targets[None], SIZES[0], "udp")[0][0], points, atol=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_noise_hurts_little_more_near_the_border(size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    inner = random_points(400, size, margin=60)
    near = random.uniform((8, 8), (size[1] - 9, 20), (400, 2)).astype(np.float32)
    errors = []
    for points in (inner, near):
        targets, _ = encode(points, np.ones(400), size, "udp")
        noisy = targets + random.normal(0, NOISE, targets.shape).astype(np.float32)
        decoded, _ = decode(noisy[None], size, "udp")
        errors.append(np.median(np.abs(decoded[0] - points)))
    assert errors[1] < 2 * errors[0]


def dark(heatmap: np.ndarray) -> np.ndarray:
    """Return x, y of the peak by DARK: smooth, take logs, and one Newton step from the peak."""
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    smooth = gaussian_filter(heatmap.astype(np.float64), sigma=2, radius=5)
    logs = np.log(np.maximum(smooth, 1e-10))
    down, across = np.gradient(logs)
    slope = np.array([across[y, x], down[y, x]])
    xx = logs[y, x + 1] - 2 * logs[y, x] + logs[y, x - 1]
    yy = logs[y + 1, x] - 2 * logs[y, x] + logs[y - 1, x]
    xy = (logs[y + 1, x + 1] - logs[y + 1, x - 1] - logs[y - 1, x + 1] + logs[y - 1, x - 1]) / 4
    return np.array([x, y]) - np.linalg.solve([[xx, xy], [xy, yy]], slope)


@pytest.mark.parametrize("size", SIZES)
def test_udp_decodes_as_dark_does(size: tuple[int, int]) -> None:
    height, width = heatmap_size(size)
    points = random_points(40, size, margin=36)
    targets, _ = encode(points, np.ones(40), size, "udp")
    noise = np.random.default_rng(2).normal(0, NOISE, targets.shape)
    maps = (targets + noise).astype(np.float32)
    decoded, _ = decode(maps[None], size, "udp")
    to_crop = np.array([(size[1] - 1) / (width - 1), (size[0] - 1) / (height - 1)])
    expected = np.array([dark(heatmap) for heatmap in maps]) * to_crop
    np.testing.assert_allclose(decoded[0], expected, atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_classic_there_and_back(size: tuple[int, int]) -> None:
    points = random_points(2000, size, margin=4)
    targets, _ = encode(points, np.ones(2000), size, "classic")
    decoded, _ = decode(targets[None], size, "classic")
    worst = (0.5 + 0.25) * 4  # rounded to a heatmap pixel, then a quarter of one
    assert np.abs(decoded[0] - points).max() <= worst + 1e-3


def test_classic_moves_a_quarter_towards_the_higher_neighbour() -> None:
    maps = np.zeros((1, 3, 64, 48), np.float32)
    maps[0, :, 20, 10] = 1
    maps[0, 0, 20, 11] = maps[0, 0, 19, 10] = 0.5
    maps[0, 1, 20, 9] = 0.5
    maps[0, 2, 20, 10], maps[0, 2, 0, 10] = 0.5, 0.9  # at the border nothing moves
    maps[0, 2, 0, 11] = 0.5
    decoded, _ = decode(maps, SIZES[0], "classic")
    assert decoded[0].tolist() == [[41, 79], [39, 80], [40, 0]]


def test_the_classic_target_sits_on_a_whole_pixel() -> None:
    targets, _ = encode([[41.9, 80]], [1], SIZES[0], "classic")
    assert targets[0, 20, 10] == 1
    targets, _ = encode([[42.1, 80]], [1], SIZES[0], "classic")
    assert targets[0, 20, 11] == 1


@pytest.mark.parametrize(("size", "sigma"), [(SIZES[0], 2), (SIZES[1], 3)])
def test_the_targets_sigma(size: tuple[int, int], sigma: float) -> None:
    targets, _ = encode([[80, 80]], [1], size, "classic")
    assert targets[0, 20, 20 + sigma] == pytest.approx(np.exp(-0.5))
    assert targets[0, 20 - sigma, 20] == pytest.approx(np.exp(-0.5))


@pytest.mark.parametrize("codec", CODECS)
def test_joints_unseen_or_outside_have_no_weight(codec: Codec) -> None:
    points = [[50, 60], [50, 60], [-3, 60], [50, 259], [193.9, 60], [np.nan, 60], [0, 0], [1e9, 3]]
    targets, weights = encode(points, [1, 0, 2, 1, 1, 1, 2, 1], SIZES[0], codec)
    assert weights.tolist() == [1, 0, 0, 0, 0, 0, 1, 0]
    assert targets.shape == (8, 64, 48)
    assert targets.dtype == weights.dtype == np.float32
    assert (targets.max((1, 2)) > 0.8).tolist() == [True, *[False] * 5, True, False]
    assert not targets[weights == 0].any()


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_equals_its_items(codec: Codec) -> None:
    maps = random_maps()
    points, scores = decode(maps, SIZES[0], codec)
    for i in range(len(maps)):
        one_points, one_scores = decode(maps[i : i + 1], SIZES[0], codec)
        np.testing.assert_allclose(points[i : i + 1], one_points, rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(scores[i : i + 1], one_scores)


@pytest.mark.parametrize("codec", CODECS)
def test_nobody(codec: Codec) -> None:
    points, scores = decode(np.zeros((0, 15, 64, 48), np.float32), SIZES[0], codec)
    assert points.shape == (0, 15, 2)
    assert scores.shape == (0, 15)
    assert flip_back(np.zeros((0, 15, 64, 48)), POSETRACK_15.flip_order, codec).shape[0] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_scores_are_the_maxima_between_0_and_1(codec: Codec) -> None:
    maps = random_maps()
    maps[0, 0], maps[0, 1] = -1, 1.5
    _, scores = decode(maps, SIZES[0], codec)
    np.testing.assert_array_equal(scores, maps.max((2, 3)).clip(0, 1))
    assert scores.dtype == np.float32


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("value", [0.0, -1.0, 1.0])
def test_a_flat_heatmap_gives_a_finite_point(codec: Codec, value: float) -> None:
    points, _ = decode(np.full((1, 1, 64, 48), value, np.float32), SIZES[0], codec)
    assert np.isfinite(points).all()


def test_a_decoded_point_stays_within_a_pixel_of_the_peak() -> None:
    maps = random_maps()
    points, _ = decode(maps, SIZES[0], "udp")
    best = maps.reshape(3, 15, -1).argmax(-1)
    peaks = np.stack([best % 48 * 191 / 47, best // 48 * 255 / 63], -1)
    assert (np.abs(points - peaks) <= np.array([191 / 47, 255 / 63]) + 1e-3).all()


def test_flipping_twice_is_the_identity() -> None:
    maps, order = random_maps(), POSETRACK_15.flip_order
    np.testing.assert_array_equal(flip_back(flip_back(maps, order, "udp"), order, "udp"), maps)


def test_the_classic_flip_lies_three_quarters_of_a_pixel_off() -> None:
    maps, order = random_maps(), POSETRACK_15.flip_order
    udp, classic = flip_back(maps, order, "udp"), flip_back(maps, order, "classic")
    expected = 0.75 * udp[..., :-1] + 0.25 * udp[..., 1:]
    np.testing.assert_allclose(classic[..., 1:], expected, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_heatmaps_of_the_mirror_image_come_back(size: tuple[int, int]) -> None:
    points = random_points(15, size)
    order = list(POSETRACK_15.flip_order)
    mirrored = points[order] * [-1, 1] + [size[1] - 1, 0]
    targets, _ = encode(points, np.ones(15), size, "udp")
    of_mirror, _ = encode(mirrored, np.ones(15), size, "udp")
    restored = flip_back(of_mirror[None], POSETRACK_15.flip_order, "udp")
    np.testing.assert_allclose(restored[0], targets, atol=1e-4)


@pytest.mark.parametrize("codec", ["udp", "classic"])
def test_the_highest_peak_is_what_decode_gives(codec: Codec) -> None:
    maps = np.random.default_rng(0).random((3, 4, 64, 48), np.float32)
    points, scores = decode(maps, SIZES[0], codec)
    peaks, values = decode_peaks(maps, SIZES[0], codec, 3)
    assert np.array_equal(peaks[:, :, 0], points)
    assert np.array_equal(values[:, :, 0], scores)
    assert (np.diff(values, axis=-1) <= 0).all()


def test_both_peaks_of_two_gaussians_and_no_third() -> None:
    points = np.float32([[40, 60], [140, 200]])
    targets, _ = encode(points, np.ones(2), SIZES[0], "udp")
    both = (targets[0] + 0.6 * targets[1])[None, None]
    peaks, values = decode_peaks(both, SIZES[0], "udp", 3)
    np.testing.assert_allclose(peaks[0, 0], [points[0], points[1], points[0]], atol=0.05)
    np.testing.assert_allclose(values[0, 0], [1, 0.6, 0], atol=0.06)


def test_an_empty_heatmap_has_no_peaks() -> None:
    peaks, values = decode_peaks(np.zeros((1, 1, 64, 48), np.float32), SIZES[0], "udp", 3)
    assert np.isfinite(peaks).all()
    assert (values == 0).all()
