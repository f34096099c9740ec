"""Labelled videos as a test that needs time: clean, degraded, and with boxes that are off.

Every estimator sees the same crops and, but for the temporal part, the same decoded heatmaps.
Everything follows from the data and a seed.
Axes: N people, T frames, J joints of PoseTrack, H W the pixels of a crop.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from zlib import crc32

import numpy as np

from tarvitpose import heatmaps as codec
from tarvitpose.data.degrade import DEGRADE, STRONG
from tarvitpose.errors import DataError
from tarvitpose.evaluation.baselines import mean_heatmaps, mean_tokens
from tarvitpose.evaluation.comparison import (
    FUSED,
    MEAN_HEATMAPS,
    MEAN_NEIGHBOURS,
    MEAN_TOKENS,
    POOLED_HEATMAPS,
    SINGLE_FRAME,
    TEMPORAL,
)
from tarvitpose.evaluation.datasets import LabelledFrame, LabelledVideo
from tarvitpose.evaluation.predictions import Images
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.pooling import pool_windows, read_peaks
from tarvitpose.inference.predictor import Predictor, image_times, slices
from tarvitpose.metrics.posetrack_ap import JOINTS
from tarvitpose.utils.arrays import Bools, Float32, Generator, UInt8

CLEAN, CURRENT, SHIFTED = "clean", "current frame", "shifted boxes"
SINCE = tuple(f"{count} since clean" for count in (1, 2, 3))
CONDITIONS = (CLEAN, CURRENT, *SINCE, SHIFTED)
BURST = 3  # frames that are degraded together
SHIFT, GROWTH = 0.1, 0.15  # the most that a box is moved, in its sides, and grows or shrinks
Joints = dict[str, dict[str, Float32]]  # by condition and estimator, (N, J, 2) in frame pixels


def degraded_frames(condition: str, offsets: Sequence[int]) -> Bools:
    """Return which frames of a window are degraded, (T,).

    "K since clean" is the Kth frame of a burst of three: the K - 1 before it are degraded too.

    >>> degraded_frames("2 since clean", (-2, -1, 0, 1, 2)).tolist()
    [False, True, True, True, False]
    """
    at = np.array(offsets)
    if condition == CURRENT:
        return np.asarray(at == 0)
    if condition not in SINCE:
        return np.zeros(len(at), np.bool_)
    before = SINCE.index(condition)
    return np.asarray((at >= -before) & (at < BURST - before))


def estimate(
    predictor: Predictor,
    videos: Sequence[LabelledVideo],
    *,
    seed: int = 0,
    on_people: Callable[[int], None] | None = None,
) -> Joints:
    """Return the joints of all labelled people by each estimator under each condition.

    `on_people` is called with how many people were just finished. Raises DataError.
    """
    parts: list[Joints] = []
    for video in videos:
        images = Images(video.name)
        for frame in video.frames:
            if not len(frame.people.boxes):
                continue
            parts.append(_estimated(predictor, video, frame, images, seed))
            if on_people is not None:
                on_people(len(frame.people.boxes))
    if not parts:
        raise DataError(f"{videos[0].source}: has no labelled people")
    return {
        condition: {
            name: np.concatenate([part[condition][name] for part in parts])
            for name in parts[0][condition]
        }
        for condition in CONDITIONS
    }


def _estimated(
    predictor: Predictor, video: LabelledVideo, frame: LabelledFrame, source: Images, seed: int
) -> Joints:
    """Return the joints of the N people of one frame."""
    paths, _ = frame.window(predictor.offsets, source.exists)
    images = [source.read(path) for path in paths]
    boxes = frame.people.boxes
    generators = [
        np.random.default_rng([seed, crc32(f"{video.name}/{frame.name}".encode()), at])
        for at in range(len(boxes))
    ]
    moved = np.stack([shifted(box, rng) for box, rng in zip(boxes, generators, strict=True)])
    crops = _window_crops(predictor, images, boxes)
    degraded = np.stack([degrade(c, rng) for c, rng in zip(crops, generators, strict=True)])
    sets = [crops, degraded, _window_crops(predictor, images, moved)]
    clean, degraded_windows, off = (_encoded(predictor, each) for each in sets)
    joints: Joints = {}
    times = image_times(images, predictor.offsets)
    for condition in CONDITIONS:
        is_degraded = degraded_frames(condition, predictor.offsets)
        windows = off if condition == SHIFTED else _mixed(clean, degraded_windows, is_degraded)
        cut_by = moved if condition == SHIFTED else boxes
        joints[condition] = {
            name: _in_posetrack_order(predictor, heatmaps, cut_by)
            for name, heatmaps in _answers(predictor, windows, times)
        }
    return joints


def shifted(box: Float32, rng: Generator) -> Float32:
    """Return a box (4,) xyxy that is moved and scaled at random, as a detector's may be."""
    centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    centre = centre + size * rng.uniform(-SHIFT, SHIFT, 2)
    size = size * np.exp(rng.uniform(-1, 1) * np.log(1 + GROWTH))
    return np.concatenate([centre - size / 2, centre + size / 2]).astype(np.float32)


