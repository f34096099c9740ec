"""Steadier joints over time: One-Euro for live use, Savitzky-Golay for files."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import TypeVar

from tarvitpose.config import SmoothConfig, SmoothMethod
from tarvitpose.results import FramePoses
from tarvitpose.smoothing.one_euro import OneEuro
from tarvitpose.smoothing.savgol import SavitzkyGolay
from tarvitpose.utils.config_files import parse_config

__all__ = ["OneEuro", "SavitzkyGolay", "smooth", "smoothed"]

Item = TypeVar("Item")
Paired = Generator[tuple[Item, FramePoses]]


def smooth(
    poses: Iterable[FramePoses], method: SmoothMethod, **options: float
) -> Iterator[FramePoses]:
    """Yield poses with smoothed `keypoints`, what they were in `raw_keypoints`, all else as it is.

    "one-euro" looks back only and answers each frame at once: `min_cutoff` (Hz) is how fast a
    joint at rest may change, `beta` (Hz) how much faster for each body length that it moves in a
    second. "savgol" fits parabolas to the `window` (seconds) around each frame, and answers about
    a window late. "none" changes nothing. What is smoothed already starts again from its raw
    keypoints. Raises ConfigError for another method, and for an option that the method has not;
    DataError for frames read from files without times, tracks or boxes.
    """
    values = {"smooth": method, **{f"smooth_{name}": value for name, value in options.items()}}
    config = parse_config(SmoothConfig, values, "smooth")
    return (smooth for _, smooth in smoothed(((None, frame) for frame in poses), config))


def smoothed(pairs: Paired[Item], config: SmoothConfig) -> Paired[Item]:
    """Yield the pairs of an item, such as a frame, and its poses, with the poses smoothed."""
    if config.smooth == "one-euro":
        return _followed(pairs, OneEuro(config.smooth_min_cutoff, config.smooth_beta))
    if config.smooth == "savgol":
        return _fitted(pairs, SavitzkyGolay(config.smooth_window))
    return pairs


def _followed(pairs: Paired[Item], one_euro: OneEuro) -> Paired[Item]:
    with closing(pairs):
        for item, poses in pairs:
            yield item, one_euro.follow(poses)


def _fitted(pairs: Paired[Item], savgol: SavitzkyGolay) -> Paired[Item]:
    waiting: deque[Item] = deque()
    with closing(pairs):
        for item, poses in pairs:
            waiting.append(item)
            for smooth in savgol.take(poses):
                yield waiting.popleft(), smooth
        for smooth in savgol.rest():
            yield waiting.popleft(), smooth
