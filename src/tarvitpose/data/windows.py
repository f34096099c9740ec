"""Which frames a clip shows, and its crops out of a video.   Axes: T frames, h w a crop's size."""

import numpy as np

from tarvitpose.data.records import Record, read_image
from tarvitpose.errors import ConfigError
from tarvitpose.geometry import warp
from tarvitpose.utils.arrays import Float64, Generator, UInt8


def window_clip(
    record: Record, matrices: Float64, offsets: tuple[int, ...], input_size: tuple[int, int]
) -> UInt8:
    """Return the crops (T, h, w, 3) around a video's labelled frame.

    `matrices` is (T, 2, 3), or (2, 3) for all frames. Past either end of the video its last frame
    on that side is repeated.
    """
    last = len(record.frames) - 1
    indices = [min(max(record.current + offset, 0), last) for offset in offsets]
    images = {at: read_image(record.frames[at], record.name) for at in sorted(set(indices))}
    each = np.broadcast_to(matrices, (len(offsets), 2, 3))
    return np.stack(
        [warp(images[at], matrix, input_size) for at, matrix in zip(indices, each, strict=True)]
    )


def check_span(offsets: tuple[int, ...], span: int) -> None:
    """Raise ConfigError unless offsets drawn within `span` frames can replace these."""
    needed = max(sum(offset < 0 for offset in offsets), sum(offset > 0 for offset in offsets))
    if 0 < span < needed:
        raise ConfigError(
            f"augment.offset_span {span} is too small for the offsets {offsets}:"
            f" use {needed} or more, or 0 for the offsets themselves"
        )


def random_offsets(offsets: tuple[int, ...], span: int, rng: Generator) -> tuple[int, ...]:
    """Return as many past and future offsets as given, drawn within `span` frames, sorted.

    >>> random_offsets((-2, -1, 1), 2, np.random.default_rng(0))
    (-2, -1, 2)
    """
    steps = np.arange(1, span + 1)
    past = rng.choice(steps, sum(offset < 0 for offset in offsets), replace=False)
    future = rng.choice(steps, sum(offset > 0 for offset in offsets), replace=False)
    return tuple(sorted([*(-past).tolist(), *future.tolist()]))


def is_symmetric(offsets: tuple[int, ...]) -> bool:
    """Tell whether a window of these offsets reaches as far back as forward.

    >>> is_symmetric((-2, -1, 1, 2)), is_symmetric((-1,))
    (True, False)
    """
    return sorted(offsets) == sorted(-offset for offset in offsets)
