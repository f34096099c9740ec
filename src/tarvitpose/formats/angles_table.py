"""Angles over time as a table: a row for each person of each frame, a column for each angle."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.angles.series import AngleSeries, joint_angles
from tarvitpose.formats.file_writer import TIME_DIGITS, PoseWriter, json_text, open_text
from tarvitpose.formats.parquet import METADATA_KEY, TYPES
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.optional import require

ANGLE_DIGITS = 2  # a hundredth of a degree
UNITS = {"units": {"time_s": "seconds", "angles": "degrees in the image plane"}}
Columns = dict[str, list[Any]]


class AnglesWriter(PoseWriter):
    """Write the angles of everybody once the last frame is known, as CSV, Parquet or both.

    Joints that score below the threshold make no angle: its cell stays empty.
    """

    def __init__(self, *paths: Path, keypoint_threshold: float = 0.3) -> None:
        super().__init__(paths[0])
        self.paths, self.keypoint_threshold = paths, keypoint_threshold
        self._poses: list[FramePoses] = []

    def _start(self, stack: ExitStack) -> None:
        if any(path.suffix == ".parquet" for path in self.paths):
            require("pyarrow", "angles as Parquet", "parquet")

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        without = {"raw_keypoints": None, "single_keypoints": None, "single_scores": None}
        self._poses.append(replace(poses, **without))  # type: ignore[arg-type]

    def _end(self) -> None:
        series = joint_angles(self._poses, threshold=self.keypoint_threshold)
        columns = angle_columns(self._poses, series)
        for path in self.paths:
            write_angles(path, columns)


def angle_columns(poses: Sequence[FramePoses], series: Sequence[AngleSeries]) -> Columns:
    """Return the table by column; a value that is not known is None.

    A frame without anybody is one row in which all but `frame` and `time_s` are None.
    """
    angles = list(dict.fromkeys(name for person in series for name in person.degrees))
    rows: list[tuple[Any, ...]] = [
        (
            *(int(person.frames[at]), _known(person.times[at])),
            *(person.track_id, str(person.facing[at]) or None),
            *(_known(person.degrees[name][at]) for name in angles),
        )
        for person in series
        for at in range(len(person.frames))
    ]
    seen, nobody = {row[0] for row in rows}, [None] * (2 + len(angles))
    times = {frame.index: frame.time for frame in poses if frame.index not in seen}
    rows += [(index, _known(time), *nobody) for index, time in times.items()]
    rows.sort(key=lambda row: (row[0], row[2] or 0))
    names = ("frame", "time_s", "track_id", "faces", *angles)
    return {name: [row[column] for row in rows] for column, name in enumerate(names)}


def write_angles(path: Path, columns: Columns) -> None:
    """Write a table as Parquet or CSV, as the name ends. Raises UserError.

    CSV has angles to a hundredth of a degree, Parquet has all digits.
    """
    if path.suffix == ".parquet":
        _write_parquet(path, columns)
        return
    digits = {"time_s": TIME_DIGITS}
    cells = [
        values
        if name in ("frame", "track_id", "faces")
        else [None if v is None else round(v, digits.get(name, ANGLE_DIGITS)) for v in values]
        for name, values in columns.items()
    ]
    with ExitStack() as stack:
        table = csv.writer(open_text(path, stack), lineterminator="\n")
        table.writerow(columns)
        table.writerows(zip(*cells, strict=True))


def _write_parquet(path: Path, columns: Columns) -> None:
    pyarrow = require("pyarrow", "angles as Parquet", "parquet")
    parquet = require("pyarrow.parquet", "angles as Parquet", "parquet")
    kinds = {**TYPES, "faces": "string"}
    types = [(name, getattr(pyarrow, kinds.get(name, "float64"))()) for name in columns]
    schema = pyarrow.schema(types, metadata={METADATA_KEY: json_text(UNITS).encode()})
    with atomic_file(path) as temporary:
        parquet.write_table(
            pyarrow.Table.from_pydict(columns, schema=schema), temporary, compression="zstd"
        )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
