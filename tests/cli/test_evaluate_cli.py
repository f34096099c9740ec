"""`tarvitpose evaluate`: what it prints and writes, and how it refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import refusal, run
from label_files import NAMES, person18, save, save_images, video18
from tiny_models import modest_model, tiny_model
from typer.testing import Result

from tarvitpose.formats.posetrack_files import write_posetrack17, write_posetrack18
from tarvitpose.metrics.posetrack_ap import JOINTS, PredictedFrame

FRAMES = ("000000.jpg", "000001.jpg")
WRITERS = {"18": write_posetrack18, "17": write_posetrack17}
J = len(JOINTS)


def arguments(folder: Path, *options: str | Path) -> tuple[str | Path, ...]:
    """Return the command that scores the predictions of a folder."""
    paths = ("--predictions", folder / "made", "--annotations", folder / "truth")
    return ("evaluate", *paths, *options)


def evaluate(folder: Path, *options: str | Path) -> Result:
    return run(*arguments(folder, *options))


def pose(score: float = 0.9, shift: float = 0.0) -> PredictedFrame:
    keypoints = 100.0 * np.arange(2 * J).reshape(1, J, 2)
    keypoints[:, JOINTS.index("left_wrist")] += shift
    return PredictedFrame(keypoints, np.full((1, J), score))


def write_truth(path: Path, layout: str) -> None:
    """Write two labelled frames: predictions with head boxes added."""
    WRITERS[layout](path, {name: pose() for name in FRAMES})
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    people = content.get("annotations") or [p for f in content["annolist"] for p in f["annorect"]]
    for person in people:
        person |= {"bbox_head": [0, 0, 30, 40]}
        person |= {"x1": [0], "y1": [0], "x2": [30], "y2": [40]}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(params=sorted(WRITERS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return two videos in either layout; one wrist of each video's surer frame is missed."""
    for video in ("a", "b"):
        (tmp_path / "truth").mkdir(exist_ok=True)
        write_truth(tmp_path / "truth" / f"{video}.json", request.param)
        frames = {FRAMES[0]: pose(0.9, shift=500), FRAMES[1]: pose(0.8)}
        WRITERS[request.param](tmp_path / "made" / f"{video}.json", frames)
    return tmp_path


def test_it_prints_the_groups_in_the_papers_order(folder: Path) -> None:
    result = evaluate(folder)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"PoseTrack AP of {folder / 'made'}, 2 videos, boxes: unknown"
    rows = [line.split() for line in lines[1:] if line.strip() and "─" not in line]
    assert rows[0] == ["AP", "joints"]
    assert [row[0] for row in rows[1:]] == [
        *("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"),
    ]
    # Of each video's two left wrists, the surer is a miss: precision 1/2 at recall 1/2.
    assert rows[4] == ["Wrist", "62.5", "left_wrist", "25.0,", "right_wrist", "100.0"]
    assert rows[8][:2] == ["Mean", "95.0"]


def test_what_a_killed_run_left_does_not_count(folder: Path) -> None:
    before = evaluate(folder).stdout
    for name in ("made", "truth"):
        shutil.copy(folder / name / "a.json", folder / name / ".c.4711.tmp.json")
        (folder / name / ".d.4711.tmp.json").write_text('{"annol')
    after = evaluate(folder)
    assert (after.exit_code, after.stdout, after.stderr) == (0, before, "")


def test_it_writes_json(folder: Path) -> None:
    path = folder / "new" / "ap.json"
    assert evaluate(folder, "--json", path).exit_code == 0
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {"ap", "boxes"}
    assert content["boxes"] == "unknown"
    assert list(content["ap"]) == [*JOINTS, "mean"]
    assert content["ap"]["left_wrist"] == pytest.approx(25)
    assert content["ap"]["mean"] == pytest.approx(95)
    assert list(path.parent.iterdir()) == [path]


def test_what_is_nowhere_labelled_is_null_and_a_dash(folder: Path) -> None:
    for path in (folder / "truth").iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        for frame in content.get("annolist", []):
            points = frame["annorect"][0]["annopoints"][0]["point"]
            points[:] = [point for point in points if point["id"] != [13]]  # the nose
        for person in content.get("annotations", []):
            person["keypoints"][:3] = [0, 0, 0]
        path.write_text(json.dumps(content), encoding="utf-8")
    result = evaluate(folder, "--json", folder / "ap.json")
    assert "nose -\n" in result.stdout
    assert json.loads((folder / "ap.json").read_text(encoding="utf-8"))["ap"]["nose"] is None


