"""Checks of values that several configurations have."""

from __future__ import annotations

import re

LARGEST_OFFSET = 300


def check_offsets(offsets: tuple[int, ...]) -> None:
    """Raise ValueError unless the offsets are sorted, distinct and without the current frame."""
    if 0 in offsets or list(offsets) != sorted(set(offsets)):
        raise ValueError(f"offsets {offsets} must be sorted, distinct and without 0")
    if any(abs(offset) > LARGEST_OFFSET for offset in offsets):
        raise ValueError(f"offsets {offsets} must lie within {LARGEST_OFFSET} frames")


def check_curve(curve: tuple[tuple[float, float], ...]) -> None:
    """Raise ValueError unless the points of a score curve rise in both values, within 0..1."""
    for values in zip(*curve, strict=True):
        if list(values) != sorted(set(values)) or not 0 <= values[0] <= values[-1] <= 1:
            raise ValueError(
                f"score curve {curve}: both values must rise from point to point, in 0..1"
            )


def check_device(name: str) -> None:
    """Raise ValueError for what no device is called; whether it is here only PyTorch can say."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError(f"device {name!r}: expected auto, cpu, cuda, cuda:0 or mps")
