"""Shards are small enough, complete by themselves, and read as what they came from."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import run
from label_files import person18, save, save_images, video18

from tarvitpose.config import AnnotationFormat
from tarvitpose.data.pack import MEGABYTE, pack
from tarvitpose.data.records import Record
from tarvitpose.data.sources import dataset_files, open_all, open_annotations, read_records
from tarvitpose.errors import DataError, OutputError
from tarvitpose.skeleton import POSETRACK_17

PEOPLE = 9
LIMIT = 60_000
# Python 3.11.2 has no filters yet.
SAFE: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def stills(root: Path, people: int = PEOPLE) -> Path:
    """A COCO file of stills, and one more that shows nobody."""
    names = [f"images/é{at:03d}.png" for at in range(people + 1)]
    save_images(root, names)
    content = video18([person18(at, 0) for at in range(people)], range(0))
    content["images"] = [{"id": at, "file_name": name} for at, name in enumerate(names)]
    return save(root / "train.json", content)


def videos(root: Path) -> Path:
    for name in ("a", "b"):
        people = [person18(90, 0), person18(87, 1)]
        content = video18(people, range(4), (0, 3), f"images/val/{name}")
        save_images(root, [image["file_name"] for image in content["images"]])
        save(root / "annotations" / "train" / f"{name}.json", content)
    return root / "annotations" / "train"


def packed(source: Path, layout: AnnotationFormat, output: Path, limit: int = LIMIT) -> list[Path]:
    files = list(open_all(dataset_files(source), layout))
    return list(pack(files, output, set_name="train", limit=limit).shards)


def unpacked(shards: list[Path], folder: Path) -> Path:
    for shard in shards:
        with tarfile.open(shard) as tar:
            tar.extractall(folder, **SAFE)
    return folder


def labels(record: Record, root: Path) -> tuple[Any, ...]:
    """What a record says, wherever it lies."""
    frames = [(path.relative_to(root), path.read_bytes()) for path in record.frames]
    return record.keypoints.tolist(), record.visible.tolist(), record.box, record.current, frames


@pytest.mark.parametrize("layout", ["coco", "posetrack18"])
def test_unpacked_shards_read_as_what_was_packed(layout: AnnotationFormat, tmp_path: Path) -> None:
    root = tmp_path / "data"
    source = (stills if layout == "coco" else videos)(root)
    shards = packed(source, layout, tmp_path / "shards", LIMIT if layout == "coco" else 45_000)
    assert len(shards) >= 2
    folder = unpacked(shards, tmp_path / "there")
    before = read_records(layout, source, POSETRACK_17)
    after = read_records(layout, folder / "annotations" / "train", POSETRACK_17)
    assert [labels(record, folder) for record in after] == [
        labels(record, root) for record in before
    ]
    assert not (folder / "images" / f"é{PEOPLE:03d}.png").exists()  # shows nobody


@pytest.mark.parametrize("limit", [LIMIT, 90_000, 140_000])
def test_no_shard_is_larger_than_asked_and_few_are_much_smaller(limit: int, tmp_path: Path) -> None:
    shards = packed(stills(tmp_path / "data"), "coco", tmp_path / "shards", limit)
    sizes = [shard.stat().st_size for shard in shards]
    assert max(sizes) <= limit
    image = (tmp_path / "data" / "images" / "é000.png").stat().st_size
    assert min(sizes[:-1], default=limit) > limit - image - 2 * 10_240


def test_each_shard_is_complete_by_itself(tmp_path: Path) -> None:
    shards = packed(stills(tmp_path / "data"), "coco", tmp_path / "shards")
    counts = []
    for shard in shards:
        folder = unpacked([shard], tmp_path / shard.stem)
        records = read_records("coco", folder / "annotations" / "train", POSETRACK_17)
        assert all(path.is_file() for record in records for path in record.frames)
        counts.append(len(records))
    assert sum(counts) == PEOPLE


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    source = stills(tmp_path / "data")
    first, second = (packed(source, "coco", tmp_path / name) for name in ("one", "two"))
    for shard in tmp_path.glob("data/images/*"):
        shard.touch()
    assert [shard.read_bytes() for shard in first] == [shard.read_bytes() for shard in second]


def test_what_cannot_be_packed_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    source, output = stills(tmp_path / "data"), tmp_path / "shards"
    with pytest.raises(DataError, match=r"é000\.png and what belongs to it take .* MB"):
        packed(source, "coco", output, 12_000)
    with pytest.raises(DataError, match="posetrack17"):
        pack([open_annotations(source, "posetrack17")], output, set_name="train", limit=LIMIT)
    content = json.loads(source.read_text())
    outside = [{**content["images"][0], "file_name": "../../secret.png"}, *content["images"][1:]]
    with pytest.raises(DataError, match=r"images\[0\].*secret\.png cannot be packed"):
        packed(save(tmp_path / "data" / "b.json", {**content, "images": outside}), "coco", output)
    (tmp_path / "data" / "images" / "é004.png").unlink()
    with pytest.raises(DataError, match=r"é004\.png: cannot be read .*data check"):
        packed(source, "coco", output)
    assert not output.exists()
    output.mkdir()
    with pytest.raises(OutputError, match="choose a new folder"):
        packed(source, "coco", output)


def test_the_command_says_how_to_go_on(tmp_path: Path) -> None:
    source, output = stills(tmp_path / "data"), tmp_path / "shards"
    arguments = ["data", "pack", str(source), str(output), "--set", "val", "--max-mb", "0.1"]
    done = run(*arguments)
    assert done.exit_code == 0
    first, second, third = done.stdout.splitlines()
    assert f"{PEOPLE} images, {PEOPLE} people" in first
    assert "tar -xf val-000.tar -C FOLDER" in second
    assert third.endswith("format: coco, annotations: FOLDER/annotations/val, images: FOLDER")
    assert all(shard.stat().st_size <= 0.1 * MEGABYTE for shard in output.iterdir())
    again = run(*arguments)
    assert (again.exit_code, len(again.stderr.splitlines())) == (2, 1)


def test_labels_are_numbers_as_they_were(tmp_path: Path) -> None:
    source = stills(tmp_path / "data")
    folder = unpacked(packed(source, "coco", tmp_path / "shards"), tmp_path / "there")
    before = json.loads(source.read_text())
    parts = [json.loads(path.read_text()) for path in sorted(folder.glob("annotations/train/*"))]
    assert [person for part in parts for person in part["annotations"]] == before["annotations"]
    assert all(part["categories"] == before["categories"] for part in parts)
    assert np.concatenate(
        [[image["id"] for image in part["images"]] for part in parts]
    ).tolist() == [*range(PEOPLE)]
