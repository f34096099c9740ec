"""What is prepared reads as what it came from, and a killed run goes on where it stopped."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import (
    dcpose,
    frame17,
    image_dcpose,
    person17,
    person18,
    save,
    save_images,
    video18,
)

from tarvitpose.config import AnnotationFormat
from tarvitpose.data import prepare as module
from tarvitpose.data.check import check_data
from tarvitpose.data.prepare import PrepareOptions, Summary, near_labels, prepare
from tarvitpose.data.records import Record
from tarvitpose.data.sources import dataset_files, open_all, read_records, read_videos
from tarvitpose.data.videos import VideoFrame
from tarvitpose.errors import DataError, OutputError
from tarvitpose.formats.posetrack_files import read_truth
from tarvitpose.skeleton import POSETRACK_17

REGION17 = {"point": [{"x": [1], "y": [2]}, {"x": [5], "y": [2]}, {"x": [5], "y": [9]}]}


def source18(root: Path, count: int = 12) -> Path:
    """A video of 12 frames with labels in 2 and 9, and a region to ignore in 2."""
    content = video18([person18(88, 0), person18(88, 1), person18(81, 0)], range(count), (2, 9))
    content["images"][-3] |= {"ignore_regions_x": [[1, 5, 5]], "ignore_regions_y": [[2, 2, 9]]}
    save_images(root, [image["file_name"] for image in content["images"]])
    save(root / "annotations" / "val" / "clip.json", content)
    return root


def source17(root: Path) -> Path:
    names = [f"images/val/clip/{at:08d}.jpg" for at in range(1, 9)]
    save_images(root, names)
    frames = [frame17(4, person17(5), ignore_regions=[REGION17]), frame17(5, person17(5))]
    save(root / "annotations" / "val" / "clip.json", {"annolist": frames})
    return root


def source_dcpose(root: Path) -> Path:
    names = [f"images/val/{name}/{at:06d}.jpg" for name in ("a", "b") for at in range(6)]
    save_images(root, names)
    images = [image_dcpose(1, names[0], 6), image_dcpose(2, names[9], 6)]
    save(root / "annotations" / "val.json", dcpose(images, [person18(1, 0), person18(2, 0)]))
    return root


def run(root: Path, layout: AnnotationFormat, plan: PrepareOptions) -> Summary:
    files = dataset_files(root, plan.set_name)
    opened = open_all(files, layout, root)
    return prepare(((root, video) for file in opened for video in read_videos(file)), plan)


def plan(output: Path, **changes: Any) -> PrepareOptions:
    return PrepareOptions(output, "val", **changes)


def read_back(output: Path) -> list[Record]:
    return read_records("posetrack18", output / "annotations" / "val", POSETRACK_17, output)


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def window(record: Record, offsets: Iterable[int]) -> list[bytes]:
    """Return the files that a window sees, as the data set clamps it to the record's frames."""
    last = len(record.frames) - 1
    return [
        record.frames[min(max(record.current + offset, 0), last)].read_bytes() for offset in offsets
    ]


@pytest.mark.parametrize(
    ("layout", "make"),
    [("posetrack18", source18), ("posetrack17", source17), ("dcpose", source_dcpose)],
)
def test_what_is_prepared_reads_as_what_it_came_from(
    layout: AnnotationFormat, make: Any, tmp_path: Path
) -> None:
    root, output = make(tmp_path / "in"), tmp_path / "out"
    run(root, layout, plan(output))
    before = [
        record
        for file in dataset_files(root, "val")
        for record in read_records(layout, file, POSETRACK_17, root)
    ]
    after = read_back(output)
    assert len(before) == len(after) > 1
    for old, new in zip(
        sorted(before, key=by_position), sorted(after, key=by_position), strict=True
    ):
        assert old.name.rpartition("#")[2] == new.name.rpartition("#")[2]
        assert new.keypoints == pytest.approx(old.keypoints, abs=1e-3)
        assert new.visible.tolist() == old.visible.tolist()
        assert new.box == pytest.approx(old.box, abs=1e-3)
        assert window(new, (-2, -1, 0, 1, 2)) == window(old, (-2, -1, 0, 1, 2))
    report = check_data(
        dataset_files(output), "posetrack18", output, quick=False, progress=lambda _, __: None
    )
    assert report.faults == ()


