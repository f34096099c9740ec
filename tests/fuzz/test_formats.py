"""Damaged results of every format: poses that are whole and in order, or an error of one line.

FUZZ_ROUNDS files of each format are damaged, 20 without it; a failure names the seed and the file.
"""

import csv
import io
import json
import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import ROUNDS
from mutations import HOSTILE, NUMBERS, Damage, hostile_json
from some_poses import SIZE, TIMES
from written_results import written_results

from tarvitpose.drawing import draw_poses
from tarvitpose.errors import UserError
from tarvitpose.formats.reading import load_poses
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.numeric import LARGEST
from tarvitpose.utils.optional import is_installed
from tarvitpose.visualization.flagged_frames import flagged_frames
from tarvitpose.visualization.joint_plot import follow
from tarvitpose.visualization.tracks import known_parts, tracks_of

FORMATS = [
    kind
    for kind in ("coco", "posetrack", "openpose", "mmpose", "csv", "parquet", "npz")
    if kind != "parquet" or is_installed("pyarrow")
]
CELLS = [
    "",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1_0",
    "٣",
    "x",
    "7.5",
    "-1",
    "9" * 25,
    "1e39",
    '"',
    ";",
]
CELLS += ["\x00", "\x1b[31m", "9223372036854775808", "true", "0x10", " 3 ", "1,5"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return results of all formats, smoothed."""
    return written_results(tmp_path_factory.mktemp("results"), FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_bytes(kind: str, results: dict[str, Path], tmp_path: Path) -> None:
    search(damaged_bytes, results[kind], tmp_path)


@pytest.mark.parametrize("kind", ["coco", "posetrack", "openpose", "mmpose"])
def test_hostile_values_in_json(kind: str, results: dict[str, Path], tmp_path: Path) -> None:
    search(hostile_json, results[kind], tmp_path)


def test_hostile_cells_in_csv(results: dict[str, Path], tmp_path: Path) -> None:
    search(hostile_cells, results["csv"], tmp_path)


def test_hostile_arrays_in_npz(results: dict[str, Path], tmp_path: Path) -> None:
    search(hostile_arrays, results["npz"], tmp_path)


@pytest.mark.skipif("parquet" not in FORMATS, reason="needs pyarrow")
def test_hostile_columns_in_parquet(results: dict[str, Path], tmp_path: Path) -> None:
    search(hostile_columns, results["parquet"], tmp_path)


def search(damage: Damage, whole: Path, folder: Path) -> None:
    """Damage copies of a result, and read them."""
    for seed in range(ROUNDS):
        copied = folder / f"{seed}-{whole.name}"
        if whole.is_dir():
            shutil.copytree(whole, copied)
        else:
            shutil.copy(whole, copied)
        draw = random.Random(f"{damage.__name__} {whole.suffix} {seed}")
        files = sorted(copied.iterdir()) if copied.is_dir() else [copied]
        damage(draw, draw.choice(files))
        try:
            read(copied)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {copied}: {error!r}") from error
        shutil.rmtree(copied) if copied.is_dir() else copied.unlink()


def read(path: Path) -> None:
    """Read poses and use them as plots, reports and drawings do, unless they are refused."""
    try:
        poses = load_poses(path)
    except UserError as error:
        lines = str(error).splitlines()
        if len(lines) != 1 or str(path) not in lines[0]:
            raise AssertionError("not a line that names the file") from error
        return
    check(poses)
    for frame in poses[:3]:
        draw_poses(np.zeros((*SIZE, 3), np.uint8), frame)
    if len({frame.joint_names for frame in poses if len(frame)}) > 1:
        return  # which reports refuse
    known = known_parts(poses, 25.0)
    tracks = tracks_of(known)
    flagged_frames(known, tracks)
    for track in tracks[:2]:
        if poses[0].joint_names:
            follow(poses[:1], track.track_id, poses[0].joint_names[0])


def check(poses: list[FramePoses]) -> None:
    """Assert that frames are in order, and all numbers of their type and in range."""
    assert all(before.index < after.index for before, after in pairwise(poses))
    times = [frame.time for frame in poses if not np.isnan(frame.time)]
    assert times == sorted(times)
    for frame in poses:
        people, joints = len(frame), len(frame.joint_names)
        assert type(frame.index) is int
        assert frame.index >= 0
        assert type(frame.time) is float
        assert all(type(side) is int and side >= 0 for side in frame.image_size)
        assert all(type(name) is str and name.isprintable() for name in frame.joint_names)
        assert len(set(frame.joint_names)) == joints
        assert frame.track_ids.dtype == np.int64
        assert frame.track_ids.shape == (people,)
        for values, shape in numbers_of(frame):
            assert values.dtype == np.float32
            assert values.shape == tuple({"N": people, "J": joints}.get(n, n) for n in shape)
            assert (np.isnan(values) | (np.abs(values) <= LARGEST)).all()


def numbers_of(frame: FramePoses) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield the arrays of a frame, and the shape of each."""
    yield frame.keypoints, ("N", "J", 2)
    yield frame.scores, ("N", "J")
    yield frame.boxes, ("N", 4)
    yield frame.box_scores, ("N",)
    if frame.raw_keypoints is not None:
        yield frame.raw_keypoints, ("N", "J", 2)


# ---------------------------------------------------------------------------------------- damage


def damaged_bytes(draw: random.Random, path: Path) -> None:
    """Change, remove, insert or repeat bytes at one to four positions."""
    data = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        length = draw.choice([1, 1, 2, 8, 64, len(data)])
        match draw.randrange(5):
            case 0:
                data[at : at + length] = draw.randbytes(min(length, 64))
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + min(length, 999)]
            case 3 if at < len(data):
                data[at] ^= 1 << draw.randrange(8)
            case _:
                data[at : at + 1] = draw.choice([b"9" * 400, b"\x00", b"[" * 99, b"\xff", b"1e999"])
    path.write_bytes(data)