def test_a_bootstrap_gives_intervals(folder: Path) -> None:
    result = evaluate(folder, "--bootstrap", "20", "--json", folder / "ap.json")
    assert result.exit_code == 0, result.output
    assert "95% interval" in result.stdout
    assert "95.0..95.0" in result.stdout  # both videos are the same
    intervals = json.loads((folder / "ap.json").read_text(encoding="utf-8"))["interval95"]
    assert list(intervals) == [*JOINTS, "mean"]
    assert intervals["left_wrist"] == pytest.approx([25, 25])


def test_a_single_video_has_no_interval(folder: Path) -> None:
    for name in ("made", "truth"):
        (folder / name / "b.json").unlink()
    result = evaluate(folder, "--bootstrap", "20", "--json", folder / "ap.json")
    assert result.exit_code == 0
    assert "only one is given: no interval" in result.stderr
    assert "interval95" not in json.loads((folder / "ap.json").read_text(encoding="utf-8"))


def test_missing_scores_are_said_once(folder: Path) -> None:
    for path in (folder / "made").iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        for person in content.get("annotations", []):
            person["scores"] = []
        for frame in content.get("annolist", []):
            for point in frame["annorect"][0]["annopoints"][0]["point"]:
                del point["score"]
        path.write_text(json.dumps(content), encoding="utf-8")
    result = evaluate(folder)
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: 60 predicted joints without a score, ")
    assert result.stderr.count("\n") == 1


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "made" / "b.json").unlink()
    message = refusal(*arguments(folder, "--json", folder / "ap.json"))
    assert message.startswith(f"{folder / 'made'}: lacks b.json")
    assert not (folder / "ap.json").exists()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny network, which finds nothing but is quick."""
    folder = tmp_path_factory.mktemp("tiny")
    modest_model().save_pretrained(folder)
    return folder


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Return a PoseTrack18 data set of two videos with two labelled frames each."""
    for name in ("a", "b"):
        folder = f"images/val/{name}"
        people = [person18(at, 0, bbox=[10, 5, 40, 50]) for at in (88, 89)]
        save(tmp_path / "annotations" / f"{name}.json", video18(people, folder=folder))
        save_images(tmp_path, [f"{folder}/{at:06d}.jpg" for at in range(4)])
    return tmp_path / "annotations"


def evaluate_model(weights: Path, *options: str | Path) -> Result:
    result = run("evaluate", "--weights", weights, "--device", "cpu", *options)
    assert result.exit_code == 0, result.output
    return result


def test_a_model_is_scored_with_and_without_its_temporal_part(weights: Path, videos: Path) -> None:
    path = videos.parent / "ap.json"
    result = evaluate_model(weights, "--annotations", videos, "--bootstrap", "5", "--json", path)
    assert result.stderr == ""
    lines = [line for line in result.stdout.splitlines() if line.strip() and "─" not in line]
    counts = "2 videos, 4 labelled frames, 4 people"
    assert lines[0] == f"{weights} on {videos}: {counts}, boxes: ground truth"
    assert lines[1].split() == [
        *("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"),
    ]
    names = [line.strip().split()[:3] for line in lines[2:7]]
    assert [name[0] for name in names] == ["PoseTrack", "temporal", "difference", "95%", "to"]
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["boxes"] == "ground truth"
    assert list(content["ap"]) == [*JOINTS, "mean"]
    rows = content["metrics"]["PoseTrack AP"]["values"]
    assert list(rows) == ["single-frame", "temporal", "difference"]
    assert rows["temporal"]["mean"] == content["ap"]["mean"]
    assert "PCKh@0.5" in content["metrics"]


def test_a_model_alone_in_its_single_frame_form(weights: Path, videos: Path) -> None:
    out = videos.parent / "made"
    result = evaluate_model(
        *(weights, "--annotations", videos, "--single-frame", "--limit", "1", "--output", out)
    )
    assert "1 video, 2 labelled frames, 2 people" in result.stdout
    assert "temporal" not in result.stdout
    assert [path.name for path in out.rglob("*.json") if path.parent != out] == ["a.json"]
    same = ("--weights", weights, "--annotations", videos, "--output", out)
    again = run("evaluate", *same, "--flip-test")
    assert again.exit_code == 2
    assert "pass --overwrite or another --output" in again.stderr


