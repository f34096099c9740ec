"""A long table, one row for each joint, for spreadsheets and data frames."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from tarvitpose.files import replace_when_done
from tarvitpose.geometry import UInt8
from tarvitpose.results import FramePoses
from tarvitpose.writers.base import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    TIME_DIGITS,
    FileWriter,
    rounded,
)

COLUMNS = ("frame", "time_s", "track_id", "joint", "x", "y", "score")


class CsvWriter(FileWriter):
    """Write UTF-8 CSV: a row for each joint of each person of each frame.

    A frame in which nobody is seen has one row, with `track_id` and all behind it empty, so that
    every frame of the video is in the table.
    """

    def _start(self, stack: ExitStack) -> None:
        temporary = stack.enter_context(replace_when_done(self.path))
        file = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        self._table = csv.writer(file, lineterminator="\n")
        self._table.writerow(COLUMNS)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        frame = (poses.index, rounded(poses.time, TIME_DIGITS))
        self._table.writerows((*frame, *cells) for cells in _people(poses))


def _people(poses: FramePoses) -> Iterator[tuple[Any, ...]]:
    """Yield the cells behind `time_s`."""
    if not len(poses):
        yield ("",) * (len(COLUMNS) - 2)
    points = rounded(poses.keypoints, COORDINATE_DIGITS)
    scores = rounded(poses.scores, SCORE_DIGITS)
    for track_id, person, person_scores in zip(poses.track_ids, points, scores, strict=True):
        for joint, (x, y), score in zip(poses.joint_names, person, person_scores, strict=True):
            yield track_id, joint, x, y, score