def hostile_cells(draw: random.Random, path: Path) -> None:
    """Replace cells, the header's too, or whole rows of a table."""
    rows = [*csv.reader(io.StringIO(path.read_text(encoding="utf-8")))]
    for _ in range(draw.randint(1, 3)):
        row = draw.choice([rows[0], *draw.choices(rows, k=6)])
        match draw.randrange(6):
            case 0:
                rows.insert(draw.randrange(len(rows)), [*row])
            case 1 if row:
                del row[draw.randrange(len(row))]
            case _ if row:
                row[draw.randrange(len(row))] = draw.choice([*CELLS, *draw.choice(rows), "x"])
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def hostile_arrays(draw: random.Random, path: Path) -> None:
    """Replace arrays by others of another type, shape or content."""
    with np.load(path) as file:
        arrays: dict[str, Any] = dict(file)
    for name in draw.sample(sorted(arrays), draw.randint(1, 2)):
        array = arrays[name]
        with np.errstate(all="ignore"):
            match draw.randrange(6):
                case 0:
                    del arrays[name]
                case 1:
                    kinds = ["<i4", "<u8", "<f8", "<f2", ">f4", "<c8", "?", "<U9", "S9", "<M8[s]"]
                    if array.dtype.kind != "U" or draw.random() < 0.5:
                        arrays[name] = np.zeros(array.shape, draw.choice(kinds))
                case 2:
                    arrays[name] = array[: draw.randrange(len(array) + 1)]
                case 3:
                    arrays[name] = array[None] if draw.random() < 0.5 else array.ravel()
                case 4 if array.dtype.kind in "fi":
                    kind = draw.choice(["<f8", array.dtype.str, "<u8"])
                    arrays[name] = changed = array.astype(kind)
                    fits = changed.dtype.kind == "f"
                    value = draw.choice(NUMBERS) if fits else draw.choice([-1, 0, 3, 2**62])
                    at = draw.randrange(max(changed.size, 1))
                    changed.flat[at : at + 1] = (
                        max(min(value, 1e308), -1e308) if fits else abs(value)
                    )
                case _:
                    arrays[name] = array[::-1]
    np.savez(path, **arrays)


def hostile_columns(draw: random.Random, path: Path) -> None:
    """Replace columns by others of another type or content, or the metadata."""
    import pyarrow
    from pyarrow import parquet

    table = parquet.read_table(path)
    names, rows = table.column_names, table.num_rows
    if draw.random() < 0.3:
        metadata = draw.choice(
            [*HOSTILE[-20:], {"joints": draw.choice(HOSTILE)}, {"height": 2**70}]
        )
        content = draw.choice([json.dumps(metadata).encode(), b"\xff", b"{", b"9" * 400])
        parquet.write_table(table.replace_schema_metadata({b"tarvitpose": content}), path)
        return
    name = draw.choice(names)
    values = table.column(name).to_pylist()
    values[draw.randrange(rows)] = draw.choice(
        [None, None, float("nan"), float("inf"), 1e39, -1, 7]
    )
    kinds = [
        pyarrow.float64(),
        pyarrow.int64(),
        pyarrow.string(),
        pyarrow.uint64(),
        pyarrow.bool_(),
    ]
    kinds += [pyarrow.list_(pyarrow.int64()), pyarrow.binary(), pyarrow.float32(), pyarrow.null()]
    kinds += [pyarrow.timestamp("s"), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())]
    kind = draw.choice(kinds)
    try:
        column = pyarrow.array(values, kind)
    except (pyarrow.ArrowException, OverflowError, TypeError, ValueError):
        column = pyarrow.array([None] * rows, kind)
    table = table.set_column(names.index(name), name, column)
    if draw.random() < 0.2:
        table = table.drop_columns([draw.choice(names)])
    if draw.random() < 0.2:
        table = table.select([*names, name] if set(names) == set(table.column_names) else [0])
    parquet.write_table(table, path)


def test_the_whole_results_are_read(results: dict[str, Path]) -> None:
    for kind, path in results.items():
        poses = load_poses(path)
        check(poses)
        assert len(poses) == len(TIMES)
        assert len(poses[0].joint_names) == len(POSETRACK_15), kind
