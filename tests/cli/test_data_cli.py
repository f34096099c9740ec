"""`tarvitpose data` as a user meets it: tables, exit codes, files."""

import json
from pathlib import Path
from typing import Any

import pytest
from invoke import run
from label_files import frame17, person17, person18, save, save_images, video18

SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = [f"images/val/clip/{at:06d}.jpg" for at in range(4)]


def data(*arguments: object) -> Any:
    return run("data", *arguments)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "pt"
    save_images(root, NAMES)
    save(root / "annotations" / "val" / "clip.json", with_counts([person18(89, 0)]))
    return root


def with_counts(annotations: list[dict[str, Any]]) -> dict[str, Any]:
    content = video18(annotations)
    return content | {"images": [{**image, "nframes": 4} for image in content["images"]]}


def test_a_clean_data_set_exits_with_0(dataset: Path) -> None:
    done = data("check", dataset)
    assert done.exit_code == 0
    counts = "1 video, 4 frames, 2 labelled, 1 person with joints"
    assert done.stdout.splitlines() == [
        f"{dataset} (posetrack18): {counts}",
        "no fault was found",
    ]


def test_faults_are_counted_shown_and_written(dataset: Path, tmp_path: Path) -> None:
    for name in NAMES:
        (dataset / name).unlink()
    done = data("check", dataset / "annotations" / "val", "--quick", "--json", tmp_path / "a.json")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()[1:]
    assert [line.split()[:3] for line in lines if line[7] != " "] == [
        ["2", "missing", "image:"],
        ["2", "missing", "neighbour:"],
        ["1", "frame", "count:"],
    ]
    assert f"          {NAMES[1]}" in lines
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert written["format"] == "posetrack18"
    assert (written["videos"], written["frames"], written["labelled_frames"]) == (1, 4, 2)
    assert written["faults"]["missing image"] == {"count": 2, "places": NAMES[1:3]}


def test_many_faults_of_a_kind_are_shortened(dataset: Path) -> None:
    people = [person18(89, track, bbox=[0, 0, 0, 5]) for track in range(8)]
    save(dataset / "annotations" / "val" / "clip.json", with_counts(people))
    lines = data("check", dataset).stdout.splitlines()
    assert lines[1].strip() == "8  box without area: a width or height of 0"
    assert [line.strip() for line in lines[2:]] == [
        *(f"clip/000001#{track}" for track in range(3)),
        "and 5 more",
    ]


def test_bad_input_exits_with_2(tmp_path: Path) -> None:
    for content, message in (([], "is this a file of boxes"), ({"a": 1}, "has neither annolist")):
        done = data("check", save(tmp_path / "a.json", content))
        assert done.exit_code == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert data("check", tmp_path / "none").exit_code == 2


def test_a_broken_first_file_does_not_hide_the_layout(dataset: Path) -> None:
    (dataset / "annotations" / "val" / "a.json").write_text("{", encoding="utf-8")
    done = data("check", dataset)
    assert done.exit_code == 1
    assert "a file that cannot be read" in done.stdout
    assert "(posetrack18): 1 video" in done.stdout


def test_prepare_then_check(tmp_path: Path) -> None:
    root, output = tmp_path / "in", tmp_path / "out"
    save_images(root, [f"images/val/clip/{at:08d}.jpg" for at in range(1, 10)])
    save(root / "annotations/val/clip.json", {"annolist": [frame17(5, person17())]})
    arguments = ("prepare", root, output, "--set", "val", "--span", 1)
    first = data(*arguments)
    assert first.exit_code == 0, first.stderr
    assert first.stdout.splitlines() == [
        "written: 1 video, 3 frames",
        f"train with format: posetrack18, annotations: {output / 'annotations' / 'val'}",
    ]
    assert sorted(path.name for path in (output / "images/val/clip").iterdir()) == [
        f"{at:06d}.jpg" for at in (3, 4, 5)
    ]
    assert "1 existed before" in data(*arguments).stdout
    assert data("check", output).exit_code == 0
    assert data(*arguments, "--max-side", 20).exit_code == 2


def test_prepare_warns_of_frames_that_are_not_there(dataset: Path, tmp_path: Path) -> None:
    (dataset / NAMES[0]).unlink()
    done = data("prepare", dataset, tmp_path / "out", "--set", "val")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: 1 unlabelled frame not on disk, left out")


def test_stills_need_no_preparing(tmp_path: Path) -> None:
    content = {"categories": [{"keypoints": ["nose"]}], "annotations": [{}]}
    path = save(tmp_path / "a.json", {**content, "images": [{"id": 1, "file_name": "a.jpg"}]})
    done = data("prepare", path, tmp_path / "out")
    assert done.exit_code == 2
    assert "stills need no preparing" in done.stderr


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_the_official_sample_lacks_its_unlabelled_frames() -> None:
    done = data("check", SHARED / "posetrack18_sample")
    assert done.exit_code == 1
    assert "3 videos, 3 frames, 3 labelled, 14 people with joints" in done.stdout
    assert "003418_mpii_test: nframes is 149, on disk 1, listed 1" in done.stdout
    merged = SHARED / "posetrack18_sample" / "annotations" / "test_posetrack18_val.json"
    assert "387  missing neighbour" in data("check", merged).stdout
