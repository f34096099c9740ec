"""TRC, BVH and Label Studio: what other programs read is what the poses say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_people import STANDING, people
from invoke import refusal, run
from numpy.typing import NDArray
from posed_people import filmed, seen_from_the_front, seen_from_the_side
from some_poses import SIZE, clip
from written_results import written_results

from tarvitpose.angles.series import joint_angles
from tarvitpose.errors import DataError
from tarvitpose.formats.bvh import write_bvh
from tarvitpose.formats.label_studio import labelling_interface, write_label_studio
from tarvitpose.formats.mot import write_mot
from tarvitpose.formats.motion import SHOULDER_TO_ANKLE, motions, pixels_per_metre
from tarvitpose.formats.reading import load_poses
from tarvitpose.formats.trc import write_trc
from tarvitpose.results import FramePoses

HEIGHT = 100.0  # of the square around a drawn person, in pixels
RATE = 25.0


def walk(frames: int = 4) -> list[FramePoses]:
    """Return somebody who stands, and moves 10 pixels to the right in each frame."""
    return [
        replace(people((20 + 10 * i, 30), height=HEIGHT), index=7 + i, time=(7 + i) / RATE)
        for i in range(frames)
    ]


Markers = dict[str, NDArray[np.float64]]


def read_trc(path: Path) -> tuple[dict[str, str], Markers, NDArray[np.float64]]:
    """Return the values of the header, the markers (F, 3) by name, and the times (F,)."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    names = [name for name in lines[3][2:] if name]
    assert [cell for cell in lines[4] if cell] == [
        f"{axis}{i}" for i in range(1, len(names) + 1) for axis in "XYZ"
    ]
    table = np.array([[float(cell or "nan") for cell in line] for line in lines[5:]])
    markers = {name: table[:, 2 + 3 * i : 5 + 3 * i] for i, name in enumerate(names)}
    return dict(zip(lines[1], lines[2], strict=True)), markers, table[:, 1]


# ------------------------------------------------------------------------------------------- TRC


def test_markers_are_upright_from_the_lowest_joint_and_in_the_plane(tmp_path: Path) -> None:
    (motion,) = motions(walk(), 0.3)
    write_trc(tmp_path / "a.trc", motion)
    header, markers, times = read_trc(tmp_path / "a.trc")
    assert (header["NumFrames"], header["NumMarkers"], header["Units"]) == ("4", "15", "px")
    assert float(header["DataRate"]) == pytest.approx(RATE)
    assert times == pytest.approx([0.28, 0.32, 0.36, 0.4])
    assert markers["left_ankle"][:, 1] == pytest.approx([0] * 4)
    nose = STANDING["nose"]
    assert markers["nose"][0] == pytest.approx([20 + HEIGHT / 2, HEIGHT * (1 - nose[1]), 0])
    assert np.diff(markers["nose"], axis=0) == pytest.approx(np.tile([10.0, 0, 0], (3, 1)))


def test_joints_that_are_not_seen_are_empty_cells_and_gaps_stay_gaps(tmp_path: Path) -> None:
    frames = walk()
    frames[1].scores[0, 0] = 0.2
    frames[2] = frames[2].only(np.zeros(1, np.bool_))
    (motion,) = motions(frames, 0.3)
    write_trc(tmp_path / "a.trc", motion)
    _, markers, times = read_trc(tmp_path / "a.trc")
    assert len(times) == 4
    assert np.isnan(markers["nose"][:, 0]).tolist() == [False, True, True, False]
    assert np.isnan(markers["left_knee"][:, 0]).tolist() == [False, False, True, False]


def test_a_known_height_gives_metres() -> None:
    (motion,) = motions(walk(), 0.3)
    at = {name: np.array(STANDING[name]) for name in ("shoulder", "hip", "knee", "ankle")}
    trunk = at["hip"][1] - at["shoulder"][1]
    leg = np.linalg.norm(at["knee"] - at["hip"]) + np.linalg.norm(at["ankle"] - at["knee"])
    scale = pixels_per_metre(motion, 1.8)
    assert scale == pytest.approx(HEIGHT * (trunk + leg) / SHOULDER_TO_ANKLE / 1.8)
    metres = motion.in_metres(scale)
    assert metres.unit == "m"
    assert metres.keypoints * scale == pytest.approx(motion.keypoints)


def test_the_height_is_taken_from_frames_in_which_the_body_is_longest() -> None:
    frames = walk(12)
    for poses in frames[:6]:  # foreshortened
        poses.keypoints[0, :, 1] = 30 + 0.6 * (poses.keypoints[0, :, 1] - 30)
    (motion,) = motions(frames, 0.3)
    (upright,) = motions(walk(), 0.3)
    assert pixels_per_metre(motion, 1.8) == pytest.approx(pixels_per_metre(upright, 1.8))


