"""PoseTrack18's per-video files: all frames in order, records only of labelled people."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tarvitpose.data.posetrack import box_around, read_posetrack18
from tarvitpose.data.records import read_image
from tarvitpose.errors import DataError
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17

SHARED = Path(__file__).parents[2] / "shared" / "data" / "posetrack18_sample"
NAMES = list(POSETRACK_17.joints)


def keypoints(**points: tuple[float, float]) -> list[float]:
    flat: list[float] = []
    for name in NAMES:
        flat += [*points[name], 1] if name in points else [0, 0, 0]
    return flat


def person(image_id: int, track: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": image_id * 100 + track,
        "image_id": image_id,
        "track_id": track,
        "bbox": [10, 20, 30, 40],
        "keypoints": keypoints(nose=(11, 22), left_knee=(33, 44), left_ear=(5, 6)),
        **changes,
    }


def video(annotations: list[dict[str, Any]], frames: int = 4) -> dict[str, Any]:
    """Frames 0 to 3 in the wrong order; 1 and 2 are labelled. Ids have nothing to do with order."""
    images = [
        {
            "id": 90 - at,
            "frame_id": 90 - at,
            "file_name": f"images/val/clip/{at:06d}.jpg",
            "is_labeled": at in (1, 2),
        }
        for at in reversed(range(frames))
    ]
    return {"categories": [{"keypoints": NAMES}], "images": images, "annotations": annotations}


def write(folder: Path, content: Any, name: str = "clip.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_record_has_all_frames_of_its_video_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, video([person(89, 0), person(88, 5)]))
    first, second = read_posetrack18(path, Path("/pt"), POSETRACK_15)
    assert [frame.name for frame in first.frames] == [f"{at:06d}.jpg" for at in range(4)]
    assert first.frames == second.frames
    assert first.frames[0] == Path("/pt/images/val/clip/000000.jpg")
    assert (first.current, second.current) == (1, 2)
    assert (first.name, second.name) == ("clip/000001#0", "clip/000002#5")


def test_joints_are_mapped_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, video([person(89, 0)]))
    for joints, seen in ((POSETRACK_15, 2), (POSETRACK_17, 3)):
        (one,) = read_posetrack18(path, tmp_path, joints)
        assert one.keypoints.shape == (len(joints), 2)
        assert one.keypoints[joints.joints.index("left_knee")].tolist() == [33, 44]
        assert one.visible.sum() == seen
        assert one.box == (10, 20, 40, 60)


def test_unlabelled_frames_and_people_without_joints_give_no_record(tmp_path: Path) -> None:
    unseen = person(89, 1, keypoints=[0] * 51)
    ears_only = person(89, 2, keypoints=keypoints(left_ear=(5, 6)))
    unlabelled = person(90, 3)
    path = write(tmp_path, video([unseen, ears_only, unlabelled, person(88, 4)]))
    assert [one.name for one in read_posetrack18(path, tmp_path, POSETRACK_15)] == ["clip/000002#4"]


def test_a_missing_box_is_made_from_the_visible_joints(tmp_path: Path) -> None:
    points = keypoints(nose=(100, 50), left_ankle=(200, 250))
    someone = person(89, 0, keypoints=points)
    del someone["bbox"]
    (one,) = read_posetrack18(write(tmp_path, video([someone])), tmp_path, POSETRACK_15)
    assert one.box == pytest.approx((85, 20, 215, 280))


def test_a_box_around_one_joint_is_not_tiny() -> None:
    assert box_around(np.array([[50, 60]], np.float32)) == (34, 44, 66, 76)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for name in ("b.json", "a.json"):
        write(tmp_path, video([person(89, 0)]), name)
    records = read_posetrack18(tmp_path, tmp_path, POSETRACK_15)
    assert [one.name for one in records] == ["a/000001#0", "b/000001#0"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no JSON files"):
        read_posetrack18(tmp_path, tmp_path, POSETRACK_15)


@pytest.mark.parametrize("field", ["image_id", "keypoints"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    someone = person(89, 0)
    del someone[field]
    path = write(tmp_path, video([someone]))
    with pytest.raises(DataError, match=rf"clip\.json: annotations\[0\]: {field} is missing"):
        read_posetrack18(path, tmp_path, POSETRACK_15)


@pytest.mark.parametrize("field", ["id", "file_name"])
def test_a_missing_field_of_an_image_is_named(tmp_path: Path, field: str) -> None:
    content = video([])
    del content["images"][2][field]
    with pytest.raises(DataError, match=rf"clip\.json: images\[2\]: {field} is missing"):
        read_posetrack18(write(tmp_path, content), tmp_path, POSETRACK_15)


def test_a_person_of_no_image_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, video([person(12, 0)]))
    with pytest.raises(DataError, match=r"annotations\[0\]: image_id 12 is not among"):
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
