"""`tarvitpose evaluate`: what it prints and writes, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tarvitpose.cli import app
from tarvitpose.metrics.posetrack_ap import JOINTS, PredictedFrame
from tarvitpose.metrics.posetrack_files import write_posetrack17, write_posetrack18

HEAVY = ("torch", "numpy", "cv2", "tarvitpose.metrics.posetrack_ap")
FRAMES = ("000000.jpg", "000001.jpg")
WRITERS = {"18": write_posetrack18, "17": write_posetrack17}
J = len(JOINTS)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="tarvitpose")


def evaluate(folder: Path, *options: str | Path) -> Result:
    return run(
        *("evaluate", "--predictions", folder / "made"),
        *("--annotations", folder / "truth", *options),
    )


def refusal(folder: Path, *options: str | Path) -> str:
    """Run the command that must fail for the user, and return its single line."""
    result = evaluate(folder, *options)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").strip()


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
    found = json.loads((folder / "ap.json").read_text(encoding="utf-8"))["interval95"]
    assert list(found) == [*JOINTS, "mean"]
    assert found["left_wrist"] == pytest.approx([25, 25])


def test_a_single_video_has_no_interval(folder: Path) -> None:
    for name in ("made", "truth"):
        (folder / name / "b.json").unlink()
    result = evaluate(folder, "--bootstrap", "20", "--json", folder / "ap.json")
    assert result.exit_code == 0
    assert "there is only one: no interval" in result.stderr
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
    message = refusal(folder, "--json", folder / "ap.json")
    assert message.startswith(f"{folder / 'made'}: lacks b.json")
    assert not (folder / "ap.json").exists()


def test_folders_that_are_not_there_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"{tmp_path / 'made'}: no such folder")


def test_a_broken_file_is_refused(folder: Path) -> None:
    (folder / "made" / "a.json").write_text("{}", encoding="utf-8")
    assert refusal(folder).startswith(f"{folder / 'made' / 'a.json'}: has neither annolist")


def test_both_folders_are_needed(tmp_path: Path) -> None:
    result = run("evaluate", "--predictions", tmp_path)
    assert result.exit_code == 2
    assert "--annotations" in result.stderr


def test_a_negative_number_of_draws_is_refused(folder: Path) -> None:
    assert "--bootstrap" in refusal(folder, "--bootstrap", "-1")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tarvitpose.cli import app\n"
        "try:\n    app(['evaluate', '--help'], prog_name='tarvitpose')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        f"assert not set({HEAVY!r}) & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