def test_without_legs_a_height_says_nothing() -> None:
    frames = walk()
    for poses in frames:
        poses.scores[0, -4:] = 0  # knees and ankles
    with pytest.raises(DataError, match=r"never seen together.*--pixels-per-metre"):
        pixels_per_metre(motions(frames, 0.3)[0], 1.8)


# ------------------------------------------------------------------------------------------- MOT


def test_angles_are_named_as_opensims_coordinates_and_gaps_are_nan(tmp_path: Path) -> None:
    side = seen_from_the_side(thigh=30, shank=-10, upper_arm=-20, forearm=25)
    frames = filmed([side] * 5, low={1: ["left_ankle"]}, frames=[4, 5, 6, 8, 9])
    frames.insert(3, replace(frames[0].only(np.zeros(1, np.bool_)), index=7, time=0.28))
    write_mot(tmp_path / "a.mot", motions(frames, 0.3)[0], *joint_angles(frames))
    text = (tmp_path / "a.mot").read_text()
    head, _, table = text.partition("endheader\n")
    assert head.split("\n")[1:-1] == ["version=1", "nRows=6", "nColumns=11", "inDegrees=yes"]
    names, *rows = [line.split("\t") for line in table.splitlines()]
    columns = dict(zip(names, np.array(rows, float).T, strict=True))
    assert columns["time"] == pytest.approx([0.16, 0.2, 0.24, 0.28, 0.32, 0.36])
    expected = {"hip_flexion": 30, "knee_angle": 40, "arm_flex": -20, "elbow_flex": 45}
    for name, degrees in expected.items():
        for end in "lr":
            gaps = [3, 1] if (name, end) == ("knee_angle", "l") else [3]
            values = np.full(6, float(degrees))
            values[gaps] = np.nan
            assert columns[f"{name}_{end}"] == pytest.approx(values, abs=0.01, nan_ok=True)


def test_abduction_is_adduction_below_zero(tmp_path: Path) -> None:
    frames = filmed([seen_from_the_front(left_arm=60, right_thigh=25)] * 3)
    write_mot(tmp_path / "a.mot", motions(frames, 0.3)[0], *joint_angles(frames))
    names, first = [line.split("\t") for line in (tmp_path / "a.mot").read_text().splitlines()[6:8]]
    values = dict(zip(names, map(float, first), strict=True))
    assert (values["arm_add_l"], values["hip_adduction_r"]) == pytest.approx((-60, -25))
    assert "hip_flexion_l" not in values


# ------------------------------------------------------------------------------------------- BVH


