"""PoseTrack18's and 21's per-video files: all frames in order, records only of labelled people."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import NAMES, keypoints, person18, save, video18

from tarvitpose.data.posetrack import posetrack18_videos, read_posetrack18
from tarvitpose.data.records import read_image
from tarvitpose.data.videos import box_around
from tarvitpose.errors import DataError
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17
from tarvitpose.utils.json_file import Entry

SHARED = Path(__file__).parents[3] / "shared" / "data" / "posetrack18_sample"


def write(folder: Path, content: Any, name: str = "clip.json") -> Path:
    return save(folder / name, content)


def test_a_record_has_all_frames_of_its_video_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, video18([person18(89, 0), person18(88, 5)]))
    first, second = read_posetrack18(path, Path("/pt"), POSETRACK_15)
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
        (one,) = read_posetrack18(path, tmp_path, joints)
        assert one.keypoints.shape == (len(joints), 2)
        assert one.keypoints[joints.joints.index("left_knee")].tolist() == [33, 44]
        assert one.keypoints[joints.joints.index("nose")].tolist() == [11, 22]
        assert one.visible.sum() == seen
        assert one.box == (10, 20, 40, 60)
        with pytest.raises(ValueError, match="read-only"):
            one.keypoints[0] = 0


def test_unlabelled_frames_and_people_without_joints_give_no_record(tmp_path: Path) -> None:
    unseen = person18(89, 1, keypoints=[0] * 51)
    ears_only = person18(89, 2, keypoints=keypoints({"left_ear": (5, 6)}))
    unlabelled = person18(90, 3)
    path = write(tmp_path, video18([unseen, ears_only, unlabelled, person18(88, 4)]))
    assert [one.name for one in read_posetrack18(path, tmp_path, POSETRACK_15)] == ["clip/000002#4"]


@pytest.mark.parametrize("bbox", [None, [], [10, 20, 0, 40]])
def test_a_box_that_is_missing_is_made_from_the_visible_joints(
    tmp_path: Path, bbox: list[float] | None
) -> None:
    points = keypoints({"nose": (100, 50), "left_ankle": (200, 250)})
    someone = person18(89, 0, keypoints=points, bbox=bbox)
    (one,) = read_posetrack18(write(tmp_path, video18([someone])), tmp_path, POSETRACK_15)
    assert one.box == pytest.approx((85, 20, 215, 280))


def test_a_box_around_one_joint_is_not_tiny() -> None:
    assert box_around(np.array([[50, 60]], np.float32)) == (34, 44, 66, 76)


def test_frames_beyond_a_gap_are_no_neighbours(tmp_path: Path) -> None:
    """Frames 0, 1 | 7, 8, 9: what lies before 7 in time is not known, and 7 is repeated."""
    content = video18([person18(89, 0), person18(82, 0)], (0, 1, 7, 8, 9), labelled=(1, 8))
    early, late = read_posetrack18(write(tmp_path, content), tmp_path, POSETRACK_15)
    assert [frame.stem for frame in early.frames] == ["000000", "000001"]
    assert [frame.stem for frame in late.frames] == ["000007", "000008", "000009"]
    assert (early.current, late.current) == (1, 1)


def test_images_without_numbers_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    content = video18([person18(89, 0)])
    for image in content["images"]:
        image["file_name"] = f"images/val/clip/{'abcd'[90 - image['id']]}.jpg"
    (one,) = read_posetrack18(write(tmp_path, content), tmp_path, POSETRACK_15)
    assert [frame.stem for frame in one.frames] == ["a", "b", "c", "d"]
    assert one.current == 1


def test_images_of_posetrack21_have_an_image_id_and_no_frame_id(tmp_path: Path) -> None:
    content = video18([person18(89, 0, person_id=1024)])
    for image in content["images"]:
        image["image_id"] = image["id"]
        image["has_labeled_person"] = True
        del image["id"], image["frame_id"]
    path = write(tmp_path, content)
    assert [one.name for one in read_posetrack18(path, tmp_path, POSETRACK_15)] == ["clip/000001#0"]


def test_head_boxes_and_ignore_regions_are_read(tmp_path: Path) -> None:
    content = video18([person18(89, 0)])
    content["images"][2] |= {"ignore_regions_x": [[1, 5, 5]], "ignore_regions_y": [[2, 2, 9]]}
    (video,) = posetrack18_videos(Path("clip.json"), Entry("clip.json", content))
    frame = video.frames[1]
    assert [one.tolist() for one in frame.ignored] == [[[1, 2], [5, 2], [5, 9]]]
    assert frame.people[0].head == (8, 18, 14, 26)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "._a.json"):  # macOS leaves such files on other disks
        write(tmp_path, video18([person18(89, 0)]), name)
    records = read_posetrack18(tmp_path, tmp_path, POSETRACK_15)
    assert [one.name for one in records] == ["a/000001#0", "b/000001#0"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no JSON files"):
        read_posetrack18(tmp_path, tmp_path, POSETRACK_15)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    someone = person18(89, 0)
    del someone["image_id"]
    path = write(tmp_path, video18([someone]))
    with pytest.raises(DataError, match=r"clip\.json: annotations\[0\]: image_id is missing"):
        read_posetrack18(path, tmp_path, POSETRACK_15)


@pytest.mark.parametrize("field", ["id", "file_name"])
def test_a_missing_field_of_an_image_is_named(tmp_path: Path, field: str) -> None:
    content = video18([])
    del content["images"][2][field]
    with pytest.raises(DataError, match=rf"clip\.json: images\[2\]: {field} is missing"):
        read_posetrack18(write(tmp_path, content), tmp_path, POSETRACK_15)


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
        read_posetrack18(path, tmp_path, POSETRACK_15)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/posetrack18_sample")
def test_the_official_sample_reads() -> None:
    records = read_posetrack18(SHARED / "annotations" / "val", SHARED, POSETRACK_15)
    assert len(records) == 14
    assert len({one.name for one in records}) == 14
    assert {read_image(one.frames[one.current], one.name).shape for one in records} == {
        (1080, 1920, 3)
    }
    for one in records:
        seen = one.keypoints[one.visible > 0]
        middle = np.array([one.box[0] + one.box[2], one.box[1] + one.box[3]]) / 2
        assert np.abs(np.median(seen, 0) - middle).max() < max(
            one.box[2] - one.box[0], one.box[3] - one.box[1]
        )
