"""PoseTrack's JSON: both layouts in and out, frames matched by name, and errors that say where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import save
from posetrack_scores import average_precision

from tarvitpose.errors import DataError
from tarvitpose.evaluation.posetrack_pairs import paired_files, read_pairs, read_videos
from tarvitpose.formats.posetrack_files import (
    NO_SCORE,
    POINT_IDS,
    read_predictions,
    read_truth,
    write_posetrack17,
    write_posetrack18,
)
from tarvitpose.metrics.posetrack_ap import JOINTS, PredictedFrame, present
from tarvitpose.skeleton import POSETRACK_17

SAMPLE = (
    Path(__file__).parents[3] / "shared" / "data" / "posetrack18_sample" / "annotations" / "val"
)
CASES = Path(__file__).parents[3] / "shared" / "cases" / "data"
NAMES = [
    name for name in reversed(POSETRACK_17.joints) if name != "left_ear"
]  # an order of its own
FRAME = "images/val/01_test/000000.jpg"
J = len(JOINTS)
Change = Callable[[dict[str, Any]], object]


def at(joint: str) -> tuple[float, float]:
    """Return where the tests put a joint."""
    return 10.0 + JOINTS.index(joint), 200.5 + JOINTS.index(joint)


def score(joint: str) -> float:
    return 0.5 + JOINTS.index(joint) / 100


def person18(*, without: tuple[str, ...] = ()) -> dict[str, Any]:
    known = [name for name in NAMES if name in JOINTS and name not in without]
    points = [[*at(name), 1] if name in known else [0, 0, 0] for name in NAMES]
    return {
        "image_id": 7,
        "track_id": 3,
        "bbox_head": [5, 6, 30, 40],
        "keypoints": [number for point in points for number in point],
        "scores": [score(name) if name in known else 0 for name in NAMES],
    }


def video18(*people: dict[str, Any]) -> dict[str, Any]:
    region = {"ignore_regions_x": [[1, 9, 9], []], "ignore_regions_y": [[2, 2, 8], []]}
    return {
        "images": [{"id": 7, "file_name": FRAME, **region}],
        "annotations": list(people or [person18()]),
        "categories": [{"name": "person", "keypoints": NAMES}],
    }


def person17(*, without: tuple[str, ...] = ()) -> dict[str, Any]:
    points = [
        {"id": [i], "x": [at(name)[0]], "y": [at(name)[1]], "score": [score(name)]}
        for i, name in enumerate(POINT_IDS)
        if name not in without
    ]
    box = {"x1": [5], "y1": [6], "x2": [35], "y2": [46]}
    return {**box, "track_id": [3], "annopoints": [{"point": points[::-1]}]}


def video17(*people: dict[str, Any]) -> dict[str, Any]:
    corners = [{"x": [x], "y": [y]} for x, y in ((1, 2), (9, 2), (9, 8))]
    frame = {
        "image": [{"name": FRAME}],
        "annorect": list(people or [person17()]),
        "ignore_regions": [{"point": corners}, {"point": []}],
    }
    return {"annolist": [frame]}


def without(content: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """Return a copy of a file's content that lacks one field."""
    copy = json.loads(json.dumps(content))
    part = copy
    for step in path[:-1]:
        part = part[step]
    del part[path[-1]]
    return dict(copy)


layouts = pytest.mark.parametrize(
    ("video", "person"), [(video18, person18), (video17, person17)], ids=["18", "17"]
)


