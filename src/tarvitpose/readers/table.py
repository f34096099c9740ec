"""The long table, from CSV and from Parquet: frame, time_s, track_id, joint, x, y, score."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.errors import DataError, MissingDependencyError
from tarvitpose.readers.build import NAN, NO_SIZE, Person, frame_poses
from tarvitpose.results import Float32, FramePoses

COLUMNS = ("frame", "time_s", "track_id", "joint", "x", "y", "score")
RAW_COLUMNS = ("x_raw", "y_raw")
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
    """Return the frames of a CSV table; it knows no boxes and no image size. Raises DataError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _poses(path, _csv_rows(path, csv.DictReader(file)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable CSV ({error})") from None


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
                for row in zip(*(batch.column(name).to_pylist() for name in wanted), strict=True)
            )
            size = about.get("height", 0), about.get("width", 0)
            return _poses(path, rows, tuple(about.get("joints", ())), size)
    except (OSError, ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: not readable Parquet ({str(error).splitlines()[0]})") from None


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
    whole, text = ("frame", "track_id"), ("joint",)
    for cells in table:
        row: list[Any] = []
        for name in wanted:
            cell = cells[name]
            kind = int if name in whole else str if name in text else float
            try:
                row.append(kind(cell) if cell else None)
            except ValueError:
                where = f"{path}: line {table.line_num}: {name}"
                expected = "a whole number" if kind is int else "a number"
                raise DataError(f"{where}: expected {expected}, found {cell!r}") from None
        yield tuple(row)


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
