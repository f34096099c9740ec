"""The long table, one row for each joint, as CSV; Parquet holds the same columns."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import NAN, NO_SIZE, PersonRecord, frame_poses
from tarvitpose.formats.file_writer import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    TIME_DIGITS,
    PoseWriter,
    open_text,
)
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float64, UInt8
from tarvitpose.utils.numeric import parse_number, whole_number
from tarvitpose.utils.reading import reason_of
from tarvitpose.utils.source_names import short

COLUMNS = ("frame", "time_s", "track_id", "joint", "x", "y", "score")
RAW_COLUMNS = ("x_raw", "y_raw")
INTEGER_COLUMNS = ("frame", "track_id")
MAX_DIGITS = 20  # of a whole number; one of 64 bits has 19
DIGITS = {
    "time_s": TIME_DIGITS,
    "score": SCORE_DIGITS,
    **dict.fromkeys(("x", "y", *RAW_COLUMNS), COORDINATE_DIGITS),
}
BLANK = frozenset({"", "na", "nan", "<na>", "none", "null"})  # as pandas, R and others write it
DELIMITERS = ",;\t"
LONGEST_LINE = 1_000_000  # characters
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
TableRow = tuple[Any, ...]  # the values of COLUMNS and, if the table has them, of RAW_COLUMNS


class CsvWriter(PoseWriter):
    """Write UTF-8 CSV: a row for each joint of each person of each frame.

    A frame without people has one row, in which `track_id` and the columns after it are empty, so
    that every frame of the video is in the table.
    """

    def _start(self, stack: ExitStack) -> None:
        self._table = csv.writer(open_text(self.path, stack), lineterminator="\n")

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        columns = poses.to_columns()
        if not self._frames:
            self._table.writerow(columns)
        for name in DIGITS.keys() & columns.keys():
            columns[name] = [
                None if value is None else round(value, DIGITS[name]) for value in columns[name]
            ]
        self._table.writerows(zip(*columns.values(), strict=True))


def read_csv(path: Path) -> list[FramePoses]:
    """Return the frames of a CSV table, which has no boxes and no image size. Raises DataError.

    Where commas are decimal, spreadsheets separate columns by semicolons or tabs; both are read.
    """
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            header = next(_lines(file), "")
            file.seek(0)
            delimiter = max(DELIMITERS, key=header.count)  # a comma if the header has none
            table = csv.DictReader(_lines(file), delimiter=delimiter)
            return read_rows(path, _csv_rows(path, table))
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable CSV ({reason_of(error)})") from None


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a table. Raises csv.Error for one that no table has."""
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE:,} characters")
        yield line


def _encoding(path: Path) -> str:
    """UTF-8 with or without a mark, or the UTF-16 of Excel's text files, which has one."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in UTF_16 else "utf-8-sig"


def columns_to_read(path: Path, names: Iterable[str]) -> list[str]:
    """Return the columns of a table that are read. Raises DataError naming a missing one."""
    present = list(names)
    missing = [name for name in COLUMNS if name not in present]
    if missing:
        raise DataError(f"{path}: lacks the column {missing[0]}, expected {', '.join(COLUMNS)}")
    raw = RAW_COLUMNS if all(name in present for name in RAW_COLUMNS) else ()
    return [*COLUMNS, *raw]


def _csv_rows(path: Path, table: csv.DictReader[str]) -> Iterator[TableRow]:
    columns = columns_to_read(path, table.fieldnames or ())
    decimal = "." if table.reader.dialect.delimiter == "," else ","  # a point is always accepted
    for cells in table:
        where = f"{path}: line {table.line_num}"
        yield tuple(_value(where, name, cells[name] or "", decimal) for name in columns)


def _value(where: str, name: str, cell: str, decimal: str) -> Any:
    """Return the value of a cell, None if it is blank. Raises DataError."""
    if cell.strip().lower() in BLANK:
        return None
    if name == "joint":
        return cell
    number = parse_number(cell.replace(decimal, "."))
    if name in INTEGER_COLUMNS:
        digits = cell.isdecimal() and len(cell) < MAX_DIGITS  # more than a float can tell apart
        return as_integer(where, name, int(cell) if digits else number, cell)
    if number is None:
        raise DataError(f"{where}: {name}: expected a number, found {short(repr(cell))}")
    return number


def as_integer(where: str, name: str, value: object, shown: object) -> int:
    """Return the whole number in a column. Raises DataError, which shows what the file has."""
    integer = whole_number(value)
    if integer is None:
        raise DataError(f"{where}: {name}: expected a whole number, found {short(repr(shown))}")
    return integer


@dataclass(frozen=True)
class _JointRows:
    """Joints of one person in consecutive rows, usually all of them."""

    joints: tuple[str, ...]
    values: Float64  # (joints, 3 or 5): x, y, score and, if the table has them, raw x and y


@dataclass(frozen=True)
class _FrameRows:
    time: float
    people: dict[int, list[_JointRows]] = field(default_factory=dict)  # by track


def read_rows(
    path: Path,
    rows: Iterable[TableRow],
    joints: tuple[str, ...] = (),
    image_size: tuple[int, int] = NO_SIZE,
) -> list[FramePoses]:
    """Return the frames of rows in any order; joints keep the order in which they first appear."""
    frames: dict[int, _FrameRows] = {}
    names = dict.fromkeys(joints)
    for (index, time, track_id), consecutive in groupby(rows, itemgetter(0, 1, 2)):
        if index is None:
            raise DataError(f"{path}: a row has no frame")
        people = frames.setdefault(index, _FrameRows(NAN if time is None else time)).people
        part = _joint_rows(path, index, track_id, consecutive)
        if part.joints:
            names.update(dict.fromkeys(part.joints))
            people.setdefault(track_id, []).append(part)
    order = tuple(names)
    return [
        frame_poses(
            index,
            [_person(path, index, *item, order) for item in frame.people.items()],
            order,
            time=frame.time,
            image_size=image_size,
        )
        for index, frame in frames.items()
    ]


def _joint_rows(
    path: Path, index: int, track_id: int | None, rows: Iterable[TableRow]
) -> _JointRows:
    """Return the joints of consecutive rows, leaving out rows without one."""
    named = [row[3:] for row in rows if row[3] is not None]
    if named and track_id is None:
        raise DataError(f"{path}: frame {index}: {named[0][0]} has no track_id")
    values = np.array([row[1:] for row in named], np.float64)
    return _JointRows(tuple(row[0] for row in named), values)


def _person(
    path: Path, index: int, track_id: int, parts: list[_JointRows], order: tuple[str, ...]
) -> PersonRecord:
    names = [name for part in parts for name in part.joints]
    if len(set(names)) != len(names):
        raise DataError(f"{path}: frame {index}: track {track_id} has a joint twice")
    rows = np.concatenate([part.values for part in parts])
    values = np.full((len(order), rows.shape[1]), NAN)
    values[[order.index(name) for name in names]] = rows
    raw = values[:, 3:] if values.shape[1] > 3 else None
    return PersonRecord(values[:, :2], values[:, 2], track_id=track_id, raw_keypoints=raw)