@layouts
def test_truth_is_read_by_name(video: Any, person: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", video(person(without=("nose",)), person()))
    frames = read_truth(path)
    assert list(frames) == [FRAME]
    frame = frames[FRAME]
    assert np.isnan(frame.keypoints[0, 0]).all()
    assert frame.keypoints[1].tolist() == [list(at(name)) for name in JOINTS]
    assert frame.head_boxes.tolist() == [[5, 6, 35, 46]] * 2
    assert [region.tolist() for region in frame.ignored] == [[[1, 2], [9, 2], [9, 8]], []]


def test_a_single_region_may_stand_without_a_list_around_it(tmp_path: Path) -> None:
    flat18, flat17 = video18(), video17()
    flat18["images"][0] |= {"ignore_regions_x": [1, 9, 9], "ignore_regions_y": [2, 2, 8]}
    flat17["annolist"][0]["ignore_regions"] = flat17["annolist"][0]["ignore_regions"][0]
    for content in (flat18, flat17):
        [region] = read_truth(save(tmp_path / "a.json", content))[FRAME].ignored
        assert region.tolist() == [[1, 2], [9, 2], [9, 8]]


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no cases in {CASES}")
def test_flat_regions_score_as_nested_ones() -> None:
    scores = []
    for name in ("flatregions", "nestregions"):
        (files,) = paired_files(CASES / name / "pred", CASES / name / "gt")
        scores.append(average_precision(read_pairs(*files)).columns)
    assert scores[0] == scores[1]
    assert scores[0]["mean"] == 100


@pytest.mark.parametrize("people", [None, [], [person17()]])
def test_frames_of_17_that_are_not_labelled_have_nobody(people: Any, tmp_path: Path) -> None:
    content = video17()
    content["annolist"][0] |= {"is_labeled": [0], "annorect": people}
    path = save(tmp_path / "a.json", content)
    assert len(read_truth(path)[FRAME].keypoints) == 0
    assert len(read_predictions(path)[FRAME].keypoints) == len(people or [])


@layouts
def test_predictions_are_read_by_name(video: Any, person: Any, tmp_path: Path) -> None:
    frame = read_predictions(save(tmp_path / "a.json", video()))[FRAME]
    assert frame.keypoints[0].tolist() == [list(at(name)) for name in JOINTS]
    assert frame.scores[0].tolist() == [score(name) for name in JOINTS]
    assert frame.track_ids is not None
    assert frame.track_ids.tolist() == [3]


@layouts
def test_predictions_need_neither_heads_nor_tracks_nor_scores(
    video: Any, person: Any, tmp_path: Path
) -> None:
    required = ("image_id", "keypoints", "annopoints")
    bare = {key: value for key, value in person().items() if key in required}
    for point in bare.get("annopoints", [{"point": []}])[0]["point"]:
        del point["score"]
    frame = read_predictions(save(tmp_path / "a.json", video(bare)))[FRAME]
    assert (frame.scores == NO_SCORE).all()
    assert frame.track_ids is None


@layouts
def test_a_frame_without_people(video: Any, person: Any, tmp_path: Path) -> None:
    content = video()
    if "annolist" in content:
        content["annolist"][0]["annorect"] = []
    else:
        content["annotations"] = []
    path = save(tmp_path / "a.json", content)
    assert read_truth(path)[FRAME].keypoints.shape == (0, J, 2)
    assert read_predictions(path)[FRAME].scores.shape == (0, J)
    assert read_pairs(path, path) == []


@pytest.mark.parametrize("annopoints", [[], [{}], [{"point": []}], None])
def test_people_of_17_may_have_no_points(annopoints: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", video17({"annopoints": annopoints}))
    assert not present(read_truth(path)[FRAME].keypoints).any()


def test_people_of_18_may_have_no_points(tmp_path: Path) -> None:
    empty = {"image_id": 7, "keypoints": [0] * 48}
    assert not present(read_truth(save(tmp_path / "a.json", video18(empty)))[FRAME].keypoints).any()


def test_points_of_17_without_lists_unknown_and_repeated(tmp_path: Path) -> None:
    person = person17(without=("nose",))
    nose = POINT_IDS.index("nose")
    points = [(nose, 1, 2), (nose, 8, 9), (15, 0, 0)]
    person["annopoints"][0]["point"] += [{"id": i, "x": x, "y": y} for i, x, y in points]
    frame = read_predictions(save(tmp_path / "a.json", video17(person)))[FRAME]
    assert frame.keypoints[0, 0].tolist() == [1, 2]
    assert frame.scores[0, 0] == NO_SCORE


def test_a_hidden_joint_of_18_that_has_a_place_is_there(tmp_path: Path) -> None:
    person = person18()
    person["keypoints"] = [0 if i % 3 == 2 else v for i, v in enumerate(person["keypoints"])]
    frame = read_predictions(save(tmp_path / "a.json", video18(person)))[FRAME]
    assert present(frame.keypoints).all()


E18, E17 = "annotations[0]", "annolist[0]"
MISSING = [
    (without(video18(), "annotations"), "annotations is missing"),
    (without(video18(), "images", 0, "id"), "images[0]: id is missing"),
    (without(video18(), "images", 0, "ignore_regions_y"), "images[0]: ignore_regions_y is missing"),
    (without(video18(), "annotations", 0, "keypoints"), f"{E18}: keypoints is missing"),
    (without(video18(), "annotations", 0, "bbox_head"), f"{E18}: bbox_head is missing"),
    (without(video17(), "annolist", 0, "image", 0, "name"), f"{E17}.image: name is missing"),
    (without(video17(), "annolist", 0, "annorect"), f"{E17}: annorect is missing"),
    (without(video17(), "annolist", 0, "annorect", 0, "y2"), f"{E17}.annorect[0]: y2 is missing"),
    (
        without(video17(), "annolist", 0, "annorect", 0, "annopoints", 0, "point", 2, "x"),
        f"{E17}.annorect[0].annopoints: point[2]: x is missing",
    ),
    ({"a": 1}, "has neither annolist (PoseTrack17) nor images (PoseTrack18 and 21)"),
    ([], "expected an object with annolist, found a list"),
]


@pytest.mark.parametrize(("content", "message"), MISSING, ids=[entry[1] for entry in MISSING])
def test_what_is_missing_is_named(content: Any, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", content)
    with pytest.raises(DataError) as caught:
        read_truth(path)
    assert str(caught.value) == f"{path}: {message}"


def change_person18(key: str, value: object) -> dict[str, Any]:
    return video18({**person18(), key: value})


def change_point17(**values: object) -> dict[str, Any]:
    content = video17()
    content["annolist"][0]["annorect"][0]["annopoints"][0]["point"][1].update(values)
    return content


POINT = f"{E17}.annorect[0].annopoints: point"
WRONG = [
    (change_person18("image_id", 8), f"{E18}: image_id 8 is not among the images"),
    (change_person18("keypoints", [1.0] * 51), f"{E18}.keypoints: expected 48 numbers"),
    (change_person18("scores", [1.0] * 15), f"{E18}.scores: expected 16 numbers"),
    (change_person18("scores", [float("nan")] * 16), f"{E18}.scores: a number is missing or not"),
    (change_person18("bbox_head", ["a"] * 4), f"{E18}.bbox_head: expected numbers, found ['a'"),
    (change_point17(x=[None]), f"{POINT}: x: a number is missing or not finite"),
    (change_point17(id=["nose"]), f"{POINT}: id: expected numbers, found ["),
    (
        video18() | {"annotations": {}},
        "annotations: expected a list, found an object with nothing in it",
    ),
    (
        video18() | {"images": video18()["images"] * 2},
        "images[1]: an image before it has the same id 7",
    ),
    (
        video18() | {"images": [{**video18()["images"][0], "id": at} for at in (7, 8)]},
        f"two frames are called {FRAME}",
    ),
    (
        video18() | {"categories": [{"keypoints": [*JOINTS[:2], "left_eye", *JOINTS[3:14]]}]},
        "categories[0].keypoints: lacks head_top, right_ankle",
    ),
    (without(video18(), "categories", 0, "keypoints"), "categories: none has keypoints"),
    (
        video18() | {"images": [{**video18()["images"][0], "ignore_regions_x": [[1], []]}]},
        "images[0]: ignore_regions_x and _y have different lengths",
    ),
    (
        video18() | {"images": [{**video18()["images"][0], "ignore_regions_x": [1, 9, 9]}]},
        "images[0]: ignore_regions_x and _y have different lengths",
    ),
    (
        video18() | {"images": [{**video18()["images"][0], "ignore_regions_x": [[1, 9, 9], 4]}]},
        "images[0].ignore_regions_x: expected ",
    ),
    (
        video18() | {"images": [{**video18()["images"][0], "ignore_regions_x": "none"}]},
        "images[0].ignore_regions_x: expected a list, found a text",
    ),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[entry[1] for entry in WRONG])
def test_what_is_wrong_is_named(content: Any, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", content)
    with pytest.raises(DataError) as caught:
        read_pairs(path, path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_folders_are_paired_by_file_name(tmp_path: Path) -> None:
    for name in ("truth/b.json", "truth/a.json", "made/a.json", "made/b.json", "made/note.txt"):
        save(tmp_path / name, {})
    save(tmp_path / "made" / "._a.json", {})  # macOS leaves such files on other disks
    made, truth = tmp_path / "made", tmp_path / "truth"
    assert paired_files(made, truth) == [
        (made / "a.json", truth / "a.json"),
        (made / "b.json", truth / "b.json"),
    ]


def test_missing_and_surplus_files_are_named_in_one_error(tmp_path: Path) -> None:
    for at_ in range(12):
        save(tmp_path / "truth" / f"{at_:02d}.json", {})
    for name in ("00", "x"):
        save(tmp_path / "made" / f"{name}.json", {})
    with pytest.raises(DataError) as caught:
        paired_files(tmp_path / "made", tmp_path / "truth")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'made'}: lacks 01.json, 02.json, ")
    assert "10.json and 1 more; has but should not x.json (one file for each of" in message


def test_folders_must_exist_and_hold_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no: no such folder"):
        paired_files(tmp_path / "no", tmp_path)
    with pytest.raises(DataError, match="no JSON files in this folder"):
        paired_files(tmp_path, tmp_path)


def renamed(content: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a video of 18 in which each named frame has the same person."""
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    people = [{**person18(), "image_id": i} for i in range(len(names))]
    return content | {"images": images, "annotations": people}


def test_frames_are_matched_by_file_name_not_by_position(tmp_path: Path) -> None:
    truth = save(
        tmp_path / "t.json", renamed(video18(), "images/val/v/1.jpg", "images/val/v/2.jpg")
    )
    content = renamed(video18(), "frames/2.jpg", "frames/3.jpg", "frames/1.jpg")
    content["annotations"][0]["scores"][0] = 0.125
    pairs = read_pairs(save(tmp_path / "p.json", content), truth)
    assert [predicted.scores[0].min() for _, predicted in pairs] == [0.5, 0.125]


def test_several_videos_in_one_file_are_matched_by_whole_names(tmp_path: Path) -> None:
    merged = save(tmp_path / "t.json", renamed(video18(), "v/1.jpg", "w/1.jpg"))
    assert len(read_pairs(merged, merged)) == 2
    other = save(tmp_path / "p.json", renamed(video18(), "v/1.jpg", "u/1.jpg"))
    with pytest.raises(DataError, match=r"lacks 1 of the 1 frames with people in .*is w/1\.jpg"):
        read_pairs(other, merged)


def test_a_frame_with_people_needs_a_prediction(tmp_path: Path) -> None:
    truth = renamed(video18(), "1.jpg", "2.jpg", "3.jpg")
    del truth["annotations"][1]  # nobody is labelled in 2.jpg
    path = save(tmp_path / "t.json", truth)
    enough = save(tmp_path / "p.json", renamed(video18(), "1.jpg", "3.jpg"))
    assert len(read_pairs(enough, path)) == 2
    few = save(tmp_path / "p.json", renamed(video18(), "2.jpg", "3.jpg"))
    with pytest.raises(DataError, match=r"lacks 1 of the 2 frames .* the first is 1\.jpg"):
        read_pairs(few, path)


def test_predictions_in_one_layout_may_be_scored_against_the_other(tmp_path: Path) -> None:
    truth = save(tmp_path / "t.json", video18())
    pairs = read_pairs(save(tmp_path / "p.json", video17()), truth)
    assert average_precision(pairs).mean == 100


def made_frames() -> dict[str, PredictedFrame]:
    """Return three frames: two people with gaps, nobody, one without track ids."""
    random = np.random.default_rng(0)
    keypoints = random.uniform(-50, 2000, (2, J, 2))
    keypoints[0, 3] = np.nan
    keypoints[1, 0] = 0  # a place, not a gap
    scores = random.random((2, J))
    return {
        "v/000000.jpg": PredictedFrame(keypoints, scores, np.array([4, 2])),
        "v/000001.jpg": PredictedFrame(np.zeros((0, J, 2)), np.zeros((0, J)), np.array([], int)),
        "v/000002.jpg": PredictedFrame(keypoints[:1], scores[:1]),
    }


@pytest.mark.parametrize("write", [write_posetrack18, write_posetrack17])
def test_what_is_written_is_read_again(
    write: Callable[[Path, dict[str, PredictedFrame]], None], tmp_path: Path
) -> None:
    path, frames = tmp_path / "new" / "v.json", made_frames()
    write(path, frames)
    read = read_predictions(path)
    assert list(read) == list(frames)
    for before, after in zip(frames.values(), read.values(), strict=True):
        known = present(before.keypoints)
        np.testing.assert_array_equal(after.keypoints, before.keypoints)
        np.testing.assert_array_equal(after.scores[known], before.scores[known])
    ids = [entry.track_ids.tolist() for entry in read.values() if entry.track_ids is not None]
    assert ids == [[4, 2], [], [0]]


def test_submissions_of_18_are_as_the_official_ones(tmp_path: Path) -> None:
    frames = made_frames()
    write_posetrack18(tmp_path / "v.json", frames, dict(zip(frames, (70, 80, 90), strict=True)))
    content = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert content["images"][1] == {"file_name": "v/000001.jpg", "id": 80, "frame_id": 80}
    assert content["categories"][0]["keypoints"] == list(POSETRACK_17.joints)
    people = content["annotations"]
    assert [(entry["id"], entry["image_id"], entry["track_id"]) for entry in people] == [
        *((1, 70, 4), (2, 70, 2), (3, 90, 0)),
    ]
    ear, gap = POSETRACK_17.joints.index("left_ear"), POSETRACK_17.joints.index(JOINTS[3])
    for empty in (ear, gap):
        assert people[0]["keypoints"][3 * empty : 3 * empty + 3] == [0, 0, 0]
        assert people[0]["scores"][empty] == 0
    assert people[1]["keypoints"][:3] == [0, 0, 1]
    assert (len(people[0]["keypoints"]), len(people[0]["scores"])) == (51, 17)


def test_submissions_of_17_are_as_the_official_ones(tmp_path: Path) -> None:
    write_posetrack17(tmp_path / "v.json", made_frames())
    frames = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))["annolist"]
    assert [(entry["image"], entry["imgnum"]) for entry in frames] == [
        ([{"name": f"v/00000{i}.jpg"}], [i + 1]) for i in range(3)
    ]
    points = frames[0]["annorect"][0]["annopoints"][0]["point"]
    assert [point["id"][0] for point in points] == [
        i for i in range(J) if POINT_IDS[i] != JOINTS[3]
    ]
    assert set(points[0]) == {"id", "x", "y", "score"}


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"no sample of PoseTrack18 in {SAMPLE}")
def test_the_official_sample(tmp_path: Path) -> None:
    for path in sorted(SAMPLE.glob("*.json")):
        (name, frame), *others = read_truth(path).items()
        assert not others
        assert name == f"images/val/{path.stem}/000000.jpg"
        content = json.loads(path.read_text(encoding="utf-8"))
        counts = [person["num_keypoints"] for person in content["annotations"]]
        assert present(frame.keypoints).sum(1).tolist() == counts
        assert len(frame.ignored) == len(content["images"][0]["ignore_regions_x"])
        guess = PredictedFrame(frame.keypoints + 0.5, np.full((len(counts), J), 0.5))
        write_posetrack18(tmp_path / path.name, {name: guess})
    pairs = [pair for files in paired_files(tmp_path, SAMPLE) for pair in read_pairs(*files)]
    assert len(pairs) == 3
    assert average_precision(pairs).mean == 100


def test_a_merged_file_of_annotations_is_scored_with_a_file_for_each_video(tmp_path: Path) -> None:
    names = ["bonn/v/1.jpg", "bonn/w/1.jpg", "bonn/w/2.jpg"]
    truth = save(tmp_path / "t.json", renamed(video18(), *names))
    made = tmp_path / "made"
    for video in ("v", "w"):
        of_video = [f"images/{name}" for name in names if f"/{video}/" in name]
        save(made / f"{video}.json", renamed(video18(), *of_video))
    assert [len(pairs) for pairs in read_videos(made, truth)] == [1, 2]
    assert [len(pairs) for pairs in read_videos(truth, truth)] == [1, 2]
    save(made / "again.json", renamed(video18(), "images/bonn/v/1.jpg"))
    with pytest.raises(DataError, match=r"has the frame images/bonn/v/1\.jpg, which another file"):
        list(read_videos(made, truth))


def test_frames_of_other_names_are_matched_by_order_only_where_their_number_is_the_same(
    tmp_path: Path,
) -> None:
    truth = save(tmp_path / "t.json", renamed(video18(), "v/4.jpg", "v/5.jpg", "v/6.jpg"))
    lines: list[str] = []
    made = renamed(video18(), "1.jpg", "4.jpg", "5.jpg")  # the names of two are others' names
    made["annotations"][0]["scores"] = [0.25] * 16
    pairs = read_pairs(save(tmp_path / "p.json", made), truth, lines.append)
    assert [predicted.scores[0, 0] for _, predicted in pairs] == [0.25, 0.5, 0.5]
    assert lines == [f"v/4.jpg is 1.jpg in {tmp_path / 'p.json'}"]
    fewer = save(tmp_path / "p.json", renamed(video18(), "1.jpg", "2.jpg"))
    with pytest.raises(DataError, match=r"lacks 3 of the 3 frames with people .* is v/4\.jpg"):
        read_pairs(fewer, truth, lines.append)
