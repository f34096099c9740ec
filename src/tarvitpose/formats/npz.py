"""NumPy's npz: every field of FramePoses, all frames in one array each, with all digits.

Axes: F frames, P people of all frames, J joints.
"""

import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import NO_SIZE, as_float32
from tarvitpose.formats.file_writer import PoseWriter
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8, npz_arrays
from tarvitpose.utils.atomic import atomic_file

# By name: the shape after the first axis ("J" joints) and the type.
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
    "raw_keypoints": (("J", 2), "<f4"),  # only after smoothing
}
OFFSETS, JOINT_NAMES, RAW = "offsets", "joint_names", "raw_keypoints"
FIELDS = OF_FRAMES | OF_PEOPLE


class NpzWriter(PoseWriter):
    """Write the fields of FramePoses by name, the people of all frames one after another.

    Those of frame f are the rows from offsets[f] to offsets[f + 1] - 1.
    """

    def _start(self, stack: ExitStack) -> None:
        self._temporary = stack.enter_context(atomic_file(self.path))
        # The file has an array's shape before its numbers, but the shape is known only at the end.
        self._spools: dict[str, IO[bytes]] = {}
        for name in (*FIELDS, OFFSETS):
            spool = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  (in the stack)
            self._spools[name] = stack.enter_context(spool)
        self._people = 0
        self._append(OFFSETS, 0)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._joint_names = poses.joint_names
        self._people += len(poses)
        self._append(OFFSETS, self._people)
        for name in FIELDS:
            if name != RAW or self._is_smoothed:
                self._append(name, getattr(poses, name))

    def _append(self, name: str, values: Any) -> None:
        self._spools[name].write(np.asarray(values, _dtype(name)).tobytes())

    def _end(self) -> None:
        joints = len(self._joint_names)
        frames = self._frames
        with zipfile.ZipFile(self._temporary, "w") as archive:
            for name, spool in self._spools.items():
                if name == OFFSETS:
                    shape: tuple[int, ...] = (frames + 1,)
                else:
                    shape = shape_of(name, frames if name in OF_FRAMES else self._people, joints)
                if name != RAW or self._is_smoothed:
                    _store(archive, name, shape, spool)
            with archive.open(f"{JOINT_NAMES}.npy", "w") as file:
                np.save(file, np.array(self._joint_names, str), allow_pickle=False)


def _dtype(name: str) -> str:
    return "<i8" if name == OFFSETS else FIELDS[name][1]


def _store(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], numbers: IO[bytes]) -> None:
    """Add an array whose numbers are in a file, without reading them all at once."""
    numbers.seek(0)
    header = {"descr": _dtype(name), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        shutil.copyfileobj(numbers, file)


def read_npz(path: Path) -> list[FramePoses]:
    """Return the frames of a file. Raises DataError."""
    with npz_arrays(path) as file:
        known = [name for name in file.files if name in (*FIELDS, OFFSETS, JOINT_NAMES)]
        arrays = {name: np.asarray(file[name]) for name in known}
    _check(path, arrays)
    names = tuple(arrays[JOINT_NAMES].tolist())
    offsets = arrays[OFFSETS].tolist()
    people: dict[str, Any] = {
        name: as_float32(arrays[name]) if dtype == "<f4" else arrays[name].astype(np.int64)
        for name, (_, dtype) in OF_PEOPLE.items()
        if name in arrays
    }
    return [
        FramePoses(
            index=index,
            time=time,
            image_size=(height, width) if height and width else NO_SIZE,
            joint_names=names,
            **{name: values[offsets[at] : offsets[at + 1]] for name, values in people.items()},
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
    rest = FIELDS[name][0]
    return (rows, *(joints if size == "J" else int(size) for size in rest))


def _check(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Raise DataError where an array is missing or does not fit the others."""
    required = [OFFSETS, JOINT_NAMES, *OF_FRAMES, *(name for name in OF_PEOPLE if name != RAW)]
    missing = [name for name in required if name not in arrays]
    if missing:
        raise DataError(f"{path}: lacks the array {missing[0]}, expected {', '.join(required)}")
    frames, joints = arrays["index"].size, arrays[JOINT_NAMES].size
    names = arrays[JOINT_NAMES]
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DataError(f"{path}: {JOINT_NAMES}: expected texts, found {names.dtype}")
    offsets = arrays[OFFSETS]
    are_integers = offsets.dtype.kind in "iu" and offsets.shape == (frames + 1,)
    # Unsigned numbers have no negative differences.
    if not are_integers or offsets[0] != 0 or (offsets[1:] < offsets[:-1]).any():
        raise DataError(f"{path}: offsets must be {frames + 1} whole numbers that rise from 0")
    rows = {**dict.fromkeys(OF_FRAMES, frames), **dict.fromkeys(OF_PEOPLE, int(offsets[-1]))}
    for name, count in rows.items():
        if name not in arrays:
            continue
        expected, dtype = shape_of(name, count, joints), FIELDS[name][1]
        array = arrays[name]
        if array.shape != expected or array.dtype.kind != np.dtype(dtype).kind:
            raise DataError(
                f"{path}: {name}: expected {expected} of {np.dtype(dtype)}, "
                f"found {array.shape} of {array.dtype}"
            )
