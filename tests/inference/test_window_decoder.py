"""Windows in each temporal mode: what is asked of the engine, and what is made of its answers."""

from collections.abc import Sequence

import numpy as np
import pytest

from tarvitpose import heatmaps as codec
from tarvitpose.config import ModelConfig, TemporalMode
from tarvitpose.geometry import centre_and_size, crop_matrices, transform_points
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.window_decoder import ReadCrop, WindowDecoder, Windows
from tarvitpose.utils.arrays import Float32, UInt8

SIZE = (64, 48)  # height, width of crops
CONFIG = ModelConfig(width=24, depth=1, heads=3, input_size=SIZE, position_grid=(4, 3))
BOX = np.array([100, 100, 140, 160], np.float32)
TIMES = (-1.0, 0.0, 1.0)
CURRENT = 1


class DotEngine:
    """Sees all joints of a crop where its first pixel says, and notes what it is asked for.

    Its temporal part sees the same, twice as bright.
    """

    config, precision = CONFIG, "fp32"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fingerprint(self) -> str:
        return "dot"

    def single_frame(self, crops: UInt8) -> Float32:
        self.asked.append("single_frame")
        return np.stack([heatmaps(crop[0, 0, :2].astype(np.float32)) for crop in crops])

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        maps = self.single_frame(crops)
        self.asked[-1] = "encode"
        return [EncodedCrop(tokens=each, visible=None) for each in maps]

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        self.asked.append("decode")
        return np.stack([crop.tokens for crop in crops])

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        self.asked.append("decode_window")
        return np.stack([2 * window[current].tokens for window in windows])


def heatmaps(point: Float32) -> Float32:
    """Return heatmaps (J, h, w) with all joints at a point of the crop."""
    points = np.tile(point, (len(CONFIG.joints), 1))
    return codec.encode(points, np.ones(len(points)), SIZE, CONFIG.codec)[0]


def crop_with(point: tuple[int, int]) -> UInt8:
    crop = np.zeros((*SIZE, 3), np.uint8)
    crop[0, 0, :2] = point
    return crop


def answered(
    mode: TemporalMode, points: list[tuple[int, int]], boxes: list[Float32] | None = None
) -> tuple[Float32, Float32, list[str]]:
    """Return the heatmaps of one window with and without others, and what the engine was asked."""
    engine = DotEngine()
    decoder = WindowDecoder(engine, mode, CURRENT)
    crops = decoder.encode(np.stack([crop_with(point) for point in points]))
    window = Windows([crops], np.array([boxes or [BOX] * 3]), np.array([TIMES]))
    return decoder.heatmaps(window)[0], decoder.alone(window)[0], engine.asked


def peak(maps: Float32) -> list[float]:
    points: list[float] = codec.decode(maps[None], SIZE, CONFIG.codec)[0][0, 0].tolist()
    return points


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("pooled", ["single_frame"]),  # never encodes for a temporal part that nobody reads
        ("tar", ["encode", "decode_window", "decode"]),  # decodes only what is shown alone
        ("fused", ["encode", "decode", "decode_window"]),
    ],
)
def test_a_mode_asks_the_engine_for_what_it_needs(mode: TemporalMode, expected: list[str]) -> None:
    assert answered(mode, [(20, 30)] * 3)[2] == expected


@pytest.mark.parametrize("mode", ["pooled", "tar", "fused"])
def test_alone_the_current_crop_is_the_same_in_every_mode(mode: TemporalMode) -> None:
    alone = answered(mode, [(10, 40), (20, 30), (40, 10)])[1]
    np.testing.assert_array_equal(alone, heatmaps(np.array([20, 30], np.float32)))


def test_whoever_stands_still_is_where_every_frame_says() -> None:
    single = heatmaps(np.array([20, 30], np.float32))
    pooled, _, _ = answered("pooled", [(20, 30)] * 3)
    np.testing.assert_allclose(pooled, single, atol=1e-5)
    fused, _, _ = answered("fused", [(20, 30)] * 3)  # the root of single times twice single
    np.testing.assert_allclose(fused, np.sqrt(2) * single, atol=1e-4)


def test_whoever_walks_is_pooled_where_they_are_now() -> None:
    pooled, _, _ = answered("pooled", [(14, 30), (20, 30), (26, 30)])
    assert peak(pooled) == pytest.approx([20, 30], abs=0.3)


def test_crops_of_other_boxes_are_seen_from_the_current_one() -> None:
    moved = BOX + np.array([6, 0, 6, 0], np.float32)  # so the same place lies further left in it
    at = np.array([[[120, 130]]], np.float32)  # of the frame
    points = [
        transform_points(crop_matrices(*centre_and_size(box, SIZE), SIZE, CONFIG.codec), at)[0, 0]
        for box in (moved, BOX, moved)
    ]
    assert points[0][0] < points[1][0] - 3
    whole = [(round(float(x)), round(float(y))) for x, y in points]
    pooled, _, _ = answered("pooled", whole, [moved, BOX, moved])
    assert peak(pooled) == pytest.approx(whole[1], abs=0.7)
    as_if_equal, _, _ = answered("pooled", whole)
    assert abs(peak(as_if_equal)[0] - whole[1][0]) > abs(peak(pooled)[0] - whole[1][0])


@pytest.mark.parametrize("mode", ["pooled", "tar"])
def test_a_crop_that_was_read_for_another_mode_is_refused(mode: TemporalMode) -> None:
    window = Windows([[ReadCrop()] * 3], np.array([[BOX] * 3]), np.array([TIMES]))
    with pytest.raises(ValueError, match="another temporal mode"):
        WindowDecoder(DotEngine(), mode, CURRENT).heatmaps(window)
