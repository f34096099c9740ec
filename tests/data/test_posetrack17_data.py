"""PoseTrack2017's per-video files: points by id, frames from 1, frames that are only on disk."""

from pathlib import Path
from typing import Any

import pytest
from label_files import frame17, person17, save, save_images

from tarvitpose.data.records import Record
from tarvitpose.data.sources import open_annotations, read_records, read_videos, records_of_file
from tarvitpose.errors import DataError
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17


def read(root: Path, *frames: dict[str, Any], joints: Any = POSETRACK_15) -> list[Record]:
    path = save(root / "annotations" / "val" / "clip.json", {"annolist": list(frames)})
    return records_of_file(open_annotations(path, "posetrack17", root), joints)


def test_points_are_mapped_by_id_and_the_box_is_made_from_them(tmp_path: Path) -> None:
    points = {"left_knee": (200.0, 250.0), "right_ankle": (100.0, 50.0)}
    for joints in (POSETRACK_15, POSETRACK_17):
        (record,) = read(tmp_path, frame17(1, person17(7, points)), joints=joints)
        assert record.keypoints[joints.joints.index("left_knee")].tolist() == [200, 250]
        assert record.keypoints[joints.joints.index("right_ankle")].tolist() == [100, 50]
        assert record.visible.sum() == 2
        assert record.box == pytest.approx((90, 30, 210, 270))  # 1.2 times 100 x 200
        assert record.name == "clip/00000001#7"
        with pytest.raises(ValueError, match="read-only"):
            record.visible[0] = 0


def test_the_scale_of_boxes_is_a_choice(tmp_path: Path) -> None:
    frame = frame17(1, person17(7, {"left_knee": (200.0, 250.0), "right_ankle": (100.0, 50.0)}))
    path = save(tmp_path / "clip.json", {"annolist": [frame]})
    (record,) = read_records("posetrack17", path, POSETRACK_15, tmp_path, box_scale=1.3)
    assert record.box == pytest.approx((85, 20, 215, 280))
    (video,) = read_labelled("posetrack17", path, POSETRACK_15, images=tmp_path)
    assert video.frames[0].people.boxes[0].tolist() == pytest.approx([90, 30, 210, 270])


def test_frames_that_are_only_on_disk_are_neighbours(tmp_path: Path) -> None:
    names = [f"images/val/clip/{number:08d}.jpg" for number in range(1, 7)]
    save_images(tmp_path, [*names, "images/val/clip/cover.jpg", "images/val/clip/00000003.png"])
    (record,) = read(tmp_path, frame17(4, person17()), frame17(3), frame17(5))
    assert record.frames == tuple(tmp_path / name for name in names)
    assert record.current == 3


def test_without_images_the_listed_frames_are_the_video(tmp_path: Path) -> None:
    (record,) = read(tmp_path, frame17(4), frame17(5, person17()), frame17(6))
    assert [frame.stem for frame in record.frames] == ["00000004", "00000005", "00000006"]
    assert record.current == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"is_labeled": [0]},
        {"annorect": []},
        {"annorect": None},
        {"annorect": [person17(annopoints=[])]},
        {"annorect": [person17(annopoints=[{"point": []}])]},
    ],
)
def test_frames_and_people_without_labels_give_no_record(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert read(tmp_path, frame17(1, person17(), **changes)) == []


def test_where_no_frame_is_marked_those_with_people_are_labelled(tmp_path: Path) -> None:
    frames = [frame17(1, is_labeled=None), frame17(2, person17(), is_labeled=None)]
    assert [record.current for record in read(tmp_path, *frames)] == [1]


def test_head_boxes_and_ignore_regions_are_read(tmp_path: Path) -> None:
    region = {"point": [{"x": [1], "y": [2]}, {"x": [5], "y": [2]}, {"x": [5], "y": [9]}]}
    swapped = person17(x1=[14], x2=[8])  # a few corners are given the other way round
    content = {"annolist": [frame17(1, swapped, person17(), ignore_regions=[region])]}
    path = save(tmp_path / "clip.json", content)
    (video,) = read_videos(open_annotations(path, "posetrack17", tmp_path))
    (frame,) = video.frames
    assert [polygon.tolist() for polygon in frame.ignored] == [[[1, 2], [5, 2], [5, 9]]]
    assert [person.head for person in frame.people] == [(8, 18, 14, 26)] * 2


def test_people_without_track_ids_are_told_apart(tmp_path: Path) -> None:
    records = read(tmp_path, frame17(1, person17(None), person17(None)))
    assert [record.name for record in records] == ["clip/00000001#0", "clip/00000001#1"]


def test_what_is_wrong_names_file_entry_and_field(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clip\.json: annolist\[0\]: image is missing"):
        read(tmp_path, frame17(1, image=None))
    with pytest.raises(DataError, match=r"annorect\[1\]: y2 is missing"):
        read(tmp_path, frame17(1, person17(), person17(y2=None)))
