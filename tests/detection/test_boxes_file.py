"""Boxes out of a file: which entries belong to a frame, and what a wrong file is told."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tarvitpose.detection import BoxesFile, keep_best
from tarvitpose.errors import BoxesError
from tarvitpose.results import Frame

CASES = Path(__file__).parents[3] / "shared/cases/boxes"
SAMPLE = Path(__file__).parents[3] / "shared/data/posetrack18_sample"
IMAGE = np.zeros((20, 30, 3), np.uint8)


def frame(index: int, name: str = "") -> Frame:
    return Frame(index, index / 25, IMAGE, name)


def write(folder: Path, content: Any) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def entry(image: Any, left: float = 1, score: float = 0.9, **more: Any) -> dict[str, Any]:
    key = "image_name" if isinstance(image, str) else "image_id"
    return {key: image, "bbox": [left, 2, 10, 20], "score": score, "category_id": 1, **more}


def lefts(boxes: BoxesFile, index: int, name: str = "") -> list[float]:
    people = boxes.detect(frame(index, name))
    assert people.boxes.shape == (len(people), 4)
    assert people.boxes.dtype == people.scores.dtype == np.float32
    return people.boxes[:, 0].tolist()


def test_boxes_become_corners_and_the_surest_comes_first(tmp_path: Path) -> None:
    entries = [entry(0, 5, 0.25), entry(0, -7.5, 0.75), entry(1)]
    people = BoxesFile(write(tmp_path, entries)).detect(frame(0))
    assert people.boxes.tolist() == [[-7.5, 2, 2.5, 22], [5, 2, 15, 22]]
    assert people.scores.tolist() == [0.75, 0.25]


def test_a_score_at_the_threshold_counts(tmp_path: Path) -> None:
    path = write(tmp_path, [entry(0, 1, 0.3), entry(0, 2, 0.29)])
    assert lefts(BoxesFile(path, threshold=0.3), 0) == [1]


def test_other_categories_are_left_out(tmp_path: Path) -> None:
    boxes = [entry(0, 1), entry(0, 2, category_id=18), entry(0, 3)]
    del boxes[2]["category_id"]
    assert lefts(BoxesFile(write(tmp_path, boxes)), 0) == [1, 3]


def test_a_frame_without_entries_has_nobody(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, [entry(3)]))
    assert lefts(boxes, 2) == []
    assert lefts(boxes, 3) == [1]
    assert lefts(BoxesFile(write(tmp_path, [])), 0) == []


def test_image_ids_are_frame_numbers_also_for_frames_with_names(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, [entry(0, 1), entry(7, 2)]))
    assert lefts(boxes, 7) == lefts(boxes, 7, "walk/IMG_0099.jpg") == [2]


def test_names_beat_numbers(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, [entry("v/000004.jpg", 1), entry("v/000005.jpg", 2)]))
    assert lefts(boxes, 0, "000005.jpg") == [2]
    assert lefts(boxes, 0, "000005.png") == [2]  # endings do not matter
    assert lefts(boxes, 0, "elsewhere/v/000005.jpg") == [2]
    assert lefts(boxes, 0, "C:\\clips\\v\\000005.jpg") == [2]
    assert lefts(boxes, 4, "w/000004.jpg") == []  # of another video
    assert lefts(boxes, 5) == [2]  # a video file: no names, so the number in the name counts


def test_posetrack17_names_start_at_one(tmp_path: Path) -> None:
    names = ["images/bonn/000001_bonn/00000001.jpg", "images/bonn/000001_bonn/00000002.jpg"]
    boxes = BoxesFile(write(tmp_path, [entry(n, i, frame_id=9) for i, n in enumerate(names)]))
    assert [lefts(boxes, index) for index in range(3)] == [[0], [1], []]
    assert lefts(boxes, 7, "00000001.jpg") == [0]


def test_posetrack18_ids_tell_video_and_frame(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, [entry(10128340000, 1), entry(10128340003, 2)]))
    assert [lefts(boxes, 0), lefts(boxes, 3)] == [[1], [2]]
    assert lefts(boxes, 0, "012834_mpii_test/000003.jpg") == [2]
    assert lefts(boxes, 3, "012835_mpii_test/000003.jpg") == []


@pytest.mark.parametrize("images", [("a/0.jpg", "b/1.jpg"), (10000010000, 10000020001)])
def test_boxes_of_several_videos_need_frames_with_folders(
    tmp_path: Path, images: tuple[Any, Any]
) -> None:
    boxes = BoxesFile(write(tmp_path, [entry(image) for image in images]))
    for unknown in (frame(0), frame(5), frame(0, "0.jpg")):
        with pytest.raises(BoxesError, match=r"boxes.json: has boxes of 2 videos \("):
            boxes.detect(unknown)
    assert lefts(boxes, 0, "a/0.jpg") == ([1] if images[0] == "a/0.jpg" else [])


def test_two_images_for_one_frame_are_an_error(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, [entry("v/left_3.jpg"), entry("v/right_3.jpg")]))
    with pytest.raises(BoxesError, match=r"frame 3 may be v/left_3 or v/right_3"):
        boxes.detect(frame(3))
    assert lefts(boxes, 3, "right_3.jpg") == [1]


def data_set(**changes: Any) -> dict[str, Any]:
    images = [{"id": 71, "file_name": "v/000000.jpg"}, {"id": 72, "file_name": "v/000001.jpg"}]
    annotations = [
        {"image_id": 72, "bbox": [1, 2, 10, 20], "category_id": 4},
        {"image_id": 72, "bbox": [2, 2, 10, 20], "category_id": 5},
        {"image_id": 72, "bbox": [3, 2, 10, 20], "category_id": 4, "iscrowd": 1},
        {"image_id": 71, "bbox": [4, 2, 10, 20], "category_id": 4, "score": 0.5},
    ]
    categories = [{"id": 4, "name": "Person"}, {"id": 5, "name": "dog"}]
    parts = {"images": images, "annotations": annotations, "categories": categories}
    return {**parts, **changes}


def test_a_data_set_gives_the_boxes_of_its_annotations(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, data_set()))
    assert lefts(boxes, 1) == lefts(boxes, 0, "000001.jpg") == [1]
    assert boxes.detect(frame(1)).scores.tolist() == [1]
    assert boxes.detect(frame(0)).scores.tolist() == [0.5]


def test_a_data_set_without_categories_means_category_1(tmp_path: Path) -> None:
    content = data_set()
    del content["categories"]
    content["annotations"][1]["category_id"] = 1
    assert lefts(BoxesFile(write(tmp_path, content)), 1) == [2]


def test_a_data_set_without_file_names_goes_by_its_ids(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, data_set(images=[{"id": 71}, {"id": 72}])))
    assert lefts(boxes, 72) == [1]


def test_scores_rounded_above_one_are_one(tmp_path: Path) -> None:
    people = BoxesFile(write(tmp_path, [entry(0, score=1.0000002)])).detect(frame(0))
    assert people.scores.tolist() == [1]


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in entry(1).items() if key != field}


FOUR = "four numbers: left, top, width, height"
WRONG_ENTRIES = [
    (without("bbox"), f'has no "bbox"; expected {FOUR}'),
    (without("score"), 'has no "score"; expected a number from 0 to 1'),
    (without("image_id"), 'has no usable image (None); expected an "image_name" in text or'),
    (entry(True), "has no usable image (True)"),
    (entry(1.5), "has no usable image (1.5)"),
    (entry(""), "has no usable image ('')"),
    (entry(1, bbox=[1, 2, 3]), f'has "bbox" [1, 2, 3]; expected {FOUR}'),
    (entry(1, bbox="1 2 3 4"), 'has "bbox" "1 2 3 4"; expected four'),
    (entry(1, bbox=[1, 2, 3, "4"]), 'has "bbox" [1, 2, 3, "4"]; expected four'),
    (entry(1, bbox=[1, 2, True, 4]), 'has "bbox" [1, 2, true, 4]; expected four'),
    (entry(1, bbox=[1, float("nan"), 3, 4]), 'has "bbox" [1, null, 3, 4]; expected four'),
    (entry(1, bbox=[1, 2, 3, float("inf")]), 'has "bbox" [1, 2, 3, Infinity]; expected four'),
    (entry(1, bbox=[1, 2, 10**400, 4]), "..."),
    (entry(1, bbox=[1, 2, -3, 4]), 'has "bbox" [1, 2, -3, 4] of negative width'),
    (entry(1, bbox=[1, 2, 3, -4]), 'has "bbox" [1, 2, 3, -4] of negative height'),
    (entry(1, score="0.9"), 'has "score" "0.9"; expected a number from 0 to 1'),
    (entry(1, score=87), 'has "score" 87; expected a number from 0 to 1'),
    (entry(1, score=float("nan")), 'has no "score"; expected a number from 0 to 1'),
    (entry(1, category_id=[1]), 'has "category_id" [1]; expected a whole number'),
    ([1, 2, 3, 4], "is a list; expected an object with fields"),
    ("a.jpg", "is a text; expected an object with fields"),
    (None, "is null; expected an object with fields"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_ENTRIES)
def test_a_wrong_entry_is_named(tmp_path: Path, wrong: Any, message: str) -> None:
    path = write(tmp_path, [entry(0), wrong])
    with pytest.raises(BoxesError, match=re.escape(f"{path}: entry 1 ")) as error:
        BoxesFile(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


WRONG_DATA_SETS = [
    ({"annotations": [{"image_id": 72}]}, 'annotation 0 has no "bbox"'),
    ({"annotations": [{"bbox": [1, 2, 3, 4]}]}, 'annotation 0 has no "image_id"'),
    (
        {"annotations": [{"image_id": 9, "bbox": [1, 2, 3, 4]}]},
        "annotation 0 has image_id 9, which none of the images has",
    ),
    ({"annotations": [{"image_id": [9]}]}, 'annotation 0 has "image_id" [9]'),
    ({"annotations": {"a": 1}}, '"annotations" is an object with a; expected a list'),
    ({"images": None}, '"images" is null; expected a list'),
    ({"images": [{"file_name": "a.jpg"}]}, 'image 0 has no "id"'),
    ({"images": [{"id": 1, "file_name": 5}]}, "image 0 has no usable image (5)"),
    ({"images": [5]}, "image 0 is a number; expected an object"),
    ({"categories": [{"id": 1, "name": "dog"}]}, "expected a category called person, found dog"),
    ({"categories": []}, "expected a category called person, found nothing"),
    ({"categories": [{"name": "person"}]}, 'category 0 has no "id"'),
]


@pytest.mark.parametrize(("changes", "message"), WRONG_DATA_SETS)
def test_a_wrong_data_set_is_explained(tmp_path: Path, changes: Any, message: str) -> None:
    path = write(tmp_path, data_set(**changes))
    with pytest.raises(BoxesError, match=re.escape(f"{path}: {message}")):
        BoxesFile(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"boxes": []}', "expected a list of detections, or images and annotations, found an obj"),
        ("17", "expected a list of detections, or images and annotations, found a number"),
        ("{", "not readable JSON (Expecting property name"),
        ("", "not readable JSON (Expecting value"),
        ("[" * 100_000, "not readable JSON ("),
    ],
)
def test_another_file_is_turned_down(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(BoxesError, match=re.escape(f"{path}: {message}")):
        BoxesFile(path)


def test_a_missing_or_binary_file_is_turned_down(tmp_path: Path) -> None:
    with pytest.raises(BoxesError, match=r"none\.json: no such file"):
        BoxesFile(tmp_path / "none.json")
    with pytest.raises(BoxesError, match="is a folder, expected a file"):
        BoxesFile(tmp_path)
    (tmp_path / "video.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoxesError, match="not readable JSON"):
        BoxesFile(tmp_path / "video.json")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps([entry(0)]), encoding="utf-8-sig")
    assert lefts(BoxesFile(path), 0) == [1]


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"{SAMPLE} is not there")
def test_the_sample_of_posetrack18() -> None:
    folder = SAMPLE / "annotations"
    detected = BoxesFile(folder / "test_posetrack18_human_detections.json", threshold=0.5)
    people = detected.detect(frame(0, "images/val/012834_mpii_test/000000.jpg"))
    assert len(people) > 0
    np.testing.assert_allclose(people.boxes[0], [1475.28, 2.72, 1572.24, 255.60], atol=0.01)
    assert (np.diff(people.scores) <= 0).all()
    assert (people.scores >= 0.5).all()
    labelled = BoxesFile(folder / "val" / "003418_mpii_test.json")
    assert len(labelled.detect(frame(0))) > 0


def test_boxes_without_area_are_nobody_and_counted(tmp_path: Path) -> None:
    padding = entry(2, bbox=[0, 0, 0, 0], score=0.0)
    boxes = BoxesFile(write(tmp_path, [entry(0), padding, entry(1, bbox=[3, 3, 0, 9])]))
    assert [len(boxes.detect(frame(index))) for index in range(3)] == [1, 0, 0]
    assert boxes.warnings == [f"{boxes.path}: 2 boxes without area left out (width or height 0)"]
    assert BoxesFile(write(tmp_path, [entry(0)])).warnings == []


@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_dots_in_names_are_no_endings(tmp_path: Path, ending: str) -> None:
    names = [f"cam{camera}.f_000{number}" for camera in (1, 2) for number in (1, 2)]
    content = [entry(name + ending, left) for left, name in enumerate(names)]
    boxes = BoxesFile(write(tmp_path, content))
    assert [lefts(boxes, 0, f"dots/{name}.jpg") for name in names] == [[0], [1], [2], [3]]
    assert lefts(boxes, 0, "dots/cam1.f_0003.jpg") == []


def test_whole_numbers_may_be_written_as_decimals(tmp_path: Path) -> None:
    boxes = BoxesFile(write(tmp_path, [entry(7.0, track_id=3.0, category_id=1.0)]))
    assert boxes.detect(frame(7)).track_ids.tolist() == [3]
    content = data_set(images=[{"id": 71.0, "file_name": "v/0.jpg"}, {"id": 72.0}])
    assert lefts(BoxesFile(write(tmp_path, content)), 0) == [4]


def test_a_category_of_null_is_none(tmp_path: Path) -> None:
    assert lefts(BoxesFile(write(tmp_path, [entry(0, category_id=None)])), 0) == [1]


@pytest.mark.parametrize("kind", ["list", "data set"])
def test_a_category_filter_that_leaves_nobody_is_named(tmp_path: Path, kind: str) -> None:
    content: Any = [entry(0, category_id=0), entry(1, category_id=0)]
    wanted = "1"
    if kind == "data set":
        content, wanted = data_set(), "4"
        for person in content["annotations"]:
            person["category_id"] = 0
    with pytest.raises(BoxesError, match=rf"all \d boxes have category_id 0, people have {wanted}"):
        BoxesFile(write(tmp_path, content))


def test_a_threshold_that_leaves_nobody_is_named(tmp_path: Path) -> None:
    (line,) = BoxesFile(write(tmp_path, [entry(0, score=0.3)]), threshold=0.5).warnings
    assert line.endswith("no box reaches the score 0.5, the best has 0.3")


def test_track_ids_of_the_file_are_kept_with_their_boxes(tmp_path: Path) -> None:
    entries = [entry(0, 1, 0.4, track_id=71), entry(0, 2, 0.9, track_id=0), entry(1, track_id=71)]
    boxes = BoxesFile(write(tmp_path, entries), threshold=0.5)
    assert boxes.detect(frame(0)).track_ids.tolist() == [0]
    best = keep_best(BoxesFile(boxes.path).detect(frame(0)), 2)
    assert best.track_ids.tolist() == [0, 71]
    assert boxes.detect(frame(9)).track_ids.tolist() == []
    assert boxes.warnings == []
    assert BoxesFile(write(tmp_path, [entry(0)])).detect(frame(0)).track_ids is None


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        ([entry(0, track_id=4), entry(1)], "1 of 2 boxes have no track_id, so people are tracked"),
        ([entry(0, track_id=4), entry(1, track_id=-1)], "1 of 2 boxes have no track_id"),
        ([entry(3, track_id=4)] * 2, "track_id 4 stands 2 times in number 3, so people are"),
    ],
)
def test_a_loss_of_track_ids_is_said(tmp_path: Path, entries: Any, line: str) -> None:
    boxes = BoxesFile(write(tmp_path, entries))
    assert boxes.detect(frame(0)).track_ids is None
    assert line in boxes.warnings[0]


@pytest.mark.parametrize("track", ["x", 1.5, -2, True])
def test_a_wrong_track_id_is_named(tmp_path: Path, track: Any) -> None:
    with pytest.raises(BoxesError, match=r'entry 0 has "track_id" .*; expected a whole number'):
        BoxesFile(write(tmp_path, [entry(0, track_id=track)]))


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
def test_files_from_the_field() -> None:
    padded = BoxesFile(CASES / "boxes_zeropad.json")
    assert [len(padded.detect(frame(index))) for index in range(3)] == [2, 2, 0]
    assert "1 box without area" in padded.warnings[0]
    for name in ("boxes_dots", "boxes_dots_ext"):
        dots = BoxesFile(CASES / f"{name}.json")
        assert len(dots.detect(frame(0, "dots/cam1.f_0001.jpg"))) == 2
    with pytest.raises(BoxesError, match="category_id 0, people have 1"):
        BoxesFile(CASES / "boxes_cat0.json")
    tracked = BoxesFile(CASES / "boxes_track.json")
    assert tracked.detect(frame(1)).track_ids.tolist() == [70, 71]