def test_boxes_of_a_file_are_named(weights: Path, videos: Path) -> None:
    entries = [
        {"image_name": f"images/val/{video}/000001.jpg", "bbox": [5, 5, 30, 40], "score": 0.9}
        for video in "ab"
    ]
    path = save(videos.parent / "boxes.json", entries)
    result = evaluate_model(
        *(weights, "--annotations", videos, "--boxes", path, "--box-threshold", "0.7")
    )
    assert f"boxes: {path}, score 0.7 or more" in result.stdout
    assert "PCK" not in result.stdout
    assert result.stderr == (f"warning: {path}: has no box for 2 of 4 labelled frames\n")


def test_a_video_whose_labelled_frames_have_no_box_stops(weights: Path, videos: Path) -> None:
    entries = [
        {"image_name": f"images/val/{name}", "bbox": [5, 5, 30, 40], "score": score}
        for name, score in (("a/000001.jpg", 0.9), ("b/000001.jpg", 0.5), ("b/000003.jpg", 0.9))
    ]
    path = save(videos.parent / "boxes.json", entries)
    command = ("evaluate", "--weights", weights, "--annotations", videos, "--boxes", path)
    made = videos.parent / "made"
    result = run(*command, "--box-threshold", "0.7", "--output", made)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {path}: no box of score 0.7 or more in the labelled frames of 1 of 2 videos; "
        "the first is b, which has b/000001.jpg, and this file has b/000001; "
        "give the boxes that belong to it, or a lower --box-threshold\n"
    )
    assert not made.exists()
    assert run(*command, "--device", "cpu").exit_code == 0


