"""The tables, the drawing and the command."""

import csv
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from invoke import run
from posed_people import SIZE, filmed, seen_from_the_side
from saved_figures import record_figures
from video_files import make_video

from tarvitpose.angles.arcs import draw_angles
from tarvitpose.angles.series import joint_angles
from tarvitpose.config import PredictConfig
from tarvitpose.drawing import SIDE_COLOURS
from tarvitpose.formats import angles_table
from tarvitpose.formats.angles_table import AnglesWriter
from tarvitpose.formats.table import CsvWriter
from tarvitpose.formats.writing import open_writers, output_paths
from tarvitpose.results import FramePoses
from tarvitpose.video.sources import open_source

FRAMES = 60


@pytest.fixture
def squats() -> list[FramePoses]:
    """Four deep bends of the knee in 2.4 seconds; in one frame an ankle is not sure."""
    bends = 45 - 45 * np.cos(2 * np.pi * np.arange(FRAMES) / 15)
    people = [seen_from_the_side(thigh=bend / 2, shank=-bend / 2) for bend in bends]
    return filmed(people, low={3: ["left_ankle"]})


@pytest.fixture
def result(tmp_path: Path, squats: list[FramePoses]) -> Path:
    path = tmp_path / "squat.csv"
    with CsvWriter(path) as writer:
        for frame in squats:
            writer.write(frame)
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_the_command_writes_what_was_done(result: Path) -> None:
    done = run("angles", result)
    assert done.exit_code == 0, done.output
    assert "4 repetitions of 0.60 s" in done.output
    rows = table(result.with_name("squat.angles.csv"))
    assert [int(row["frame"]) for row in rows] == [*range(FRAMES)]
    assert rows[0]["faces"] == "right"
    assert rows[3]["left_knee_flexion"] == ""
    assert float(rows[7]["left_knee_flexion"]) == pytest.approx(89, abs=0.2)
    (person,) = json.loads(result.with_name("squat.angles.json").read_text())["people"]
    knee = person["ranges"]["right_knee_flexion"]
    assert knee["range_of_motion"] == pytest.approx(89, abs=1)
    assert knee["known_frames"] == FRAMES
    assert person["left_against_right"]["knee_flexion"]["left_less_right"] == pytest.approx(
        0, abs=1
    )
    assert person["repetitions"]["right_knee_flexion"]["period"] == pytest.approx(0.6)


def test_existing_tables_stay_and_bad_input_is_one_line(result: Path) -> None:
    assert run("angles", result).exit_code == 0
    for words, said in (
        ((result,), "squat.angles.csv: there already; pass --overwrite"),
        ((result, "--overwrite", "--track", 9), "no track 9; the tracks are 1"),
        ((result, "--overwrite", "--format", "xls"), "--format"),
        (("no.csv",), "no.csv: no such file"),
    ):
        failed = run("angles", *words)
        assert failed.exit_code == 2
        assert said in failed.output
        assert failed.output.count("\n") == 1
    bare = result.with_name("bare.csv")
    bare.write_text("frame,time_s,track_id,joint,x,y,score\n0,0,1,tail,1,2,0.9\n")
    assert "no angle can be made of its joints, tail" in run("angles", bare).output
    assert not bare.with_name("bare.angles.csv").exists()


def test_frames_without_anybody_are_in_the_table(tmp_path: Path) -> None:
    poses = filmed([seen_from_the_side()] * 3)
    poses[1] = poses[1].only(np.array([False]))
    with AnglesWriter(tmp_path / "gap.angles.csv") as writer:
        for frame in poses:
            writer.write(frame)
    rows = table(tmp_path / "gap.angles.csv")
    assert [row["track_id"] for row in rows] == ["1", "", "1"]
    assert rows[1]["left_knee_flexion"] == ""


def test_parquet_has_the_same_numbers(result: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("angles", result, "--format", "csv,parquet").exit_code == 0
    read = parquet.read_table(result.with_name("squat.angles.parquet")).to_pydict()
    rows = table(result.with_name("squat.angles.csv"))
    assert [*read] == [*rows[0]]
    assert read["left_knee_flexion"][3] is None
    for name in ("time_s", "left_knee_flexion", "trunk_lean"):
        shown = [float(row[name]) if row[name] else None for row in rows]
        assert shown == pytest.approx(read[name], abs=0.006, nan_ok=True)


def test_both_files_of_one_run_come_from_one_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    calls: list[int] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return joint_angles(*arguments, **options)

    monkeypatch.setattr(angles_table, "joint_angles", counted)
    made = make_video(tmp_path / "squat.mp4", 3)
    config = PredictConfig(output=tmp_path, angles=True, formats=("parquet",), render=False)
    with open_source(made) as source, ExitStack() as stack:
        files = output_paths(source, config)
        writers = [stack.enter_context(each) for each in open_writers(files, source, config)]
        for poses in filmed([seen_from_the_side()] * 3):
            for writer in writers:
                writer.write(poses)
    assert len(calls) == 1
    rows = table(tmp_path / "squat.angles.csv")
    assert parquet.read_table(tmp_path / "squat.angles.parquet").column_names == [*rows[0]]
    assert (tmp_path / "squat.parquet").is_file()


def test_the_plot_has_left_and_right_in_their_colours(
    result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = record_figures(monkeypatch)
    done = run("angles", result, "--plot")
    assert done.exit_code == 0, done.output
    knee = next(panel for panel in figures[0].axes if panel.get_title("left") == "knee flexion")
    lines = {line.get_label(): line for line in knee.lines if line.get_label() in SIDE_COLOURS}
    for side, line in lines.items():
        shade = tuple(value / 255 for value in SIDE_COLOURS[str(side)])
        assert line.get_color() == pytest.approx(shade)
    assert np.isnan(lines["left"].get_ydata()[3])
    spans = [np.ptp(panel.get_ylim()) for panel in figures[0].axes]
    assert min(spans) >= 30 - 1e-6  # degrees: a still joint has no dramatic curve
    assert cv2.imread(str(result.with_name("squat.angles.png"))) is not None


def test_a_bent_knee_has_an_arc_and_a_number_beside_it() -> None:
    poses = filmed([seen_from_the_side(thigh=90, shank=0)])[0]
    canvas = np.full((*SIZE, 3), 128, np.uint8)
    draw_angles(canvas, poses)
    changed = np.argwhere((canvas != 128).any(-1))[:, ::-1]
    for joint in ("left_knee", "left_hip", "left_shoulder"):
        near = np.abs(changed - poses[joint][0]).max(1) < 40
        assert near.sum() > 50, joint
    untouched = np.full((*SIZE, 3), 128, np.uint8)
    draw_angles(untouched, poses, keypoint_threshold=1.0)
    assert (untouched == 128).all()
