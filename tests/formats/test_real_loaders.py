"""What is exported opens in the programs it is for, by their own loaders.

Those that install beside this package are in the `dev` extra or in the Makefile. Datumaro, by which
CVAT reads COCO, and Label Studio's SDK need other versions of what we need, so they are skipped
where somebody has not installed them by hand; the tests of the formats read these files by the
rules of the format as well.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posed_people import filmed, seen_from_the_side
from some_poses import clip
from written_results import written_results

from tarvitpose.angles.series import joint_angles
from tarvitpose.formats.bvh import write_bvh
from tarvitpose.formats.label_studio import labelling_interface, write_label_studio
from tarvitpose.formats.mot import write_mot
from tarvitpose.formats.motion import TrackMotion, motions
from tarvitpose.formats.trc import write_trc
from tarvitpose.results import FramePoses

PIXELS_PER_METRE = 100.0
RATE = 25.0


def squat() -> list[FramePoses]:
    """Return somebody who bends the knees by 20, 40 and 60 degrees; one ankle is hidden once."""
    people = [seen_from_the_side(thigh=bend, shank=-bend) for bend in (10, 20, 30)]
    return filmed(people, low={1: ["left_ankle"]}, frame_rate=RATE)


@pytest.fixture
def motion() -> TrackMotion:
    return motions(squat(), 0.3)[0].in_metres(PIXELS_PER_METRE)


@pytest.fixture
def opensim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return OpenSim, whose log goes into a temporary folder."""
    monkeypatch.chdir(tmp_path)
    module = pytest.importorskip("opensim")
    module.Logger.setLevelString("Error")
    return module


def test_opensim_reads_markers_with_their_unit_and_gaps(
    tmp_path: Path, motion: TrackMotion, opensim: Any
) -> None:
    write_trc(tmp_path / "a.trc", motion)
    table = opensim.TimeSeriesTableVec3(str(tmp_path / "a.trc"))
    assert tuple(table.getColumnLabels()) == motion.joint_names
    assert table.getTableMetaDataString("Units") == "m"
    assert float(table.getTableMetaDataString("DataRate")) == pytest.approx(RATE)
    assert list(table.getIndependentColumn()) == pytest.approx([0, 0.04, 0.08])
    for name in motion.joint_names:
        column = table.getDependentColumn(name)
        read = np.array([column[row].to_numpy() for row in range(3)])
        assert read[:, :2] == pytest.approx(motion.joint(name), abs=1e-4, nan_ok=True)
    hidden = table.getDependentColumn("left_ankle")[1].to_numpy()
    assert np.isnan(hidden).all()


def test_opensim_reads_angles_in_degrees(tmp_path: Path, motion: TrackMotion, opensim: Any) -> None:
    write_mot(tmp_path / "a.mot", motion, *joint_angles(squat()))
    table = opensim.TimeSeriesTable(str(tmp_path / "a.mot"))
    assert table.getTableMetaDataString("inDegrees") == "yes"
    assert list(table.getIndependentColumn()) == pytest.approx([0, 0.04, 0.08])
    for side, knee in (("l", [20, np.nan, 60]), ("r", [20, 40, 60])):
        read = table.getDependentColumn(f"knee_angle_{side}").to_numpy()
        assert read == pytest.approx(knee, abs=0.01, nan_ok=True)
        hip = table.getDependentColumn(f"hip_flexion_{side}").to_numpy()
        assert hip == pytest.approx([10, 20, 30], abs=0.01)


def test_bvh_reads_the_skeleton_and_how_it_moves(tmp_path: Path, motion: TrackMotion) -> None:
    bvh = pytest.importorskip("bvh")
    write_bvh(tmp_path / "a.bvh", motion)
    tree = bvh.Bvh((tmp_path / "a.bvh").read_text())
    assert (tree.nframes, tree.frame_time) == (3, pytest.approx(1 / RATE))
    names = tree.get_joints_names()
    assert (names[0], len(names)) == ("hips", 11)
    parents = {name: tree.joint_parent(name).name for name in names[1:]}
    assert parents["right_shin"] == "right_thigh"
    assert parents["right_thigh"] == parents["spine"] == "hips"
    assert tree.joint_offset("right_shin")[1] == pytest.approx(60 / PIXELS_PER_METRE, abs=1e-3)
    for name in names:  # Blender refuses joints that have one or two
        turns = [channel for channel in tree.joint_channels(name) if "rotation" in channel]
        assert turns == ["Zrotation", "Xrotation", "Yrotation"]
    for frame, bend in enumerate((10, 20, 30)):  # legs hang: half a turn from straight up
        thigh = tree.frame_joint_channel(frame, "right_thigh", "Zrotation")
        assert thigh == pytest.approx(bend - 180, abs=0.05)
        shin = tree.frame_joint_channel(frame, "right_shin", "Zrotation")
        assert shin == pytest.approx(-2 * bend, abs=0.05)


def test_datumaro_reads_what_cvat_is_given(tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro")
    path = written_results(tmp_path, ["coco"])["coco"]
    folder = tmp_path / "set" / "annotations"
    folder.mkdir(parents=True)
    (folder.parent / "images").mkdir()  # Datumaro asks for it, with or without pictures
    (folder / "person_keypoints_default.json").write_bytes(path.read_bytes())
    data = datumaro.Dataset.import_from(str(folder.parent), "coco_person_keypoints")
    assert sorted(item.id for item in data) == [f"walk/frame_{frame:06d}" for frame in range(5)]
    for item, poses in zip(sorted(data, key=lambda item: item.id), clip(), strict=True):
        points = [part for part in item.annotations if part.type.name == "points"]
        people = sorted(points, key=lambda part: part.id)
        assert len(people) == len(poses)
        for person, joints in zip(people, poses.keypoints, strict=True):
            assert np.array(person.points).reshape(-1, 2) == pytest.approx(joints, abs=0.01)
    categories = data.categories()[datumaro.AnnotationType.points]
    assert tuple(categories.items[0].labels) == clip()[0].joint_names


def test_label_studio_accepts_the_tasks_for_its_interface(tmp_path: Path) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    frames = clip()
    write_label_studio(tmp_path / "a.json", frames, "s3://bucket/{frame}.jpg")
    view = interface.LabelInterface(labelling_interface(frames[0].joint_names))
    view.validate()
    for task in json.loads((tmp_path / "a.json").read_text()):
        assert view.validate_task({"data": task["data"]})
        assert all(view.validate_prediction(prediction) for prediction in task["predictions"])