def forward(path: Path) -> dict[str, list[NDArray[np.float64]]]:
    """Return where every bone begins and ends, (F, 2) each, by the rules of BVH."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    motion = lines.index("MOTION")
    rows = np.array([[float(v) for v in line.split()] for line in lines[motion + 3 :]])
    assert lines[motion + 1] == f"Frames: {len(rows)}"
    ends: dict[str, list[NDArray[np.float64]]] = {}
    stack: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    column, name = 0, ""
    for line in lines[1:motion]:
        words = line.split()
        if words[0] in ("ROOT", "JOINT", "End"):
            name = words[1]
        elif words[0] == "OFFSET":
            at, angle = (stack[-1][1], stack[-1][2]) if stack else (np.zeros((len(rows), 2)), 0)
            x, y = float(words[1]), float(words[2])
            cos, sin = np.cos(angle), np.sin(angle)
            at = at + np.stack([cos * x - sin * y, sin * x + cos * y], -1)
            if stack and stack[-1][0] != "hips":
                ends[stack[-1][0]].append(at)
            stack.append((name, at, np.broadcast_to(angle, len(rows))))
            ends[name] = [at]
        elif words[0] == "CHANNELS":
            values = dict(zip(words[2:], rows[:, column:].T, strict=False))
            column += int(words[1])
            name, at, angle = stack.pop()
            if "Xposition" in values:
                at = at + np.stack([values["Xposition"], values["Yposition"]], -1)
            stack.append((name, at, angle + np.radians(values.get("Zrotation", 0))))
            ends[name] = [at]
        elif words[0] == "}":
            stack.pop()
    assert column == rows.shape[1]
    return ends


def test_bones_begin_and_point_where_the_joints_do(tmp_path: Path) -> None:
    frames = walk(6)
    random = np.random.default_rng(0)
    for poses in frames:  # bones turn, and keep their lengths
        for side in ("left", "right"):
            hip, knee, ankle = (
                poses.joint_names.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")
            )
            points = poses.keypoints[0]
            for start, end, length in ((hip, knee, 23), (knee, ankle, 21)):
                turn = random.uniform(-np.pi, np.pi)
                points[end] = points[start] + length * np.array([np.sin(turn), np.cos(turn)])
    (motion,) = motions(frames, 0.3)
    write_bvh(tmp_path / "a.bvh", motion)
    bones = forward(tmp_path / "a.bvh")
    assert len(bones) == 12  # with the root and the name of the end sites
    for side in ("left", "right"):
        for name, start, end in (("thigh", "hip", "knee"), ("shin", "knee", "ankle")):
            begins, ends = bones[f"{side}_{name}"]
            assert begins == pytest.approx(motion.joint(f"{side}_{start}"), abs=0.05)
            assert ends == pytest.approx(motion.joint(f"{side}_{end}"), abs=0.05)
    assert bones["spine"][1] == pytest.approx(motion.middle("shoulder"), abs=0.05)
    assert bones["head"][1] == pytest.approx(motion.joint("head_top"), abs=0.05)


def test_gaps_are_interpolated_and_someone_without_legs_is_refused(tmp_path: Path) -> None:
    frames = walk(5)
    frames[2] = frames[2].only(np.zeros(1, np.bool_))
    write_bvh(tmp_path / "a.bvh", motions(frames, 0.3)[0])
    hips = forward(tmp_path / "a.bvh")["hips"][0]
    assert np.diff(hips, axis=0) == pytest.approx(np.tile([10.0, 0.0], (4, 1)), abs=0.05)
    for poses in frames:
        poses.scores[:, -4:] = 0
    with pytest.raises(DataError, match=r"track 1: left_knee.*never seen well enough"):
        write_bvh(tmp_path / "b.bvh", motions(frames, 0.3)[0])
    assert not (tmp_path / "b.bvh").exists()


# ---------------------------------------------------------------------------------- Label Studio


def inside(frames: list[FramePoses]) -> list[FramePoses]:
    """Return frames whose people are within the image, as Label Studio shows them."""
    limits = np.array(SIZE[::-1], np.float32)
    return [
        replace(
            poses,
            keypoints=poses.keypoints.clip(0, limits),
            boxes=poses.boxes.clip(0, np.tile(limits, 2)),
        )
        for poses in frames
    ]


def exported(path: Path, **annotation: Any) -> list[dict[str, Any]]:
    """Return tasks as Label Studio exports them once their predictions were accepted."""
    tasks: list[dict[str, Any]] = json.loads(path.read_text())
    for task in tasks:
        regions = task["predictions"][0]["result"]
        for region in regions:  # people's regions have no score
            region.pop("score")
        task["annotations"] = [{"id": 1, "was_cancelled": False, "result": regions, **annotation}]
    return tasks


def test_poses_come_back_from_label_studio(tmp_path: Path) -> None:
    frames = inside(clip())
    write_label_studio(tmp_path / "a.json", frames, "s3://bucket/{frame}.jpg")
    tasks = json.loads((tmp_path / "a.json").read_text())
    assert [task["data"]["image"] for task in tasks][1] == "s3://bucket/000001.jpg"
    for loaded, poses in zip(load_poses(tmp_path / "a.json"), frames, strict=True):
        assert (loaded.index, loaded.image_size) == (poses.index, poses.image_size)
        assert loaded.time == pytest.approx(poses.time, abs=1e-6)
        assert loaded.track_ids.tolist() == poses.track_ids.tolist()
        assert loaded.joint_names == poses.joint_names
        assert loaded.keypoints == pytest.approx(poses.keypoints, abs=1e-4)
        assert loaded.boxes == pytest.approx(poses.boxes, abs=1e-4)
        assert loaded.scores == pytest.approx(poses.scores, abs=1e-5)


def test_what_people_correct_is_read_instead_of_the_predictions(tmp_path: Path) -> None:
    frames = inside(clip())
    write_label_studio(tmp_path / "a.json", frames, "{frame}.jpg")
    tasks = exported(tmp_path / "a.json")
    nose = next(r for r in tasks[0]["annotations"][0]["result"] if r["id"] == "0-1-nose")
    nose["value"] |= {"x": 25.0, "y": 50.0}
    (tmp_path / "b.json").write_text(json.dumps(tasks))
    first = load_poses(tmp_path / "b.json")[0]
    assert first["nose"][1].tolist() == [SIZE[1] / 4, SIZE[0] / 2]
    assert first["nose"][0] == pytest.approx(frames[0]["nose"][0], abs=1e-4)
    assert np.isnan(first.scores).all()


def test_a_new_joint_belongs_to_the_person_around_it_or_is_refused(tmp_path: Path) -> None:
    frames = inside(clip())
    write_label_studio(tmp_path / "a.json", frames, "{frame}.jpg")
    tasks = exported(tmp_path / "a.json")
    regions = tasks[0]["annotations"][0]["result"]
    nose = next(region for region in regions if region["id"] == "0-0-nose")
    del nose["parentID"]
    low, high = frames[0].boxes[0].reshape(2, 2)
    middle = (low + high) / 2
    nose["value"] |= dict(zip("xy", (100 * middle / SIZE[::-1]).tolist(), strict=True))
    (tmp_path / "b.json").write_text(json.dumps(tasks))
    assert load_poses(tmp_path / "b.json")[0]["nose"][0] == pytest.approx(middle, abs=1e-3)
    regions[:] = [region for region in regions if region["type"] != "rectanglelabels"]
    (tmp_path / "c.json").write_text(json.dumps(tasks))
    with pytest.raises(DataError, match="nose belongs to nobody; draw a rectangle around it"):
        load_poses(tmp_path / "c.json")


def test_a_skipped_annotation_does_not_count(tmp_path: Path) -> None:
    write_label_studio(tmp_path / "a.json", inside(clip()), "{frame}.jpg")
    tasks = exported(tmp_path / "a.json", was_cancelled=True)
    (tmp_path / "b.json").write_text(json.dumps(tasks))
    assert [len(poses) for poses in load_poses(tmp_path / "b.json")] == [2, 0, 1, 0, 3]


def test_the_interface_names_what_the_tasks_use() -> None:
    view = ElementTree.fromstring(labelling_interface(["nose", "left_eye"]))
    names = {tag.get("name"): tag.get("toName") for tag in view if tag.get("name")}
    assert names == {"image": None, "person": "image", "joint": "image"}
    labels = [label.get("value") for label in view.findall("KeyPointLabels/Label")]
    assert labels == ["nose", "left_eye"]


# ---------------------------------------------------------------------------------- command line


def test_reformat_writes_a_file_for_each_person(tmp_path: Path) -> None:
    result = written_results(tmp_path, ["npz"])["npz"]
    done = run("reformat", result, "--format", "trc,label-studio", "--pixels-per-metre", 50)
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in result.parent.iterdir())
    tracks = sorted({int(track) for poses in load_poses(result) for track in poses.track_ids})
    trc = [f"walk.track{track}.trc" for track in tracks]
    assert names == sorted([*trc, "walk.label-studio.json", "walk.label-studio.xml", "walk.npz"])
    assert read_trc(result.parent / trc[0])[0]["Units"] == "m"
    assert "there already" in refusal("reformat", result, "--format", "trc")
    wrong = refusal("reformat", result, "--format", "trc", "--track", 99, "--overwrite")
    assert "--track 99: not in this file" in wrong
    both = refusal("reformat", result, "--format", "trc", "--height", 1.8, "--pixels-per-metre", 9)
    assert "give one" in both


def test_coordinates_in_pixels_are_said(tmp_path: Path) -> None:
    result = written_results(tmp_path, ["csv"])["csv"]
    done = run("reformat", result, "--format", "trc", "--output", tmp_path / "trc")
    assert done.exit_code == 0, done.output
    assert "coordinates are pixels, not metres" in done.stderr
    kinds = ("reformat", result, "--format", "trc,label-studio", "--output", tmp_path / "all")
    assert "without an image size" in refusal(*kinds)
    assert not [*tmp_path.glob("all/*")]


def test_joints_that_all_score_too_low_are_one_line(tmp_path: Path) -> None:
    result = written_results(tmp_path, ["npz"])["npz"]
    line = refusal("reformat", result, "--format", "trc,bvh", "--keypoint-threshold", 1)
    assert line.endswith("no joint scores 1; lower --keypoint-threshold")
    assert [path.name for path in result.parent.iterdir()] == [result.name]


def test_someone_without_legs_leaves_no_file_of_the_others(tmp_path: Path) -> None:
    result = written_results(tmp_path, ["npz"])["npz"]
    arrays = dict(np.load(result))
    arrays["scores"][:] = 1
    arrays["scores"][-1, -4:] = 0
    np.savez(result, **arrays)
    line = refusal("reformat", result, "--format", "label-studio,mot,trc,bvh")
    assert "never seen well enough" in line
    assert [path.name for path in result.parent.iterdir()] == [result.name]
