"""PoseTrack18's and 21's per-video files: all frames in order, records only of labelled people."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import NAMES, keypoints, person18, save, video18

from tarvitpose.data.posetrack import posetrack18_videos
from tarvitpose.data.records import read_image
from tarvitpose.data.sources import read_records
from tarvitpose.data.videos import box_around
from tarvitpose.errors import DataError
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17
from tarvitpose.utils.json_file import Entry

SHARED = Path(__file__).parents[3] / "shared" / "data" / "posetrack18_sample"


def write(folder: Path, content: Any, name: str = "clip.json") -> Path:
    return save(folder / name, content)


def test_a_record_has_all_frames_of_its_video_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, video18([person18(89, 0), person18(88, 5)]))
    first, second = read_records("posetrack18", path, POSETRACK_15, Path("/pt"))
    assert [frame.name for frame in first.frames] == [f"{at:06d}.jpg" for at in range(4)]
    assert first.frames == second.frames
    assert first.frames[0] == Path("/pt/images/val/clip/000000.jpg")
    assert (first.current, second.current) == (1, 2)
    assert (first.name, second.name) == ("clip/000001#0", "clip/000002#5")


def test_joints_are_mapped_by_name_in_any_order(tmp_path: Path) -> None:
    shuffled = NAMES[5:] + NAMES[:5]
    points = {"left_knee": (33, 44), "nose": (11, 22), "left_ear": (5, 6)}
    content = video18([person18(89, 0, keypoints=keypoints(points, shuffled))])
    content["categories"] = [{"keypoints": shuffled}]
    path = write(tmp_path, content)
    for joints, seen in ((POSETRACK_15, 2), (POSETRACK_17, 3)):
        (record,) = read_records("posetrack18", path, joints, tmp_path)
        assert record.keypoints.shape == (len(joints), 2)
        assert record.keypoints[joints.joints.index("left_knee")].tolist() == [33, 44]
        assert record.keypoints[joints.joints.index("nose")].tolist() == [11, 22]
        assert record.visible.sum() == seen
        assert record.box == (10, 20, 40, 60)
        with pytest.raises(ValueError, match="read-only"):
            record.keypoints[0] = 0


def test_unlabelled_frames_and_people_without_joints_give_no_record(tmp_path: Path) -> None:
    unseen = person18(89, 1, keypoints=[0] * 51)
    ears_only = person18(89, 2, keypoints=keypoints({"left_ear": (5, 6)}))
    unlabelled = person18(90, 3)
    path = write(tmp_path, video18([unseen, ears_only, unlabelled, person18(88, 4)]))
    assert [
        record.name for record in read_records("posetrack18", path, POSETRACK_15, tmp_path)
    ] == ["clip/000002#4"]


@pytest.mark.parametrize("bbox", [None, [], [10, 20, 0, 40]])
def test_a_box_that_is_missing_is_made_from_the_visible_joints(
    tmp_path: Path, bbox: list[float] | None
) -> None:
    points = keypoints({"nose": (100, 50), "left_ankle": (200, 250)})
    someone = person18(89, 0, keypoints=points, bbox=bbox)
    (record,) = read_records(
        "posetrack18", write(tmp_path, video18([someone])), POSETRACK_15, tmp_path
    )
    assert record.box == pytest.approx((85, 20, 215, 280))


def test_a_box_around_one_joint_is_not_tiny() -> None:
    assert box_around(np.array([[50, 60]], np.float32)) == (34, 44, 66, 76)


def test_frames_beyond_a_gap_are_no_neighbours(tmp_path: Path) -> None:
    """Frames 0, 1 | 7, 8, 9: what lies before 7 in time is not known, and 7 is repeated."""
    content = video18([person18(89, 0), person18(82, 0)], (0, 1, 7, 8, 9), labelled=(1, 8))
    early, late = read_records("posetrack18", write(tmp_path, content), POSETRACK_15, tmp_path)
    assert [frame.stem for frame in early.frames] == ["000000", "000001"]
    assert [frame.stem for frame in late.frames] == ["000007", "000008", "000009"]
    assert (early.current, late.current) == (1, 1)


def test_images_without_numbers_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    content = video18([person18(89, 0)])
    for image in content["images"]:
        image["file_name"] = f"images/val/clip/{'abcd'[90 - image['id']]}.jpg"
    (record,) = read_records("posetrack18", write(tmp_path, content), POSETRACK_15, tmp_path)
    assert [frame.stem for frame in record.frames] == ["a", "b", "c", "d"]
    assert record.current == 1


def test_images_of_posetrack21_have_an_image_id_and_no_frame_id(tmp_path: Path) -> None:
    content = video18([person18(89, 0, person_id=1024)])
    for image in content["images"]:
        image["image_id"] = image["id"]
        image["has_labeled_person"] = True
        del image["id"], image["frame_id"]
    path = write(tmp_path, content)
    assert [
        record.name for record in read_records("posetrack18", path, POSETRACK_15, tmp_path)
    ] == ["clip/000001#0"]


def test_head_boxes_and_ignore_regions_are_read(tmp_path: Path) -> None:
    content = video18([person18(89, 0)])
    content["images"][2] |= {"ignore_regions_x": [[1, 5, 5]], "ignore_regions_y": [[2, 2, 9]]}
    (video,) = posetrack18_videos(Path("clip.json"), Entry("clip.json", content))
    frame = video.frames[1]
    assert [polygon.tolist() for polygon in frame.ignored] == [[[1, 2], [5, 2], [5, 9]]]
    assert frame.people[0].head == (8, 18, 14, 26)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "._a.json"):  # macOS leaves such files on other disks
        write(tmp_path, video18([person18(89, 0)]), name)
    records = read_records("posetrack18", tmp_path, POSETRACK_15, tmp_path)
    assert [record.name for record in records] == ["a/000001#0", "b/000001#0"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": 12}, r"image_id 12 is not among"),
        ({"image_id": [89]}, r"image_id: expected a whole number, found \[89\]"),
        ({"track_id": "x"}, r"track_id: expected a whole number, found 'x'"),
        ({"bbox": [1, 2, 3]}, r"bbox: expected 4 numbers"),
    ],
)
def test_what_a_person_has_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, video18([{**person18(89, 0), **changes}]))
    with pytest.raises(DataError, match=rf"clip\.json: annotations\[0\].*{message}"):
        read_records("posetrack18", path, POSETRACK_15, tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/posetrack18_sample")
def test_the_official_sample_reads() -> None:
    records = read_records("posetrack18", SHARED / "annotations" / "val", POSETRACK_15, SHARED)
    assert len(records) == 14
    assert len({record.name for record in records}) == 14
    assert {read_image(record.frames[record.current], record.name).shape for record in records} == {
        (1080, 1920, 3)
    }
    for record in records:
        seen = record.keypoints[record.visible > 0]
        middle = np.array([record.box[0] + record.box[2], record.box[1] + record.box[3]]) / 2
        assert np.abs(np.median(seen, 0) - middle).max() < max(
            record.box[2] - record.box[0], record.box[3] - record.box[1]
        )
