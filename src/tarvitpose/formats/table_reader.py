"""The long table, from CSV and from Parquet: frame, time_s, track_id, joint, x, y, score."""

from __future__ import annotations

import codecs
import csv
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.errors import DataError, MissingDependencyError
from tarvitpose.formats.build import NAN, NO_SIZE, Person, frame_poses
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.json_file import whole_number

COLUMNS = ("frame", "time_s", "track_id", "joint", "x", "y", "score")
RAW_COLUMNS = ("x_raw", "y_raw")
WHOLE = ("frame", "track_id")
BLANK = frozenset({"", "na", "nan", "<na>", "none", "null"})  # as pandas, R and others write it
DELIMITERS = ",;\t"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ABOUT = b"tarvitpose"  # the key of what Parquet files say about themselves, as JSON
Row = tuple[Any, ...]  # the values of COLUMNS and, where there are any, of RAW_COLUMNS


@dataclass(frozen=True)
class _Part:
    """Some joints of a person, mostly all of them: rows that follow each other."""

    joints: tuple[str, ...]
    values: Float32  # (joints, 3 or 5): x, y, score and, where there are any, raw x and y


@dataclass(frozen=True)
class _Frame:
    time: float
    people: dict[int, list[_Part]] = field(default_factory=dict)  # by track


def read_csv(path: Path) -> list[FramePoses]:
    """Return the frames of a CSV table; it knows no boxes and no image size. Raises DataError.

    Spreadsheets separate by semicolons or tabs where commas are decimal; then all may be so.
    """
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=header.count)  # a comma where none is there
            return _poses(path, _csv_rows(path, csv.DictReader(file, delimiter=delimiter)))
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable CSV ({error})") from None


def _encoding(path: Path) -> str:
    """UTF-8 with or without a mark, or the UTF-16 of Excel's text files, which has one."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in UTF_16 else "utf-8-sig"


def read_parquet(path: Path) -> list[FramePoses]:
    """Return the frames of a Parquet table; it knows no boxes.

    Raises DataError, or MissingDependencyError without pyarrow.
    """
    pyarrow, parquet = load_pyarrow(str(path))
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = _columns(path, names)
            about = json.loads((file.schema_arrow.metadata or {}).get(ABOUT, b"{}"))
            batches = file.iter_batches(columns=wanted)
            rows = (
                row
                for batch in batches
                for row in zip(*(_values(path, batch, name) for name in wanted), strict=True)
            )
            size = about.get("height", 0), about.get("width", 0)
            return _poses(path, rows, tuple(about.get("joints", ())), size)
    except (OSError, ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: not readable Parquet ({str(error).splitlines()[0]})") from None


def _values(path: Path, batch: Any, name: str) -> list[Any]:
    """The values of a Parquet column; pandas has whole numbers as floats where some are missing."""
    values: list[Any] = batch.column(name).to_pylist()
    if name not in WHOLE or not any(isinstance(value, float) for value in values):
        return values
    known = [None if value is None or math.isnan(value) else value for value in values]
    numbers = [whole_number(value) for value in known]
    for value, number in zip(known, numbers, strict=True):
        if value is not None and number is None:
            raise DataError(f"{path}: {name}: expected a whole number, found {value!r}")
    return numbers


def load_pyarrow(purpose: str) -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet. Raises MissingDependencyError naming the purpose."""
    try:
        import pyarrow  # noqa: PLC0415 - an optional package
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise MissingDependencyError("pyarrow", purpose, "parquet") from None
    return pyarrow, parquet


def _columns(path: Path, names: Iterable[str]) -> list[str]:
    """Return the columns to read. Raises DataError naming what is missing."""
    there = list(names)
    missing = [name for name in COLUMNS if name not in there]
    if missing:
        raise DataError(f"{path}: lacks the column {missing[0]}, expected {', '.join(COLUMNS)}")
    raw = RAW_COLUMNS if all(name in there for name in RAW_COLUMNS) else ()
    return [*COLUMNS, *raw]


def _csv_rows(path: Path, table: csv.DictReader[str]) -> Iterator[Row]:
    wanted = _columns(path, table.fieldnames or ())
    point = "." if table.reader.dialect.delimiter == "," else ","  # what numbers may have instead
    for cells in table:
        row: list[Any] = []
        for name in wanted:
            cell = cells[name] or ""
            try:
                row.append(_value(name, cell, point))
            except ValueError:
                where = f"{path}: line {table.line_num}: {name}"
                expected = "a whole number" if name in WHOLE else "a number"
                raise DataError(f"{where}: expected {expected}, found {cell!r}") from None
        yield tuple(row)


def _value(name: str, cell: str, point: str) -> Any:
    """Return what a cell holds, None if nothing. Raises ValueError."""
    if cell.strip().lower() in BLANK:
        return None
    if name == "joint":
        return cell
    if name in WHOLE and cell.isdecimal():
        return int(cell)
    number = float(cell.replace(point, "."))
    if name not in WHOLE:
        return number
    whole = whole_number(number)
    if whole is None:
        raise ValueError(cell)
    return whole


def _poses(
    path: Path,
    rows: Iterable[Row],
    joints: tuple[str, ...] = (),
    image_size: tuple[int, int] = NO_SIZE,
) -> list[FramePoses]:
    """Return the frames of rows in any order; joints are in the order in which they first come."""
    frames: dict[int, _Frame] = {}
    names = dict.fromkeys(joints)
    for (index, time, track_id), found in groupby(rows, itemgetter(0, 1, 2)):
        if index is None:
            raise DataError(f"{path}: a row has no frame")
        people = frames.setdefault(index, _Frame(NAN if time is None else time)).people
        part = _part(path, index, track_id, found)
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


def _part(path: Path, index: int, track_id: int | None, rows: Iterable[Row]) -> _Part:
    """Return the joints of rows that follow each other; a row without a joint has none."""
    named = [row[3:] for row in rows if row[3] is not None]
    if named and track_id is None:
        raise DataError(f"{path}: frame {index}: {named[0][0]} has no track_id")
    return _Part(tuple(row[0] for row in named), np.array([row[1:] for row in named], np.float32))


def _person(
    path: Path, index: int, track_id: int, parts: list[_Part], order: tuple[str, ...]
) -> Person:
    names = [name for part in parts for name in part.joints]
    if len(set(names)) != len(names):
        raise DataError(f"{path}: frame {index}: track {track_id} has a joint twice")
    found = np.concatenate([part.values for part in parts])
    values = np.full((len(order), found.shape[1]), NAN)
    values[[order.index(name) for name in names]] = found
    raw = values[:, 3:] if values.shape[1] > 3 else None
    return Person(values[:, :2], values[:, 2], track_id=track_id, raw_keypoints=raw)
