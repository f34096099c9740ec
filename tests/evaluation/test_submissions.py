"""What `evaluate --output` writes is what the official evaluators take, and is read back alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import official_rules
import pytest
from invoke import run
from label_files import (
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
from tiny_models import modest_model

from tarvitpose.formats.posetrack_files import read_truth
from tarvitpose.metrics.posetrack_ap import JOINTS

VIDEOS = ("000001_bonn", "000002_mpii")
FRAMES, LABELLED = 12, (5, 6, 8)
PLACES = [  # of two people
    {name: (12.0 + left + 3 * at, 10.0 + 3 * at) for at, name in enumerate(JOINTS)}
    for left in (0, 20)
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    modest_model().save_pretrained(folder)
    return folder


def posetrack17(root: Path) -> Path:
    """Write videos of twelve frames from 00000001.jpg; some are labelled, all are listed."""
    for video in VIDEOS:
        folder = f"images/bonn/{video}"
        people = [person17(track, PLACES[track]) for track in (0, 1)]
        frames = [
            frame17(at + 1, *(people if at in LABELLED else ()), folder=folder)
            for at in range(FRAMES)
        ]
        save(root / "annotations" / f"{video}.json", {"annolist": frames})
        save_images(root, [f"{folder}/{at + 1:08d}.jpg" for at in range(FRAMES)])
    return root / "annotations"


def posetrack18(root: Path) -> Path:
    """Write videos of twelve frames, listed from the last to the first."""
    for video in VIDEOS:
        folder = f"images/val/{video}"
        people = [someone18(90 - at, track) for at in LABELLED for track in (0, 1)]
        save(root / "annotations" / f"{video}.json", video18(people, range(12), LABELLED, folder))
        save_images(root, [f"{folder}/{at:06d}.jpg" for at in range(FRAMES)])
    return root / "annotations"


def posetrack21(root: Path) -> Path:
    """Write the same, with people on the other frames who have a box and no joints."""
    annotations = posetrack18(root)
    for path in annotations.iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        content["annotations"] += [
            person18(image["id"], 7, keypoints=[0] * 51)
            for image in content["images"]
            if not image["is_labeled"]
        ]
        save(path, content)
    return annotations


def someone18(image_id: int, track: int) -> dict[str, Any]:
    box = [8 + 20 * track, 6, 50, 50]
    return person18(image_id, track, keypoints=keypoints(PLACES[track]), bbox=box)


YEARS = {
    "17": (posetrack17, official_rules.poseval, "temporal-posetrack17"),
    "18": (posetrack18, official_rules.poseval, "temporal"),
    "21": (posetrack21, official_rules.posetrack21, "temporal"),
}


@pytest.mark.parametrize("year", sorted(YEARS))
def test_the_official_evaluators_take_every_file(weights: Path, tmp_path: Path, year: str) -> None:
    write, rule, folder = YEARS[year]
    annotations, made = write(tmp_path), tmp_path / "made"
    model = ("--weights", weights, "--device", "cpu", "--output", made)
    result = run("evaluate", *model, "--annotations", annotations, "--json", tmp_path / "ap.json")
    assert result.exit_code == 0, result.output
    for video in VIDEOS:
        truth, predicted = annotations / f"{video}.json", made / folder / f"{video}.json"
        pairs = rule(truth, predicted)
        assert len(pairs) == len(LABELLED)
        for (annotated, people), (frame, poses) in pairs:
            assert name_of(frame) == name_of(annotated)
            assert len(poses) == len(people) == 2
        entries = json.loads(predicted.read_text(encoding="utf-8"))
        everybody = entries.get("annotations") or [
            person for frame in entries["annolist"] for person in frame["annorect"]
        ]
        assert len(everybody) == 2 * len(LABELLED)  # nobody in the other frames
        assert all(type(track_id(person)) is int for person in everybody)
    back = run(
        *("evaluate", "--predictions", made / folder, "--annotations", annotations),
        *("--json", tmp_path / "back.json"),
    )
    assert back.exit_code == 0, back.output
    assert back.stderr == ""
    ours, again = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("ap", "back"))
    assert again["ap"] == pytest.approx(ours["ap"])


def name_of(frame: dict[str, Any]) -> str:
    return str(frame["file_name"] if "file_name" in frame else frame["image"][0]["name"])


def track_id(person: dict[str, Any]) -> object:
    return person["track_id"][0] if isinstance(person["track_id"], list) else person["track_id"]


def test_the_rules_refuse_what_lacks_frames(tmp_path: Path) -> None:
    truth = posetrack18(tmp_path) / f"{VIDEOS[0]}.json"
    content = json.loads(truth.read_text(encoding="utf-8"))
    content["images"] = [image for image in content["images"] if image["is_labeled"]]
    few = save(tmp_path / "few.json", content)
    with pytest.raises(ValueError, match="# prediction frames 3 <> # GT frames 12"):
        official_rules.poseval(truth, few)
    with pytest.raises((IndexError, ValueError)):
        official_rules.posetrack21(truth, few)


def test_a_kept_file_that_lacks_listed_frames_is_not_taken(weights: Path, tmp_path: Path) -> None:
    annotations, made = posetrack18(tmp_path), tmp_path / "made"
    command = ("evaluate", "--weights", weights, "--device", "cpu", "--output", made)
    command = (*command, "--annotations", annotations)
    assert run(*command).exit_code == 0
    path = made / "temporal" / f"{VIDEOS[0]}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["images"] = content["images"][3:7]  # the labelled ones, as an older version wrote
    content["annotations"] = [
        person
        for person in content["annotations"]
        if person["image_id"] in {image["id"] for image in content["images"]}
    ]
    save(path, content)
    again = run(*command)
    assert again.exit_code == 2
    assert f"{path}: lacks the frame images/val/{VIDEOS[0]}/000011.jpg" in again.stderr
    assert run(*command, "--overwrite").exit_code == 0


def test_people_of_frames_that_are_not_labelled_are_no_truth(tmp_path: Path) -> None:
    truth = read_truth(posetrack21(tmp_path) / f"{VIDEOS[0]}.json")
    counts = [len(frame.keypoints) for frame in truth.values()]
    assert counts == [2 if 11 - at in LABELLED else 0 for at in range(FRAMES)]


def test_people_predicted_where_nobody_looked_cost_nothing(tmp_path: Path) -> None:
    annotations = posetrack21(tmp_path)
    for path in annotations.iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        for image in content["images"]:
            image["is_labeled"] = False  # predictions may copy what the annotations say
        content["annotations"] = [
            {**someone18(image["id"], track), "scores": [0.9] * 17}
            for image in content["images"]
            for track in (0, 1)
        ]
        save(tmp_path / "made" / path.name, content)
    result = run("evaluate", "--predictions", tmp_path / "made", "--annotations", annotations)
    assert result.exit_code == 0, result.output
    assert "Mean       100.0" in result.stdout


def merged17(root: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """Write the merged file of PoseTrack17: heads are two corners, called head_box."""
    names = [f"bonn/{video}/{at + 1:08d}.jpg" for video in VIDEOS for at in range(FRAMES)]
    images = [
        {**image_dcpose(at, name, FRAMES), "is_labeled": at % FRAMES in LABELLED}
        for at, name in enumerate(names)
    ]
    people = [
        someone18(image["id"], track) for image in images if image["is_labeled"] for track in (0, 1)
    ]
    save_images(root / "images_renamed", names)
    return save(root / "posetrack_val.json", dcpose(images, [change(image) for image in people]))


def with_head_box(person: dict[str, Any]) -> dict[str, Any]:
    person = {**person, "head_box": [14, 26, 8, 18]}  # the same head as bbox_head [8, 18, 6, 8]
    del person["bbox_head"]
    return person


def test_heads_of_a_merged_file_are_corners(tmp_path: Path) -> None:
    path = merged17(tmp_path, with_head_box)
    heads = [frame.head_boxes for frame in read_truth(path).values() if len(frame.head_boxes)]
    assert len(heads) == len(VIDEOS) * len(LABELLED)
    assert heads[0].tolist() == [[14, 26, 8, 18]] * 2


def test_a_merged_file_of_17_is_evaluated(weights: Path, tmp_path: Path) -> None:
    images = ("--images", tmp_path / "images_renamed")
    scores = []
    for change in (with_head_box, dict):
        path, made = merged17(tmp_path, change), tmp_path / f"made-{change.__name__}"
        model = ("--weights", weights, "--device", "cpu", "--output", made)
        ap = tmp_path / "ap.json"
        result = run("evaluate", *model, "--annotations", path, *images, "--json", ap)
        assert result.exit_code == 0, result.output
        scores.append(json.loads(ap.read_text())["metrics"])
        back = run(
            *("evaluate", "--predictions", made / "temporal", "--annotations", path),
            *("--json", tmp_path / "back.json"),
        )
        assert back.exit_code == 0, back.output
        assert "2 videos" in back.stdout
        again = json.loads((tmp_path / "back.json").read_text())["ap"]
        assert again == pytest.approx(json.loads(ap.read_text())["ap"])
    assert scores[0] == scores[1]


def test_a_person_without_any_head_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", video18([person18(89, 0, bbox_head=None)]))
    result = run("evaluate", "--predictions", path, "--annotations", path)
    assert result.exit_code == 2
    assert "annotations[0]: bbox_head is missing" in result.stderr
