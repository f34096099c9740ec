"""Joints over time: what is drawn, from which files, and what is refused."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from invoke import run
from saved_figures import record_figures
from some_poses import clip, some_poses

from tarvitpose.errors import UserError
from tarvitpose.formats.mmpose import MmposeWriter
from tarvitpose.results import FramePoses
from tarvitpose.visualization.joint_plot import follow, plot_joints

pytest.importorskip("matplotlib")


def walk(frames: int = 6, absent: int = 3) -> list[FramePoses]:
    """One person, track 7, whose left wrist moves; in one frame they are not there."""
    poses = []
    for index in range(frames):
        frame = some_poses(index, int(index != absent), index / 25)
        keypoints = frame.keypoints.copy()
        keypoints[:, frame.joint_names.index("left_wrist")] = (10 * index, 5)
        ids = np.full(len(frame), 7)
        poses.append(
            replace(frame, keypoints=keypoints, track_ids=ids, raw_keypoints=keypoints + 1)
        )
    return poses


def test_a_joint_is_followed_and_breaks_where_the_person_is_away() -> None:
    values = follow(walk(), 7, "left_wrist")
    np.testing.assert_allclose(values[:, 0], np.arange(6) / 25, atol=1e-6)
    np.testing.assert_allclose(values[:, 1], [0, 10, 20, np.nan, 40, 50])
    np.testing.assert_allclose(values[:, 2], [5, 5, 5, np.nan, 5, 5])
    raw = follow(walk(), 7, "left_wrist", raw=True)
    np.testing.assert_allclose(raw[:, 1], values[:, 1] + 1)
    assert np.isnan(follow(walk(), 8, "left_wrist")[:, 1:]).all()


def test_without_times_the_frame_counts() -> None:
    poses = [replace(frame, time=float("nan")) for frame in walk()]
    np.testing.assert_array_equal(follow(poses, 7, "nose")[:, 0], np.arange(6))


def test_the_picture_has_a_column_for_each_joint(tmp_path: Path) -> None:
    files = {"tar": walk(), "single": walk(absent=4)}
    sizes = []
    for joints in (["left_wrist"], ["left_wrist", "nose"]):
        path = tmp_path / f"{len(joints)}.png"
        plot_joints(files, path, joints=joints)
        sizes.append(cv2.imread(str(path)).shape)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] == 2 * sizes[0][1]


def test_the_legend_tells_files_tracks_and_raw_values_apart(tmp_path: Path) -> None:
    path = tmp_path / "all.svg"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("matplotlib").rcParams, "svg.fonttype", "none")
        plot_joints({"tar": walk(), "other": clip()}, path, joints=["nose"])
    text = path.read_text()
    for label in ("tar, person 7", "tar, person 7, raw", "other, person 1", "time (s)"):
        assert f">{label}<" in text
    assert "other, person 1, raw" not in text


def test_unknown_joints_and_tracks_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "no.png"
    with pytest.raises(UserError, match=r"elbow: no such joint; the file has .*left_elbow"):
        plot_joints({"tar": walk()}, path, joints=["elbow"])
    with pytest.raises(UserError, match="track 9: not there; the tracks are 7"):
        plot_joints({"tar": walk()}, path, joints=["nose"], tracks=[9])
    empty = [some_poses(0, 0, 0.0)]
    with pytest.raises(UserError, match="nobody is seen"):
        plot_joints({"tar": empty}, path, joints=["nose"])
    assert not path.exists()


def test_the_command_draws_a_table_and_does_not_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = record_figures(monkeypatch)
    rows = ["frame,time_s,track_id,joint,x,y,score"]
    rows += [f"{n},{n / 25},1,left_wrist,{n},{2 * n},0.9" for n in range(4)]
    table = tmp_path / "dance.csv"
    table.write_text("\n".join(rows) + "\n")
    arguments = ["plot", str(table), "--joints", "left_wrist"]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    x, y, score = (panel.lines[0].get_ydata().tolist() for panel in figures[0].axes)
    assert (x, y) == ([0, 1, 2, 3], [0, 2, 4, 6])
    assert score == pytest.approx([0.9] * 4)
    assert cv2.imread(str(tmp_path / "dance.plot.png")) is not None
    again = run(*arguments)
    assert "there already" in f"{again.output}{again.exception}"
    assert again.exit_code
    wrong = run(*arguments, "--output", tmp_path / "x.gif")
    assert ".png, .svg or .pdf" in f"{wrong.output}{wrong.exception}"


def test_the_picture_lies_beside_the_result_and_is_named_as_predict_names_it(
    tmp_path: Path,
) -> None:
    poses = tmp_path / "take.2.mmpose.json"
    with MmposeWriter(poses) as writer:
        for frame in walk():
            writer.write(frame)
    for more, folder in (((), tmp_path), (("--output", str(tmp_path / "new")), tmp_path / "new")):
        done = run("plot", poses, *more)
        assert done.exit_code == 0, done.output
        assert (folder / "take.2.plot.png").is_file()
