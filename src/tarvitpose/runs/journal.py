"""What was computed of a video so far, on disk, so that an interrupted run goes on from there.

The two slow parts are the detector and the network. A journal is the log of their answers, in the
order in which they were asked. The same run over the same frames asks the same in the same order:
it is answered from the log until that ends, and from there on what is computed is appended.
Everything between the two parts (who is who, which crop, what is kept for a window) is done again,
so nothing of it has to be stored.   Axes: N people, J joints.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.detection import Detections, Detector
from tarvitpose.errors import OutputError
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.predictor import Joints, Predictor, Views, split
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.atomic import cannot_write

PEOPLE, JOINTS = b"P", b"J"  # kinds of records: of the detector, of the network
HEAD = struct.Struct("<cIIII")  # kind, key, rows, columns, checksum of all that and the numbers
SYNC_SECONDS = 5.0  # what a power cut may cost; a killed process loses no whole record


class Journal:
    """A log of float32 tables; a record that was torn by a kill ends it and is cut off."""

    def __init__(self, path: Path) -> None:
        """Open the log, or a new one. Raises OutputError where it cannot be written."""
        self.path = path
        self.is_recalling = True  # until the log ends, or does not fit what is asked
        try:
            self._file = path.open("r+b" if path.exists() else "x+b", buffering=0)
        except OSError as error:
            raise cannot_write(path, error) from error
        self._synced = time.monotonic()

    def close(self) -> None:
        """Free the file."""
        self._file.close()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was noted."""
        return os.fstat(self._file.fileno()).st_size == 0

    def answer(self, kind: bytes, key: int, compute: Callable[[], Float32]) -> Float32:
        """Return the next record (rows, columns) if it is this one, else compute and append it.

        Raises OutputError where it cannot be written.
        """
        if self.is_recalling:
            place = self._file.tell()
            known = self._read(kind, key)
            if known is not None:
                return known
            self._file.truncate(self._file.seek(place))
            self.is_recalling = False
        values = np.ascontiguousarray(compute(), "<f4")
        self._append(kind, key, values)
        return values

    def _read(self, kind: bytes, key: int) -> Float32 | None:
        """Return the next record, None if it is not whole or another one."""
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        found, its_key, rows, columns, checksum = HEAD.unpack(head)
        size = rows * columns * 4
        if (found, its_key) != (kind, key) or size > os.fstat(self._file.fileno()).st_size:
            return None
        body = self._file.read(size)
        if len(body) < size or _checksum(head[:-4], body) != checksum:
            return None
        return np.frombuffer(body, "<f4").reshape(rows, columns)

    def _append(self, kind: bytes, key: int, values: Float32) -> None:
        body = values.tobytes()
        head = HEAD.pack(kind, key, *values.shape, 0)[:-4]
        record = head + struct.pack("<I", _checksum(head, body)) + body
        try:
            if self._file.write(record) != len(record):
                raise OutputError(f"{self.path}: cannot be written (the disk is full)")
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise cannot_write(self.path, error) from error


class JournaledDetector:
    """A detector whose answers are in a journal."""

    def __init__(self, detector: Detector, journal: Journal) -> None:
        self._detector, self._journal = detector, journal
        self.warnings: Sequence[str] = getattr(detector, "warnings", ())

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, known or new."""

        def compute() -> Float32:
            people = self._detector.detect(frame)
            table = np.concatenate([people.boxes, people.scores[:, None]], 1)  # (N, 5)
            if people.track_ids is None:
                return table
            ids = np.asarray(people.track_ids, "<i8")[:, None].view("<f4")  # (N, 2), bit by bit
            return np.concatenate([table, ids], 1)

        table = self._journal.answer(PEOPLE, frame.index, compute)
        ids = table[:, 5:].copy().view("<i8")[:, 0] if table.shape[1] > 5 else None
        return Detections(table[:, :4].copy(), table[:, 4].copy(), ids)


@dataclass
class _Together:
    """Crops (N, h, w, 3) that were encoded in one go, and are so again if one of them is needed.

    The same batch gives the same numbers to the last bit, another one might not.
    """

    crops: UInt8
    encode: Callable[[UInt8], list[Views]]
    encoded: list[Views] | None = None

    def views(self, place: int) -> Views:
        if self.encoded is None:
            self.encoded = self.encode(self.crops)
        return self.encoded[place]


@dataclass(frozen=True)
class _Later(EncodedCrop):
    """One of the crops that are encoded together later, if at all."""

    tokens: _Together
    visible: Any  # its place there


class JournaledPredictor(Predictor):
    """A predictor whose answers are in a journal; what only leads to known ones is left out."""

    def __init__(self, predictor: Predictor, journal: Journal) -> None:
        vars(self).update(vars(predictor))
        self._predictor, self._journal = predictor, journal

    def joints(self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]) -> list[Joints]:
        """Return the joints of every person of several windows, known or new."""

        def compute() -> Joints:
            return self.joined(self._predictor.joints(frames, boxes))

        together = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
        return split(self._known(together, compute), [len(some) for some in boxes])

    def crops(self, images: Sequence[UInt8], boxes: Float32) -> UInt8:
        """Cut one crop (N, h, w, 3) out of each of N images, by N boxes xyxy."""
        return self._predictor.crops(images, boxes)

    def encode(self, crops: UInt8) -> list[Views]:
        """Encode crops (N, h, w, 3), later where it may turn out that nobody needs them."""
        if not self._journal.is_recalling:
            return self._predictor.encode(crops)
        together = _Together(crops, self._predictor.encode)
        return [(_Later(together, place),) for place in range(len(crops))]

    def answer(self, windows: Sequence[Sequence[Views]], boxes: Float32) -> Joints:
        """Return the joints of N people, known or new."""

        def compute() -> Joints:
            return self._predictor.answer([[*map(_encoded, window)] for window in windows], boxes)

        return self._known(boxes, compute)

    def _known(self, boxes: Float32, compute: Callable[[], Joints]) -> Joints:
        """Return the joints of N people with these boxes (N, 4), which tell a record apart."""
        joints, ways = len(self.config.joints), 1 + self.compare  # with and without temporal part

        def table() -> Float32:
            columns = [*map(np.atleast_3d, compute())]  # (N, J, 2) and (N, J, 1)
            return np.concatenate(columns, 2).reshape(len(boxes), joints * ways * 3)

        key = zlib.crc32(np.ascontiguousarray(boxes, "<f4").tobytes())
        found = self._journal.answer(JOINTS, key, table).reshape(-1, joints, ways, 3).copy()
        return tuple(
            part for way in range(ways) for part in (found[:, :, way, :2], found[:, :, way, 2])
        )


def _encoded(views: Views) -> Views:
    first = views[0]
    return first.tokens.views(first.visible) if isinstance(first, _Later) else views


def _checksum(head: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(head))