def by_position(record: Record) -> tuple[str, int]:
    return record.name.partition("/")[0], int(record.frames[record.current].stem)


def test_ignore_regions_and_head_boxes_come_along(tmp_path: Path) -> None:
    run(source18(tmp_path / "in"), "posetrack18", plan(tmp_path / "out"))
    before = read_truth(tmp_path / "in/annotations/val/clip.json")["images/val/clip/000002.jpg"]
    after = read_truth(tmp_path / "out/annotations/val/clip.json")["images/val/clip/000002.jpg"]
    assert np.array_equal(before.keypoints, after.keypoints, equal_nan=True)
    assert np.array_equal(before.head_boxes, after.head_boxes)
    assert [polygon.tolist() for polygon in after.ignored] == [[[1, 2], [5, 2], [5, 9]]]


def test_only_frames_near_labels_are_kept_and_not_copied(tmp_path: Path) -> None:
    root, output = source18(tmp_path / "in"), tmp_path / "out"
    assert run(root, "posetrack18", plan(output, span=1)) == Summary(1, 0, frames=6, missing=0)
    images = sorted((output / "images" / "val" / "clip").iterdir())
    assert [path.stem for path in images] == [f"{at:06d}" for at in (1, 2, 3, 8, 9, 10)]
    assert all(path.samefile(root / "images/val/clip" / path.name) for path in images)


def test_frames_far_apart_do_not_become_neighbours(tmp_path: Path) -> None:
    run(source18(tmp_path / "in"), "posetrack18", plan(tmp_path / "out", span=1))
    early, _, late = read_back(tmp_path / "out")
    assert [frame.stem for frame in early.frames] == ["000001", "000002", "000003"]
    assert [frame.stem for frame in late.frames] == ["000008", "000009", "000010"]


@pytest.mark.parametrize(("span", "expected"), [(0, [3]), (1, [2, 3, 4]), (9, [0, 1, 2, 3, 4])])
def test_near_labels(span: int, expected: list[int]) -> None:
    frames = [VideoFrame(str(at), at, labelled=at == 3) for at in range(5)]
    assert [frame.number for frame in near_labels(frames, span)] == expected


def test_large_images_are_made_smaller_and_labels_with_them(tmp_path: Path) -> None:
    root, output = source18(tmp_path / "in"), tmp_path / "out"
    run(root, "posetrack18", plan(output, max_side=40))  # 60 x 80 becomes 30 x 40
    image = cv2.imread(str(output / "images/val/clip/000002.jpg"))
    assert image is not None
    assert image.shape == (30, 40, 3)
    record = read_back(output)[0]
    nose = record.keypoints[POSETRACK_17.joints.index("nose")]
    assert nose.tolist() == [(11 + 0.5) / 2 - 0.5, (22 + 0.5) / 2 - 0.5]
    assert record.box[2] - record.box[0] == 15
    assert not record.keypoints[record.visible == 0].any()
    run(root, "posetrack18", plan(tmp_path / "same", max_side=80))
    assert (tmp_path / "same/images/val/clip/000002.jpg").samefile(
        root / "images/val/clip/000002.jpg"
    )


def test_a_joint_stays_on_the_same_spot_of_a_smaller_image(tmp_path: Path) -> None:
    """A bright square at 20..28, 40..48 of a dark image is centred on a joint at 23.5, 43.5."""
    root, output = tmp_path / "in", tmp_path / "out"
    image = np.zeros((200, 160, 3), np.uint8)
    image[40:48, 20:28] = 255
    content = video18([person18(90, 0)], range(1), (0,))
    content["annotations"][0]["keypoints"][:3] = [23.5, 43.5, 1]
    content["images"][0]["file_name"] = "images/val/clip/000000.png"
    save(root / "annotations" / "val" / "clip.json", content)
    save_images(root, ["images/val/clip/000000.png"])
    assert cv2.imwrite(str(root / "images/val/clip/000000.png"), image)
    run(root, "posetrack18", plan(output, max_side=50))
    small = cv2.imread(str(output / "images/val/clip/000000.png"), cv2.IMREAD_GRAYSCALE)
    assert small is not None
    ys, xs = np.nonzero(small)
    (record,) = read_back(output)
    assert record.keypoints[0].tolist() == pytest.approx([xs.mean(), ys.mean()])


