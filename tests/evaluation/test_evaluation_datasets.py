"""Labelled frames with people, neighbours and truth, in every layout; and whose boxes they get."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import (
    NAMES,
    PLACES,
    dcpose,
    frame17,
    image_dcpose,
    person17,
    person18,
    save,
    video18,
)

from tarvitpose.errors import BoxesError, DataError
from tarvitpose.evaluation.boxes import BOX_THRESHOLD, open_boxes
from tarvitpose.evaluation.datasets import LabelledVideo, read_labelled
from tarvitpose.skeleton import COCO_17, POSETRACK_15

NOSE, KNEE = POSETRACK_15.joints.index("nose"), POSETRACK_15.joints.index("left_knee")
SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "posetrack18_sample"
IMAGE = np.zeros((60, 80, 3), np.uint8)


def read(layout: Any, path: Path, **options: Any) -> list[LabelledVideo]:
    return read_labelled(layout, path, POSETRACK_15, **options)


def names_of(video: LabelledVideo, offsets: tuple[int, ...] = (-1, 0, 1)) -> list[list[str]]:
    """Return the windows of a video by the stems of their images, all of which exist."""
    return [
        [path.stem for path in frame.window(offsets, lambda _: True)[0]] for frame in video.frames
    ]


@pytest.fixture
def clip18(tmp_path: Path) -> Path:
    """Return a PoseTrack18 video of four frames; the second and third are labelled."""
    people = [person18(89, 5), person18(89, 3), person18(88, 5, keypoints=[0] * 51)]
    return save(tmp_path / "annotations" / "clip.json", video18(people))


def test_a_posetrack18_video(clip18: Path) -> None:
    [video] = read("posetrack18", clip18)
    assert (video.name, video.are_stills) == ("clip", False)
    first, second = video.frames
    assert (first.name, first.image_id, first.number) == ("images/val/clip/000001.jpg", 89, 1)
    assert names_of(video) == [["000000", "000001", "000002"], ["000001", "000002", "000003"]]
    assert first.people.boxes.tolist() == [[10, 20, 40, 60]] * 2
    assert first.people.keypoints[0, NOSE].tolist() == list(PLACES["nose"])
    assert first.people.visible.sum(1).tolist() == [2, 2]
    assert first.people.heads.tolist() == [[8, 18, 14, 26]] * 2
    assert first.truth is not None
    assert len(first.truth.keypoints) == 2
    # A person without joints is nobody to crop, and counts for AP all the same.
    assert second.truth is not None
    assert (len(second.people.boxes), len(second.truth.keypoints)) == (0, 1)


def test_a_posetrack17_video(tmp_path: Path) -> None:
    frames = [frame17(3), frame17(4, person17()), frame17(5, person17(points={}))]
    [video] = read("posetrack17", save(tmp_path / "clip.json", {"annolist": frames}))
    first, second = video.frames
    assert (first.name, first.image_id, first.number) == ("images/val/clip/00000004.jpg", None, 3)
    assert names_of(video) == [
        ["00000003", "00000004", "00000005"],
        ["00000004", *["00000005"] * 2],
    ]
    assert (first.people.boxes[:, 2:] - first.people.boxes[:, :2] >= 32).all()  # from the joints
    assert first.people.keypoints[0, KNEE].tolist() == list(PLACES["left_knee"])
    assert first.people.heads.tolist() == [[8, 18, 14, 26]]
    assert len(second.people.boxes) == 0


def test_a_merged_file_is_many_videos(tmp_path: Path) -> None:
    names = ["images/val/b/000002.jpg", "images/val/b/000003.jpg", "images/val/a/00000001.jpg"]
    images = [image_dcpose(at, name, 5) for at, name in enumerate(names, 7)]
    people = [person18(at, 0) for at in (7, 8, 9)]
    path = save(tmp_path / "all.json", dcpose(images, people))
    videos = {video.name: video for video in read("dcpose", path)}
    assert {name: len(video.frames) for name, video in videos.items()} == {"a": 1, "b": 2}
    assert names_of(videos["b"])[0] == [
        "000001",
        "000002",
        "000003",
    ]  # by counting
    assert names_of(videos["a"]) == [["00000001", "00000001", "00000002"]]
    assert videos["a"].frames[0].image_id == 9
    assert len(read("dcpose", path, limit=1)) == 1


def stills(tmp_path: Path) -> Path:
    images = [{"id": at, "file_name": f"images/{at:03d}.jpg"} for at in (31, 12)]
    people = [person18(12, 0), person18(12, 1, iscrowd=1)]
    content = {"images": images, "annotations": people}
    categories = [{"id": 1, "name": "person", "keypoints": NAMES}]
    return save(tmp_path / "stills.json", {**content, "categories": categories})


def test_stills_are_one_video_of_windows_without_neighbours(tmp_path: Path) -> None:
    [video] = read("coco", stills(tmp_path))
    assert (video.name, video.are_stills) == ("stills", True)
    assert [frame.number for frame in video.frames] == [31, 12]  # also the one without people
    assert [len(frame.people.boxes) for frame in video.frames] == [0, 1]  # the crowd is left out
    assert names_of(video)[1] == ["012"] * 3
    assert len(read("coco", stills(tmp_path), limit=1)[0].frames) == 1


def test_people_of_stills_are_in_the_joints_of_the_model(tmp_path: Path) -> None:
    [video] = read_labelled("coco", stills(tmp_path), COCO_17)
    seen = video.frames[1].people.visible[0]
    assert [COCO_17.joints[at] for at in np.flatnonzero(seen)] == ["nose", "left_ear", "left_knee"]


def test_a_folder_is_read_up_to_its_limit(clip18: Path) -> None:
    save(clip18.with_name("other.json"), video18([], folder="images/val/other"))
    assert [video.name for video in read("posetrack18", clip18.parent)] == ["clip", "other"]
    assert [video.name for video in read("posetrack18", clip18.parent, limit=1)] == ["clip"]


def test_nothing_labelled_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "clip.json", video18([], labelled=()))
    with pytest.raises(DataError, match=r"clip\.json: has no labelled frame"):
        read("posetrack18", path)


def test_an_image_that_is_not_there_is_replaced_towards_the_current_frame(clip18: Path) -> None:
    first = read("posetrack18", clip18)[0].frames[0]
    gone = {first.frames[0], first.frames[2]}
    window, missing = first.window((-3, -1, 0, 1, 2), lambda path: path not in gone)
    # Before the video there was nothing to miss; the frame at -3 would be its first, repeated.
    assert [path.stem for path in window] == ["000001", "000001", "000001", "000001", "000003"]
    assert missing == 2


def test_frames_that_exist_but_are_not_listed_are_missed(clip18: Path) -> None:
    content = video18([person18(88, 5)], numbers=[2], labelled=[2])
    content["images"][0]["nframes"] = 4
    frame = read("posetrack18", save(clip18, content))[0].frames[0]
    window, missing = frame.window((-3, -2, -1, 0, 1, 2), lambda _: True)
    assert {path.stem for path in window} == {"000002"}
    assert missing == 3  # the frames 0, 1 and 3; there is none before 0 and behind 3


def test_a_gap_in_the_numbers_is_not_stepped_over(clip18: Path) -> None:
    content = video18([person18(90, 5)], numbers=[0, 7, 8], labelled=[0])
    frame = read("posetrack18", save(clip18, content))[0].frames[0]
    window, missing = frame.window((0, 1, 7), lambda _: True)
    assert {path.stem for path in window} == {"000000"}
    assert missing == 2


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the PoseTrack18 sample is not on this machine")
def test_the_official_sample() -> None:
    videos = read("posetrack18", SAMPLE / "annotations" / "val")
    assert [len(frame.people.boxes) for video in videos for frame in video.frames] == [1, 2, 11]
    assert all(video.frames[0].frames[0].is_file() for video in videos)
    assert [video.frames[0].window((-1, 0, 1), Path.exists)[1] for video in videos] == [1, 1, 1]
    detections = SAMPLE / "annotations" / "test_posetrack18_human_detections.json"
    everything = open_boxes(str(detections), 0.0, "cpu")
    counts = [len(everything.people(video.frames[0], IMAGE)) for video in videos]
    assert sum(counts) == 278
    sure = open_boxes(str(detections), None, "cpu")
    assert 14 < sum(len(sure.people(video.frames[0], IMAGE)) for video in videos) < 278


def test_ground_truth_boxes_are_the_labelled_people(clip18: Path) -> None:
    boxes = open_boxes("gt", None, "cpu")
    frame = read("posetrack18", clip18)[0].frames[0]
    people = boxes.people(frame, IMAGE)
    assert (boxes.label, boxes.are_true) == ("ground truth", True)
    assert people.boxes.tolist() == frame.people.boxes.tolist()
    assert people.scores.tolist() == [1, 1]
    with pytest.raises(BoxesError, match="ground-truth boxes have no score"):
        open_boxes("gt", 0.5, "cpu")


def test_boxes_of_a_file_reach_the_frame_they_are_of(clip18: Path) -> None:
    image = "images/val/clip/000002.jpg"
    entries = [
        {"image_name": image, "bbox": [1, 2, 3, 4], "score": score, "category_id": 1}
        for score in (BOX_THRESHOLD, 0.1)
    ]
    path = save(clip18.with_name("boxes.json"), entries)
    first, second = read("posetrack18", clip18)[0].frames
    boxes = open_boxes(str(path), None, "cpu")
    assert boxes.label == f"{path}, score 0.2 or more"
    assert not boxes.are_true
    assert len(boxes.people(first, IMAGE)) == 0
    assert boxes.people(second, IMAGE).boxes.tolist() == [[1, 2, 4, 6]]
    assert len(open_boxes(str(path), 0.05, "cpu").people(second, IMAGE)) == 2


def test_ids_alone_are_those_of_the_annotations_where_there_are_several_videos(
    tmp_path: Path,
) -> None:
    names = [f"images/val/{video}/{at:06d}.jpg" for video in "ab" for at in (0, 1)]
    images = [image_dcpose(number, name, 2) for number, name in enumerate(names)]
    people = [person18(number, 0) for number in range(4)]
    path = save(tmp_path / "all.json", dcpose(images, people))
    entries = [
        {"image_id": number, "bbox": [number, 2, 3, 4], "score": 0.9, "category_id": 1}
        for number in range(4)
    ]
    file = save(tmp_path / "boxes.json", entries)
    videos = read("dcpose", path)
    boxes = open_boxes(str(file), None, "cpu", videos)
    lefts = [boxes.people(frame, IMAGE).boxes[0, 0] for each in videos for frame in each.frames]
    assert lefts == [0, 1, 2, 3]
    one_video = read("dcpose", path, limit=1)
    assert open_boxes(str(file), None, "cpu", one_video).warnings == ()
    few = save(tmp_path / "few.json", entries[:2])
    with pytest.raises(BoxesError, match=r"few\.json: no box .* of 1 of 2 videos; the first is b"):
        open_boxes(str(few), None, "cpu", videos)


def test_boxes_of_stills_are_found_by_the_image_id(tmp_path: Path) -> None:
    [video] = read("coco", stills(tmp_path))
    entry = {"image_id": 31, "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 1}
    boxes = open_boxes(str(save(tmp_path / "boxes.json", [entry])), None, "cpu")
    assert [len(boxes.people(frame, IMAGE)) for frame in video.frames] == [1, 0]
    with pytest.raises(BoxesError, match=r"in any labelled image of .*stills\.json, which has"):
        open_boxes(str(tmp_path / "boxes.json"), None, "cpu", [video])  # nobody is labelled in 31


def test_a_detector_is_called_by_its_name() -> None:
    boxes = open_boxes("detector", 0.6, "cpu")
    assert boxes.label == "nanodet, score 0.6 or more"
    with pytest.raises(BoxesError, match="no such file"):
        open_boxes("nowhere.json", None, "cpu")
