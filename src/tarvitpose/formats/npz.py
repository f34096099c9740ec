"""NumPy's npz: every field of every frame as arrays, with all digits."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from typing import IO, Any

import numpy as np

from tarvitpose.formats.base import FileWriter
from tarvitpose.formats.npz_reader import JOINT_NAMES, OF_FRAMES, OF_PEOPLE, OFFSETS, RAW, shape_of
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file


class NpzWriter(FileWriter):
    """Write the fields of FramePoses by name, the people of all frames behind each other.

    Those of frame f are the rows from offsets[f] to offsets[f + 1] - 1.
    """

    def _start(self, stack: ExitStack) -> None:
        self._temporary = stack.enter_context(atomic_file(self.path))
        # An array's shape stands before its numbers, but how many there are shows at the end.
        self._spools: dict[str, IO[bytes]] = {}
        for name in (*OF_FRAMES, *OF_PEOPLE, OFFSETS):
            spool = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  (in the stack)
            self._spools[name] = stack.enter_context(spool)
        self._people = 0
        self._append(OFFSETS, 0)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._joint_names = poses.joint_names
        self._people += len(poses)
        self._append(OFFSETS, self._people)
        for name in (*OF_FRAMES, *OF_PEOPLE):
            if name != RAW or self._is_smoothed:
                self._append(name, getattr(poses, name))

    def _append(self, name: str, values: Any) -> None:
        self._spools[name].write(np.asarray(values, _kind(name)).tobytes())

    def _finish(self) -> None:
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


def _kind(name: str) -> str:
    return "<i8" if name == OFFSETS else (OF_FRAMES | OF_PEOPLE)[name][1]


def _store(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], numbers: IO[bytes]) -> None:
    """Add an array whose numbers are in a file, without reading them all at once."""
    numbers.seek(0)
    header = {"descr": _kind(name), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        shutil.copyfileobj(numbers, file)
