"""A long table, one row for each joint, for spreadsheets and data frames."""

from __future__ import annotations

import csv
from contextlib import ExitStack

from tarvitpose.formats.base import COORDINATE_DIGITS, SCORE_DIGITS, TIME_DIGITS, FileWriter
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file

DIGITS = {
    "time_s": TIME_DIGITS,
    "score": SCORE_DIGITS,
    **dict.fromkeys(("x", "y", "x_raw", "y_raw"), COORDINATE_DIGITS),
}


class CsvWriter(FileWriter):
    """Write UTF-8 CSV: a row for each joint of each person of each frame.

    A frame in which nobody is seen has one row, with `track_id` and all behind it empty, so that
    every frame of the video is in the table.
    """

    def _start(self, stack: ExitStack) -> None:
        temporary = stack.enter_context(atomic_file(self.path))
        file = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        self._table = csv.writer(file, lineterminator="\n")

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        columns = poses.to_columns()
        if not self._frames:
            self._table.writerow(columns)
        for name in DIGITS.keys() & columns.keys():
            columns[name] = [
                None if value is None else round(value, DIGITS[name]) for value in columns[name]
            ]
        self._table.writerows(zip(*columns.values(), strict=True))
