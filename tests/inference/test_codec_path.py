"""From a frame to its crop, to heatmaps, to joints in the frame: both codecs with an ideal network.

It sees a bright spot in the crop and draws its heatmap where the codec that it was trained with
puts it. Numbers of the frame are computed here by hand, not by the package's geometry.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_checkpoints import released
from tiny_models import tiny_config, tiny_model

from tarvitpose.config import ModelConfig
from tarvitpose.geometry import Codec
from tarvitpose.heatmaps import flip_back
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.predictor import Predictor
from tarvitpose.weights.convert import convert

HEIGHT, WIDTH = 384, 288  # of a crop
BOX = np.float32([[120, 60, 320, 460]])  # 200 x 400; grown to 300 x 400, then to 375 x 500
CENTRE, AREA = np.array([220.0, 260.0]), np.array([375.0, 500.0])
# Where the decoder's quarter of a pixel is exact: 4 (k + 1/4) and 4 (k - 1/4) pixels of the crop.
IN_CROP = np.array([[145, 193], [83, 301], [201, 95], [37, 41], [243, 351]], np.float64)


class Ideal:
    """An engine whose network makes no mistakes."""

    precision = "fp32"

    def __init__(self, config: ModelConfig, trained: Codec) -> None:
        self.config, self.trained = config, trained

    def fingerprint(self) -> str:
        return "ideal"

    def encode(self, crops: np.ndarray) -> list[EncodedCrop]:
        return [EncodedCrop(crop, None) for crop in crops]

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> np.ndarray:
        return self.single_frame(np.stack([window[current].tokens for window in windows]))

    def decode(self, crops: Sequence[EncodedCrop]) -> np.ndarray:
        return self.single_frame(np.stack([crop.tokens for crop in crops]))

    def single_frame(self, crops: np.ndarray) -> np.ndarray:
        maps = [heatmap(spot_in(crop), self.trained) for crop in crops]
        return np.stack([np.stack([single] * len(self.config.joints)) for single in maps])


def spot_in(crop: np.ndarray) -> np.ndarray:
    """Return the middle (2,) of what is bright in a crop, in its pixels."""
    light = crop[..., 0].astype(np.float64)
    rows, columns = np.indices(light.shape)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


def heatmap(spot: np.ndarray, codec: Codec) -> np.ndarray:
    """Return the heatmap (96, 72) of a place (2,) in the crop's pixels, sigma 3."""
    size = np.array([WIDTH // 4, HEIGHT // 4])
    centre = spot / 4 if codec == "classic" else spot * (size - 1) / [WIDTH - 1, HEIGHT - 1]
    squares = (np.arange(size[0]) - centre[0]) ** 2 + (np.arange(size[1])[:, None] - centre[1]) ** 2
    return np.exp(-squares / 18).astype(np.float32)


def frame_with_spot(spot: np.ndarray) -> np.ndarray:
    """Return a frame of 440 x 540 with a soft bright spot at x, y."""
    rows, columns = np.indices((540, 440))
    light = np.exp(-((columns - spot[0]) ** 2 + (rows - spot[1]) ** 2) / 32)
    return np.repeat(np.rint(255 * light).astype(np.uint8)[..., None], 3, axis=2)


def in_frame(codec: Codec) -> np.ndarray:
    """Return IN_CROP in pixels of the frame: HRNet's crop from edge to edge, or UDP's."""
    span = np.array([WIDTH, HEIGHT]) - (codec == "udp")
    return (IN_CROP - span / 2) * AREA / span + CENTRE


def released_config(folder: Path) -> ModelConfig:
    """Return the config of a converted checkpoint of the released TAR-ViTPose."""
    model = tiny_model(joint_set="posetrack17", offsets=(-2, -1, 1, 2), decoder_width=256)
    path = folder / "best.pt"
    torch.save({"model_state_dict": released(model.state_dict())}, path)
    config = convert(path, folder / "ours", heads=3, input_size=(64, 112))
    return config.model_copy(update={"input_size": (HEIGHT, WIDTH)})


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("trained", ["classic", "udp"])
def test_joints_come_back_where_an_ideal_network_saw_them(
    trained: Codec, flip_test: bool, tmp_path: Path
) -> None:
    """The released weights were trained with the classic codec (MMPose's), ViTPose's with UDP."""
    if trained == "classic":
        config = released_config(tmp_path)
    else:
        config = tiny_config(input_size=(HEIGHT, WIDTH), offsets=(-2, -1, 1, 2))
    truth = in_frame(trained)
    predictor = Predictor(Ideal(config, trained), flip_test=flip_test)
    windows = [[frame_with_spot(spot)] * 5 for spot in truth]
    points = [poses.keypoints[0, 0] for poses in predictor.joints(windows, [BOX] * len(truth))]
    np.testing.assert_allclose(points, truth, atol=0.1)


@pytest.mark.parametrize("codec", ["classic", "udp"])
def test_the_mirror_images_heatmap_comes_back_to_its_place(codec: Codec) -> None:
    order = tiny_config().joints.flip_order
    mirrored = IN_CROP * [-1, 1] + [WIDTH - 1, 0]
    for spot, other in zip(IN_CROP, mirrored, strict=True):
        maps = np.stack([heatmap(other, codec)] * len(order))[None]
        restored = flip_back(maps, order, codec)[0, 0].astype(np.float64)
        middle = spot_in(restored[..., None])
        expected = spot_in(heatmap(spot, codec)[..., None])
        np.testing.assert_allclose(4 * middle, 4 * expected, atol=0.1)