def test_stills_are_scored_by_cocos_rules(weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    category = {"id": 1, "name": "person", "keypoints": NAMES}
    images = [{"id": 1, "file_name": "images/one.jpg"}]
    content = {"images": images, "annotations": [person18(1, 1)], "categories": [category]}
    save_images(tmp_path, ["images/one.jpg"])
    path = save(tmp_path / "stills.json", content)
    result = evaluate_model(weights, "--annotations", path, "--json", tmp_path / "ap.json")
    assert "1 still, 1 person, boxes: ground truth" in result.stdout
    assert "AP50" in result.stdout
    values = json.loads((tmp_path / "ap.json").read_text())["metrics"]["COCO AP"]["values"]
    assert list(values["temporal"]) == ["AP", "AP50", "AP75", "APM", "APL", "AR"]


def test_clips_of_stills(weights: Path, videos: Path) -> None:
    path = videos.parent / "pck.json"
    result = evaluate_model(
        *(weights, "--annotations", videos, "--degradations", "dark,clean", "--limit", "2"),
        *("--baselines", "--json", path),
    )
    rows = result.stdout.splitlines()
    assert rows[0].endswith("2 people, boxes: ground truth")
    content = json.loads(path.read_text())
    for metric in ("pck", "calibration_error"):
        assert list(content[metric]) == ["clean", "dark", "all degraded"]
        dark = content[metric]["dark"]
        assert dark == content[metric]["all degraded"]  # one alone is all
        modes = [mode for mode in dark["values"] if "over" not in mode and mode != "difference"]
        baselines = ["mean-heatmaps", "pooled-heatmaps", "fused"]
        assert modes == ["single-frame", *baselines, "temporal"]


def test_steadiness_of_a_video(weights: Path, videos: Path) -> None:
    entries = [
        {"image_id": at, "bbox": [5 + at, 5, 30, 40], "score": 0.9, "category_id": 1}
        for at in range(4)
    ]
    boxes = save(videos.parent / "boxes.json", entries)
    clip, path = videos.parent / "images" / "val" / "a", videos.parent / "jitter.json"
    result = evaluate_model(weights, "--videos", clip, "--boxes", boxes, "--json", path)
    assert result.stdout.splitlines()[0] == f"{weights} on 1 video, boxes: {boxes}"
    row = result.stdout.splitlines()[-1].split()
    assert row[:3] == ["a", "4", "1"]
    numbers = json.loads(path.read_text(encoding="utf-8"))["videos"][str(clip)]
    assert set(numbers) >= {"jitter_single", "jitter_temporal", "apart", "lag"}
    evaluate_model(
        *(weights, "--videos", clip, "--boxes", boxes, "--temporal", "pooled", "--json", path)
    )
    pooled = json.loads(path.read_text(encoding="utf-8"))["videos"][str(clip)]
    assert pooled["jitter_temporal"] != numbers["jitter_temporal"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "expected --weights (a model) or --predictions (files of poses)"),
        ("--weights default", "--weights also needs --annotations"),
        ("--degradations clean", "--degradations also needs --weights"),
        ("--videos a.mp4", "--videos also needs --weights"),
        ("--weights default --predictions x", "--weights cannot be combined with --predictions"),
        ("--weights default --videos a.mp4 --limit 2", "--limit cannot be combined with --videos"),
        (
            "--weights x --annotations y --degradations dark --boxes gt",
            "--boxes cannot be combined with --degradations",
        ),
        ("--weights x --annotations y --end 2", "--end is for --videos"),
        (
            "--weights default --annotations y --kinds foggy",  # the name of an earlier version
            "--degradations foggy: unknown name 'foggy'; expected all or some of clean",
        ),
        ("--weights default --videos a --boxes gt", "videos have no labelled boxes"),
        (
            "--weights default --videos a --temporal none",
            "compares --temporal tar, pooled or fused with none",
        ),
        ("--weights default --annotations nowhere.json", "nowhere.json: no such file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: str, message: str) -> None:
    result = run("evaluate", *options.split())
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_model_without_temporal_part_has_no_steadiness_to_compare(tmp_path: Path) -> None:
    tiny_model(offsets=()).save_pretrained(tmp_path)
    video = tmp_path / "a.mp4"
    video.touch()
    result = run("evaluate", "--weights", tmp_path, "--videos", video)
    assert result.exit_code == 2
    assert "--temporal tar needs a temporal part, and these weights have none" in result.stderr


def walkers(ids: tuple[int, ...]) -> PredictedFrame:
    """Return people who stand 3,000 pixels below each other."""
    down = np.array([0.0, 3000])
    keypoints = (
        100.0 * np.arange(2 * J).reshape(1, J, 2) + down * np.arange(len(ids))[:, None, None]
    )
    return PredictedFrame(keypoints, np.full((len(ids), J), 0.9), np.array(ids))


def write_crossing(folder: Path, *, heads: bool = True) -> None:
    """Write two videos of two people in four frames; in the second, ids swap after two."""
    names = [f"{at:06d}.jpg" for at in range(4)]
    for video, later in (("a", (5, 6)), ("b", (6, 5))):
        truth, made = folder / "truth" / f"{video}.json", folder / "made" / f"{video}.json"
        for path in (truth, made):
            path.parent.mkdir(exist_ok=True)
        write_posetrack18(truth, {name: walkers((1, 2)) for name in names})
        write_posetrack18(
            made, {name: walkers((5, 6) if at < 2 else later) for at, name in enumerate(names)}
        )
        content = json.loads(truth.read_text(encoding="utf-8"))
        if heads:
            for person in content["annotations"]:
                person["bbox_head"] = [0, 0, 30, 40]
        save(truth, content)


def test_tracks_are_scored_beside_ap(tmp_path: Path) -> None:
    write_crossing(tmp_path)
    result = evaluate(tmp_path, "--tracks", "--bootstrap", "50", "--json", tmp_path / "new.json")
    assert result.exit_code == 0, result.output
    assert "PoseTrack MOTA of each joint" in result.stdout
    content = json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))
    assert content["ap"]["mean"] == 100
    assert content["tracks"]["id switches"] == 2
    assert content["tracks"]["MOTA"] == pytest.approx(87.5)  # 2 errors of 16
    assert content["tracks"]["IDF1"] == pytest.approx(75)
    assert content["posetrack_mota"]["nose"] == pytest.approx(100 * 10 / 12)  # without last frames
    assert content["tracks_interval95"]["MOTA"] == pytest.approx([75, 100])
    assert content["posetrack_mota_interval95"]["mean"] == pytest.approx([100 * 2 / 3, 100])


def test_without_heads_only_tracks_are_scored(tmp_path: Path) -> None:
    write_crossing(tmp_path, heads=False)
    assert evaluate(tmp_path).exit_code == 2
    result = evaluate(tmp_path, "--tracks", "--json", tmp_path / "new.json")
    assert result.exit_code == 0, result.output
    assert "16 labelled people without a head" in " ".join(result.stderr.split())
    content = json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))
    assert "ap" not in content
    assert content["posetrack_mota"] == {}
    assert content["tracks"]["MOTA"] == pytest.approx(87.5)