@pytest.mark.parametrize("max_side", [0, 40])
def test_a_killed_run_goes_on_and_ends_as_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_side: int
) -> None:
    root = source_dcpose(tmp_path / "in")
    how = plan(tmp_path / "killed", max_side=max_side)
    write, calls = module._write_image, []

    def killed(source: Path, target: Path, side: int) -> tuple[float, float]:
        calls.append(target)
        if len(calls) == 5:  # in the second video, with half an image written
            target.parent.mkdir(parents=True, exist_ok=True)
            (target.parent / f".{target.stem}.123.tmp.jpg").write_bytes(b"half")
            (how.output / "annotations" / "val" / ".b.123.tmp.json").write_bytes(b"half")
            raise KeyboardInterrupt
        return write(source, target, side)

    monkeypatch.setattr(module, "_write_image", killed)
    with pytest.raises(KeyboardInterrupt):
        run(root, "dcpose", how)
    assert [path.name for path in dataset_files(how.output)] == ["a.json"]
    monkeypatch.undo()
    assert run(root, "dcpose", how) == Summary(1, 1, frames=5, missing=0)
    assert run(root, "dcpose", how) == Summary(0, 2, frames=0, missing=0)
    run(root, "dcpose", plan(tmp_path / "whole", max_side=max_side))
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_other_settings_need_another_folder(tmp_path: Path) -> None:
    root, output = source18(tmp_path / "in"), tmp_path / "out"
    run(root, "posetrack18", plan(output, span=1))
    with pytest.raises(OutputError, match=r"clip\.json: made with .*\(span: 1 -> 2\); choose"):
        run(root, "posetrack18", plan(output, span=2))
    (output / "annotations/val/clip.json").unlink()
    with pytest.raises(OutputError, match=r"images of another run \(000001\.jpg\)"):
        run(root, "posetrack18", plan(output, span=0))
    with pytest.raises(OutputError, match="is the data set itself"):
        run(root, "posetrack18", plan(root))


def test_labels_that_changed_are_not_taken_for_prepared(tmp_path: Path) -> None:
    root, output = source18(tmp_path / "in"), tmp_path / "out"
    run(root, "posetrack18", plan(output))
    (file,) = (root / "annotations" / "val").glob("*.json")
    content = json.loads(file.read_text())
    content["annotations"][0]["keypoints"][0] += 1
    save(file, content)
    with pytest.raises(OutputError, match=r"\(annotations: \w{12}\.\.\. -> \w{12}\.\.\.\); choose"):
        run(root, "posetrack18", plan(output))


def test_missing_images(tmp_path: Path) -> None:
    root = source18(tmp_path / "in")
    (root / "images/val/clip/000001.jpg").unlink()
    assert run(root, "posetrack18", plan(tmp_path / "out")).missing == 1
    early = read_back(tmp_path / "out")[0]
    assert [frame.stem for frame in early.frames] == ["000002", "000003", "000004"]
    (root / "images/val/clip/000009.jpg").unlink()
    with pytest.raises(DataError, match=r"000009\.jpg: a labelled frame is missing"):
        run(root, "posetrack18", plan(tmp_path / "again"))
    assert not (tmp_path / "again" / "annotations").exists()


def test_without_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("no links between disks")

    root, output = source18(tmp_path / "in"), tmp_path / "out"
    monkeypatch.setattr(os, "link", refused)
    run(root, "posetrack18", plan(output))
    name = "images/val/clip/000002.jpg"
    assert (output / name).read_bytes() == (root / name).read_bytes()
    assert not (output / name).samefile(root / name)


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    root = source_dcpose(tmp_path / "in")
    path = root / "annotations" / "val.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["images"][1]["file_name"] = "images/test/a/000003.jpg"
    save_images(root, [f"images/test/a/{at:06d}.jpg" for at in range(6)])
    save(path, content)
    with pytest.raises(DataError, match="a second video is called a"):
        run(root, "dcpose", plan(tmp_path / "out"))
