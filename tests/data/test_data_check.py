"""Every kind of fault that breaks a training is found, and nothing else."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import (
    SIZE,
    dcpose,
    frame17,
    image_dcpose,
    keypoints,
    person17,
    person18,
    save,
    save_images,
    video18,
)

from tarvitpose.config import AnnotationFormat
from tarvitpose.data.check import DataReport, check_data

CLIP = [f"images/val/clip/{at:06d}.jpg" for at in range(4)]


def check(
    root: Path, content: Any, layout: AnnotationFormat = "posetrack18", *, quick: bool = False
) -> DataReport:
    path = save(root / "annotations" / "val" / "clip.json", content)
    return check_data([path], layout, root, quick=quick, progress=lambda _, __: None)


def faults(
    root: Path, content: Any, layout: AnnotationFormat = "posetrack18", **how: bool
) -> dict[str, Any]:
    return check(root, content, layout, **how).by_kind()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    save_images(tmp_path, CLIP)
    return tmp_path


@pytest.mark.parametrize("quick", [True, False])
def test_a_data_set_in_order_has_no_faults(images: Path, quick: bool) -> None:
    unseen = person18(88, 1, keypoints=[0] * 51, bbox=[-500, 0, 1, 1])  # never becomes a record
    report = check(images, video18([person18(89, 0), person18(88, 0), unseen]), quick=quick)
    notes = (
        ("no labelled joint", "clip.json: annotations[2] (id 8801), images/val/clip/000002.jpg"),
    )
    assert report == DataReport(
        "posetrack18", videos=1, frames=4, labelled=2, people=2, faults=(), notes=notes
    )


def test_missing_images_are_told_from_missing_neighbours(images: Path) -> None:
    for name in (CLIP[0], CLIP[2]):
        (images / name).unlink()
    listed = faults(images, video18([person18(89, 0)]))
    assert listed == {"missing image": [CLIP[2]], "missing neighbour": [CLIP[0]]}


@pytest.mark.parametrize(
    ("content", "message", "quick"),
    [
        (b"", "empty", True),
        (b"", "empty", False),
        (b"<html>not found</html>", "begins like no image", True),
        (b"<html>not found</html>", "cannot be decoded", False),
        (b"\xff\xd8\xff\xe0" + bytes(400), "cannot be decoded", False),
    ],
)
def test_what_is_no_image(images: Path, content: bytes, message: str, quick: bool) -> None:
    (images / CLIP[3]).write_bytes(content)
    listed = faults(images, video18([person18(89, 0)]), quick=quick)
    assert listed == {"broken image": [f"{CLIP[3]}: {message}"]}


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_that_are_cut_off_are_broken(tmp_path: Path, suffix: str) -> None:
    name = f"one{suffix}"
    save_images(tmp_path, [name], size=(200, 300))
    content = dcpose([{"id": 1, "file_name": name}], [person18(1, 0)])
    assert not faults(tmp_path, content, "coco")
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole + bytes(100))  # some cameras append zeros
    assert not faults(tmp_path, content, "coco")
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    assert list(faults(tmp_path, content, "coco")) == ["broken image"]


@pytest.mark.parametrize(
    ("bbox", "is_outside"),
    [
        ([SIZE[1] - 1, 0, 50, 40], False),
        ([SIZE[1], 0, 50, 40], True),
        ([-49, 20, 50, 40], False),
        ([-50, 20, 50, 40], True),
        ([10, SIZE[0], 50, 40], True),
        ([10, -40, 50, 40], True),
        ([-100, -100, 500, 500], False),
    ],
)
def test_only_boxes_with_no_pixel_of_the_image_are_outside(
    images: Path, bbox: list[float], is_outside: bool
) -> None:
    someone = person18(89, 4, bbox=bbox)
    listed = faults(images, video18([someone])).get("box outside", [])
    assert listed == (["clip/000001#4"] if is_outside else [])


def test_without_decoding_the_size_that_the_file_tells_counts(tmp_path: Path) -> None:
    save_images(tmp_path, CLIP[:1])
    someone = person18(1, 0, bbox=[SIZE[1], 0, 50, 40])
    images = [image_dcpose(1, CLIP[0], 1)]
    listed = faults(tmp_path, dcpose(images, [someone]), "dcpose", quick=True)
    assert listed["box outside"] == ["clip/000000#0"]


@pytest.mark.parametrize(
    ("point", "is_far"),
    [((-4, 20), False), ((-6, 20), True), ((55, 79), False), ((55, 81), True), ((20, -1), True)],
)
def test_joints_may_be_half_a_box_away(
    images: Path, point: tuple[float, float], is_far: bool
) -> None:
    """The box is 10..40 across and 20..60 down: its margin is 15 and 20."""
    someone = person18(89, 0, keypoints=keypoints({"nose": point}))
    assert ("joint far from box" in faults(images, video18([someone]))) == is_far


def test_boxes_without_area_and_without_boxes(images: Path) -> None:
    flat, absent = person18(89, 0, bbox=[10, 20, 0, 40]), person18(89, 1, bbox=None)
    listed = faults(images, video18([flat, absent]))
    assert listed == {"box without area": ["clip/000001#0"]}


def test_ids_that_stand_twice(images: Path) -> None:
    people = [person18(89, 0), person18(89, 0), person18(88, 0, id=7), person18(88, 1, id=7)]
    listed = faults(images, video18(people))
    assert listed == {
        "duplicate id": ["clip.json: 8900", "clip.json: 7"],
        "duplicate track id": ["clip/000001#0"],
    }


def test_frame_counts_are_compared_with_the_disk(images: Path) -> None:
    content = video18([person18(89, 0)])
    for image in content["images"]:
        image["nframes"] = 4
    assert not faults(images, content)
    (images / CLIP[3]).unlink()
    content["images"] = content["images"][1:]
    assert faults(images, content) == {
        "frame count": ["clip: nframes is 4, on disk 3, listed 3"],
    }


def test_gaps_matter_beside_labels_only(tmp_path: Path) -> None:
    numbers = (0, 1, 2, 8, 9)
    save_images(tmp_path, [f"images/val/clip/{at:06d}.jpg" for at in numbers])
    fine = video18([person18(89, 0)], numbers, labelled=(0, 1, 9))
    assert not faults(tmp_path, fine)
    broken = video18([person18(88, 0)], numbers, labelled=(2,))
    assert faults(tmp_path, broken) == {"gap beside a label": ["clip/000002"]}


def test_posetrack17_is_checked_alike(tmp_path: Path) -> None:
    names = [f"images/val/clip/{at:08d}.jpg" for at in (1, 2)]
    save_images(tmp_path, names)
    people = [person17(3), person17(3)]
    content = {"annolist": [frame17(1, *people), frame17(2), frame17(3, person17())]}
    assert faults(tmp_path, content, "posetrack17") == {
        "missing image": ["images/val/clip/00000003.jpg"],
        "duplicate track id": ["clip/00000001#3"],
    }


def test_what_posetrack17_leaves_open_is_told(tmp_path: Path) -> None:
    names = [f"images/val/clip/{at:08d}.jpg" for at in (1, 2, 3)]
    save_images(tmp_path, names)
    odd = person17(1)
    points = odd["annopoints"][0]["point"]
    points += [points[0], {**points[0], "id": [15]}]
    people = [person17(0), odd, {**person17(2), "annopoints": []}]
    content = {"annolist": [frame17(1, *people), frame17(2, person17(), is_labeled=[0])]}
    report = check(tmp_path, content, "posetrack17")
    assert report.faults == ()
    location = "clip.json: annolist[0].annorect[{}], " + names[0]
    assert report.notes_by_kind() == {
        "no keypoints": [location.format(2)],
        "unlabelled frame": [f"clip.json: annolist[1].annorect[0], {names[1]}"],
        "no box": [location.format(0), location.format(1)],
        "unknown joint": [location.format(1)],
        "joint given twice": [location.format(1)],
        "unlisted frame": [names[2]],
    }


def test_people_in_unlabelled_frames_are_told(images: Path) -> None:
    report = check(images, video18([person18(89, 0), person18(90, 0)]))
    assert report.notes_by_kind() == {
        "unlabelled frame": [f"clip.json: annotations[1] (id 9000), {CLIP[0]}"]
    }


def test_unlisted_frames_of_dcpose_are_looked_for(tmp_path: Path) -> None:
    save_images(tmp_path, CLIP[:2])
    content = dcpose([image_dcpose(1, CLIP[1], 3)], [person18(1, 0)])
    assert faults(tmp_path, content, "dcpose") == {
        "missing neighbour": [CLIP[2]],
        "frame count": ["clip: nframes is 3, on disk 2, listed 3"],
    }


def test_a_file_that_cannot_be_read_is_a_fault_and_the_others_are_checked(images: Path) -> None:
    good = save(images / "annotations" / "good.json", video18([person18(89, 0)]))
    bad = save(images / "annotations" / "bad.json", video18([person18(12, 0)]))
    report = check_data([bad, good], "posetrack18", None, quick=True, progress=lambda _, __: None)
    assert report.videos == 1
    ((kind, location),) = report.faults
    assert kind == "annotations"
    assert location.startswith(f"{bad}: annotations[0]: image_id 12 is not among")


def test_progress_counts_every_frame(images: Path) -> None:
    path = save(images / "annotations" / "clip.json", video18([person18(89, 0)]))
    steps: list[tuple[int, int]] = []
    check_data([path], "posetrack18", images, quick=True, progress=lambda *now: steps.append(now))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_grey_images_are_images(images: Path) -> None:
    assert cv2.imwrite(str(images / CLIP[1]), np.zeros(SIZE, np.uint8))
    assert not faults(images, video18([person18(89, 0)]))