def degrade(window: UInt8, rng: Generator) -> UInt8:
    """Return the crops of a window (T, H, W, 3), all degraded strongly in one way."""
    degradation = list(DEGRADE)[rng.integers(len(DEGRADE))]
    severity = rng.uniform(*STRONG)
    return np.stack([DEGRADE[degradation](crop, rng, severity) for crop in window])


Window = tuple[list[EncodedCrop], Float32]  # T encoded crops, and their heatmaps (T, J, h, w)


def _window_crops(predictor: Predictor, images: Sequence[UInt8], boxes: Float32) -> UInt8:
    """Return the crops (N, T, H, W, 3) of N people in T images."""
    crops = predictor.crops([*images] * len(boxes), boxes.repeat(len(images), 0))
    return crops.reshape(len(boxes), len(images), *crops.shape[1:])


def _encoded(predictor: Predictor, crops: UInt8) -> list[Window]:
    flat = crops.reshape(-1, *crops.shape[2:])  # (N T, H, W, 3)
    encoded: list[EncodedCrop] = []
    heatmaps: list[Float32] = []
    for part in slices(len(flat), predictor.batch_size):
        batch = predictor.engine.encode(flat[part])
        encoded += batch
        heatmaps += [*predictor.engine.decode(batch)]
    return [(encoded[part], np.stack(heatmaps[part])) for part in slices(len(flat), crops.shape[1])]


def _mixed(clean: list[Window], degraded: list[Window], chosen: Bools) -> list[Window]:
    """Return windows with the degraded version of the chosen frames, (T,)."""
    mixed = []
    for (crops, maps), (others, other_maps) in zip(clean, degraded, strict=True):
        pairs = zip(crops, others, chosen, strict=True)
        frames = [other if is_chosen else crop for crop, other, is_chosen in pairs]
        mixed.append((frames, np.where(chosen[:, None, None, None], other_maps, maps)))
    return mixed


def _answers(
    predictor: Predictor, windows: list[Window], times: Sequence[float]
) -> Iterator[tuple[str, Float32]]:
    """Yield the name and the heatmaps (N, J, h, w) of each estimator; `times` are T frames'."""
    engine, current = predictor.engine, predictor.current
    frames = np.stack([maps for _, maps in windows])  # (N, T, J, h, w)
    yield SINGLE_FRAME, frames[:, current]
    for mean in (MEAN_HEATMAPS, MEAN_NEIGHBOURS):
        yield mean, mean_heatmaps(mean, frames, current)
    yield MEAN_TOKENS, engine.decode([mean_tokens(crops) for crops, _ in windows])
    read = [read_peaks(maps, engine.config) for maps in frames]
    every_time = np.tile(np.array(times, np.float64), (len(windows), 1))
    yield POOLED_HEATMAPS, pool_windows(read, every_time, engine.config)
    temporal = engine.decode_window([crops for crops, _ in windows], current)
    yield TEMPORAL, temporal
    yield FUSED, pool_windows(read, every_time, engine.config, temporal)


def _in_posetrack_order(predictor: Predictor, heatmaps: Float32, boxes: Float32) -> Float32:
    """Return joints (N, J, 2) in frame pixels, NaN for those that the model does not know."""
    config = predictor.config
    points, _ = codec.decode(heatmaps, config.input_size, config.codec)
    known: Mapping[str, Float32] = dict(
        zip(config.joints.joints, predictor.to_frame(points, boxes).swapaxes(0, 1), strict=True)
    )
    unknown = np.full((len(boxes), 2), np.nan, np.float32)
    return np.stack([known.get(name, unknown) for name in JOINTS], 1)
