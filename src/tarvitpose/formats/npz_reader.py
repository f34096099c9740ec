"""NumPy's own files: the fields of FramePoses, all frames in one array each.

Axes: F frames, P people of all frames, J joints.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses

# By name: the shape behind the first axis ("J" joints) and the type.
OF_FRAMES: dict[str, tuple[tuple[int | str, ...], str]] = {
    "index": ((), "<i8"),
    "time": ((), "<f8"),
    "image_size": ((2,), "<i8"),
}
OF_PEOPLE: dict[str, tuple[tuple[int | str, ...], str]] = {
    "keypoints": (("J", 2), "<f4"),
    "scores": (("J",), "<f4"),
    "boxes": ((4,), "<f4"),
    "box_scores": ((), "<f4"),
    "track_ids": ((), "<i8"),
    "raw_keypoints": (("J", 2), "<f4"),  # only of what was smoothed
}
OFFSETS, JOINT_NAMES, RAW = "offsets", "joint_names", "raw_keypoints"


def read_npz(path: Path) -> list[FramePoses]:
    """Return the frames of a file. Raises DataError."""
    try:
        # NumPy would leave a file open in which it finds no arrays.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not readable npz ({str(error).splitlines()[0]})") from None
    _check(path, arrays)
    names = tuple(arrays[JOINT_NAMES].tolist())
    offsets = arrays[OFFSETS].tolist()
    people = [name for name in OF_PEOPLE if name in arrays]
    return [
        FramePoses(
            index=index,
            time=time,
            image_size=(height, width),
            joint_names=names,
            **{name: arrays[name][offsets[at] : offsets[at + 1]] for name in people},
        )
        for at, (index, time, (height, width)) in enumerate(
            zip(*(arrays[name].tolist() for name in OF_FRAMES), strict=True)
        )
    ]


def shape_of(name: str, rows: int, joints: int) -> tuple[int, ...]:
    """Return the shape of an array of `rows` frames or people.

    >>> shape_of("keypoints", 7, 15), shape_of("time", 4, 15)
    ((7, 15, 2), (4,))
    """
    behind = (OF_FRAMES | OF_PEOPLE)[name][0]
    return (rows, *(joints if one == "J" else int(one) for one in behind))


def _check(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Raise DataError where an array is missing, or does not fit the others."""
    needed = [OFFSETS, JOINT_NAMES, *OF_FRAMES, *(name for name in OF_PEOPLE if name != RAW)]
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise DataError(f"{path}: lacks the array {missing[0]}, expected {', '.join(needed)}")
    frames, joints = arrays["index"].size, arrays[JOINT_NAMES].size
    offsets = arrays[OFFSETS]
    whole = offsets.dtype.kind in "iu" and offsets.shape == (frames + 1,)
    if not whole or offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DataError(f"{path}: offsets must be {frames + 1} whole numbers that rise from 0")
    rows = {**dict.fromkeys(OF_FRAMES, frames), **dict.fromkeys(OF_PEOPLE, int(offsets[-1]))}
    for name, count in rows.items():
        if name not in arrays:
            continue
        expected, kind = shape_of(name, count, joints), (OF_FRAMES | OF_PEOPLE)[name][1]
        found = arrays[name]
        if found.shape != expected or found.dtype.kind != np.dtype(kind).kind:
            raise DataError(
                f"{path}: {name}: expected {expected} of {np.dtype(kind)}, "
                f"found {found.shape} of {found.dtype}"
            )
