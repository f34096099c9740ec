"""What was computed of a video so far, on disk, so that an interrupted run can go on from there.

The two slow parts are the detector and the network. A journal is the log of their results, in the
order in which they were needed. The same run over the same frames needs the same in the same order:
it is read from the log until that ends, and from there on what is computed is appended.
Everything between the two parts (tracks, crops, encoded windows) is done again, so nothing of it
has to be stored.   Axes: N people, J joints.
"""

import os
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from tarvitpose.detection import Detections
from tarvitpose.errors import OutputError
from tarvitpose.inference.observer import Observer, Stage
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.results import Frame, FramePoses
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.atomic import cannot_write
from tarvitpose.utils.reading import require_file

PEOPLE, JOINTS = b"P", b"J"  # kinds of records: of the detector, of the network
HEAD = struct.Struct("<cIIII")  # kind, key, rows, columns, checksum of all that and the numbers
SYNC_SECONDS = 5.0  # what a power cut may cost; a killed process loses no whole record


class Journal:
    """A log of float32 tables; a record that was not written whole ends it and is cut off."""

    def __init__(self, path: Path) -> None:
        """Open the log, or a new one. Raises OutputError where it cannot be written, or no file."""
        if path.exists():
            require_file(path, OutputError)
        self.path = path
        self.is_recalling = True  # until the log ends, or its next record is another one
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
        """Whether the log has no records."""
        return os.fstat(self._file.fileno()).st_size == 0

    def recall(self, kind: bytes, key: int, compute: Callable[[], Float32]) -> Float32:
        """Return the next record (rows, columns) if it is this one, else compute and append it.

        Raises OutputError where it cannot be written.
        """
        if self.is_recalling:
            start = self._file.tell()
            record = self._read(kind, key)
            if record is not None:
                return record
            self._file.truncate(self._file.seek(start))
            self.is_recalling = False
        values = np.ascontiguousarray(compute(), "<f4")
        self._append(kind, key, values)
        return values

    def _read(self, kind: bytes, key: int) -> Float32 | None:
        """Return the next record, None if it is not whole or another one."""
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        its_kind, its_key, rows, columns, checksum = HEAD.unpack(head)
        size = rows * columns * 4
        if (its_kind, its_key) != (kind, key) or size > os.fstat(self._file.fileno()).st_size:
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


class JournalObserver(Observer):
    """Takes from a journal what an interrupted run has computed, and adds what is new."""

    def __init__(self, journal: Journal, joints: int, inner: Observer) -> None:
        """`joints` is how many a person has; `inner` observes what is left to compute."""
        self._journal, self._joints, self._inner = journal, joints, inner

    def stage(self, name: Stage) -> AbstractContextManager[None]:
        """Return the inner observer's context."""
        return self._inner.stage(name)

    def frame_detected(self, frame: Frame, detect: Callable[[], Detections]) -> Detections:
        """Return the people of one frame, known or new."""

        def compute() -> Float32:
            people = self._inner.frame_detected(frame, detect)
            table = np.concatenate([people.boxes, people.scores[:, None]], 1)  # (N, 5)
            if people.track_ids is None:
                return table
            ids = np.asarray(people.track_ids, "<i8")[:, None].view("<f4")  # (N, 2), bit by bit
            return np.concatenate([table, ids], 1)

        table = self._journal.recall(PEOPLE, frame.index, compute)
        ids = table[:, 5:].copy().view("<i8")[:, 0] if table.shape[1] > 5 else None
        return Detections(table[:, :4].copy(), table[:, 4].copy(), ids)

    def windows_decoded(self, boxes: Float32, decode: Callable[[], PoseArrays]) -> PoseArrays:
        """Return the joints of N people with these boxes (N, 4), known or new."""

        def compute() -> Float32:
            return self._inner.windows_decoded(boxes, decode).table()

        key = zlib.crc32(np.ascontiguousarray(boxes, "<f4").tobytes())  # tells a record apart
        return PoseArrays.from_table(self._journal.recall(JOINTS, key, compute), self._joints)

    def frame_finished(self, frame: Frame, poses: FramePoses) -> None:
        """Pass the poses on to the inner observer."""
        self._inner.frame_finished(frame, poses)


def _checksum(head: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(head))
