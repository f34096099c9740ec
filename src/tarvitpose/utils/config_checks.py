"""Checks of values that several configurations have."""

from __future__ import annotations

import re

LARGEST_OFFSET = 300


def number_or_auto(value: object) -> object:
    """Return the number that a text is, and anything else as it is.

    Raises ValueError for what is neither "auto" nor a whole number from 1 on.

    >>> number_or_auto("5"), number_or_auto("auto")
    (5, 'auto')
    """
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    is_number = isinstance(number, int) and not isinstance(number, bool)
    if number != "auto" and not (is_number and number >= 1):  # type: ignore[operator]
        raise ValueError(f"must be a whole number from 1 on, or auto, got {value!r}")
    return number


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
