"""The data set made from code: exact joints, sides that can be told, the same files every time."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from tarvitpose.cli import data_generate
from tarvitpose.data import generated_figure as figure
from tarvitpose.data.generated import FRAME_SIZE, random_scene, write_generated
from tarvitpose.data.generated_drawing import (
    PARTS,
    Body,
    Cloth,
    Looks,
    draw_figure,
    figure_box,
    random_looks,
)
from tarvitpose.data.posetrack import read_posetrack18
from tarvitpose.data.records import Record, read_image
from tarvitpose.errors import DataError, OutputError
from tarvitpose.skeleton import POSETRACK_15

PEOPLE, FRAMES = 8, 3
AT, LENGTHS = figure.AT, figure.LENGTHS
BLACK, RED = np.zeros(3), np.array([250.0, 0, 0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generated(tmp_path_factory.mktemp("data") / "made", PEOPLE, 3, FRAMES)


def read(folder: Path, name: str = "train") -> list[Record]:
    return read_posetrack18(folder / "annotations" / name, folder, POSETRACK_15)


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def rest(**degrees: float) -> dict[str, NDArray[np.float64]]:
    """Angles of somebody who stands straight, but for those given in degrees."""
    names = [f"{side}_{part}" for side in ("left", "right") for part in figure.LIMITS]
    return {name: np.deg2rad([degrees.get(name, 0.0)]) for name in (*figure.TRUNK, *names)}


def places(heading: float = 0, **degrees: float) -> NDArray[np.float64]:
    at, _ = figure.bend(rest(**degrees), LENGTHS, np.deg2rad([heading]))
    return at[0]


def standing(heading: float, **degrees: float) -> Body:
    """Somebody 300 pixels tall in the middle of a picture of 400 x 400."""
    at, head = figure.bend(rest(**degrees), LENGTHS, np.deg2rad([heading]))
    return Body(at[0, :, :2] * (300, -300) + 200, at[0, :, 2], head[0], 300)


def picture(body: Body, looks: Looks) -> NDArray[np.int64]:
    canvas = np.zeros((400, 400, 3), np.uint8)
    draw_figure(canvas, body, looks)
    return canvas.astype(int)


def middle(points: NDArray[Any], side: str, start: str, end: str) -> tuple[int, int]:
    """Row and column half-way between two joints of a side."""
    x, y = (points[AT[f"{side}_{start}"]] + points[AT[f"{side}_{end}"]]) / 2
    return round(float(y)), round(float(x))


def test_it_reads_as_posetrack18_with_all_joints(folder: Path) -> None:
    for name, people in (("train", PEOPLE), ("val", PEOPLE // 4)):
        records = read(folder, name)
        assert len(records) == people * FRAMES
        assert len({record.name for record in records}) == len(records)
        for record in records:
            assert record.visible.all()
            assert len(record.frames) == FRAMES
            assert read_image(record.frames[record.current], record.name).shape[:2] == FRAME_SIZE


def test_people_are_inside_their_boxes_and_the_frame(folder: Path) -> None:
    for record in read(folder):
        low, high = np.array(record.box[:2]), np.array(record.box[2:])
        assert (record.keypoints > low).all()
        assert (record.keypoints < high).all()
        assert (low > 0).all()
        assert (high < FRAME_SIZE[::-1]).all()
        assert high[1] - low[1] > 100


def test_the_same_seed_gives_the_same_files_and_another_others(
    folder: Path, tmp_path: Path
) -> None:
    made = files(folder)
    assert files(write_generated(tmp_path / "again", PEOPLE, 3, FRAMES)) == made
    other = files(write_generated(tmp_path / "other", PEOPLE, 4, FRAMES))
    assert not set(other.values()) & set(made.values())


def test_the_sets_share_no_picture(folder: Path) -> None:
    content = [value for name, value in files(folder).items() if name.endswith(".jpg")]
    assert len(set(content)) == len(content)


def test_left_limbs_are_warm_and_right_ones_cool_where_the_joints_say(folder: Path) -> None:
    right = []
    for record in read(folder):
        image = read_image(record.frames[record.current], record.name).astype(int)
        points = dict(zip(POSETRACK_15.joints, record.keypoints, strict=True))
        for side, sign in (("left", 1), ("right", -1)):
            for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
                x, y = ((points[f"{side}_{a}"] + points[f"{side}_{b}"]) / 2).round().astype(int)
                red, green, blue = image[y, x]
                right.append(sign * (red - max(blue, green if sign < 0 else 0)) > 0)
    assert np.mean(right) > 0.75  # the others are hidden


@pytest.mark.parametrize("part", [part for part in PARTS if part.name != "trunk"])
def test_parts_are_drawn_between_their_joints(part: Any) -> None:
    body = standing(20, left_elbow=60, right_hip_flex=40, right_knee=30, left_shoulder_open=70)
    dark = Cloth(BLACK, np.zeros(2), 0)
    cloths = {one.name: dark for one in PARTS} | {part.name: Cloth(RED, np.zeros(2), 0)}
    y, x = np.nonzero(picture(body, Looks(cloths, BLACK, BLACK))[..., 0] > 40)
    assert len(x) > 20
    (first, wide), (second, other) = part.circles
    start, end = body.points[AT[first]], body.points[AT[second]]
    along = np.clip(
        (np.stack([x, y], -1) - start) @ (end - start) / ((end - start) ** 2).sum(), 0, 1
    )
    distance = np.linalg.norm(np.stack([x, y], -1) - start - along[:, None] * (end - start), axis=1)
    assert distance.max() < max(wide, other) * body.height + 1.5


def test_nearer_limbs_hide_those_behind() -> None:
    looks = random_looks(np.random.default_rng(0))
    for heading, seen in ((90, "right"), (-90, "left")):  # facing right shows the right side
        body = standing(heading)
        shown = picture(body, looks)[middle(body.points, seen, "shoulder", "elbow")]
        colour = looks.cloths[f"{seen}_upper_arm"].colour
        assert np.abs(shown / shown.max() - colour / colour.max()).max() < 0.05


def test_a_face_is_seen_from_the_front_and_hair_from_behind() -> None:
    looks = Looks(random_looks(np.random.default_rng(0)).cloths, np.array([0, 250.0, 0]), RED)
    front, back = (standing(heading) for heading in (0, 180))
    for body, channel in ((front, 1), (back, 0)):
        x, y = body.points[AT["head"]].round().astype(int)
        assert picture(body, looks)[y, x].argmax() == channel
    head = picture(standing(90), looks)[:80]  # facing right, so the hair is on the left
    face, hair = (np.nonzero(head[..., channel] > 100)[1].mean() for channel in (1, 0))
    assert face > hair


def test_boxes_hold_what_is_drawn_and_no_more() -> None:
    body = standing(30, left_shoulder_open=120)
    looks = random_looks(np.random.default_rng(1))
    y, x = np.nonzero(picture(body, looks).max(-1) > 3)
    drawn = np.array([x.min(), y.min(), x.max(), y.max()])
    person, head = figure_box(body)
    assert np.abs(person - drawn).max() < 2
    assert head[0] < body.points[AT["head_top"], 0] < head[2]


def test_standing_straight_is_as_computed_by_hand() -> None:
    at = places()
    down = LENGTHS["upper_arm"] + LENGTHS["forearm"]
    shoulder, wrist = at[AT["left_shoulder"]], at[AT["left_wrist"]]
    assert np.allclose(shoulder, [LENGTHS["shoulder"], LENGTHS["spine"] - 0.015, 0])
    assert np.allclose(wrist, shoulder - (0, down, 0))
    assert np.allclose(at[AT["right_wrist"]], wrist * (-1, 1, 1))
    assert at[AT["nose"], 2] > at[AT["head"], 2]  # towards the viewer
    assert at[AT["head_top"], 1] > at[AT["nose"], 1] > at[AT["head_bottom"], 1] > shoulder[1]


@pytest.mark.parametrize(
    ("angle", "moved", "direction"),
    [
        ({"left_elbow": 90}, ("left_wrist", "left_elbow"), (0, 0, 1)),
        ({"left_shoulder_flex": 90}, ("left_elbow", "left_shoulder"), (0, 0, 1)),
        ({"left_shoulder_open": 90}, ("left_elbow", "left_shoulder"), (1, 0, 0)),
        ({"right_shoulder_open": 90}, ("right_elbow", "right_shoulder"), (-1, 0, 0)),
        ({"right_hip_flex": 90}, ("right_knee", "right_hip"), (0, 0, 1)),
        ({"left_knee": 90}, ("left_ankle", "left_knee"), (0, 0, -1)),
        ({"lean": 90}, ("neck", "pelvis"), (0, 0, 1)),
        ({"heading": 90, "left_elbow": 90}, ("left_wrist", "left_elbow"), (1, 0, 0)),
    ],
)
def test_joints_bend_the_way_that_people_do(
    angle: dict[str, float], moved: tuple[str, str], direction: tuple[float, ...]
) -> None:
    at = places(**angle)
    bone = at[AT[moved[0]]] - at[AT[moved[1]]]
    assert np.allclose(bone / np.linalg.norm(bone), direction, atol=1e-9)


@pytest.mark.parametrize("name", figure.MOTIONS)
def test_angles_stay_within_their_limits_and_move_smoothly(name: str) -> None:
    for seed in range(10):
        angles = figure.random_angles(figure.MOTIONS[name], 60, np.random.default_rng(seed))
        for part, values in angles.items():
            low, high, _ = figure.LIMITS[part.split("_", 1)[-1] if "_" in part else part]
            low, high = (-high, high) if part in ("tilt", "twist", "look") else (low, high)
            assert low - 1e-6 <= np.rad2deg(values).min() <= np.rad2deg(values).max() <= high + 1e-6
            assert np.abs(np.diff(np.rad2deg(values))).max() < 30


def test_bones_keep_their_length_and_nobody_jumps_about() -> None:
    for seed in range(10):
        movement = figure.random_movement(12, np.random.default_rng(seed))
        for a, b in (("hip", "knee"), ("knee", "ankle"), ("elbow", "wrist")):
            bone = movement.places[:, AT[f"left_{a}"]] - movement.places[:, AT[f"left_{b}"]]
            lengths = np.linalg.norm(bone, axis=-1)
            assert np.ptp(lengths) < 1e-9
        steps = np.linalg.norm(np.diff(movement.places, axis=0), axis=-1)
        assert 0 < steps.max() < 0.2


def test_two_people_stand_apart_and_the_nearer_is_drawn_last() -> None:
    for seed in range(5):
        scene = random_scene(2, 2, np.random.default_rng(seed))
        heights = [one.bodies[0].height for one in scene.figures]
        assert heights == sorted(heights)
        boxes = [figure_box(one.bodies[0])[0] for one in scene.figures]
        assert abs(boxes[0][0] - boxes[1][0]) + abs(boxes[0][2] - boxes[1][2]) > 10


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DataError, match="expected an empty or new folder"):
        write_generated(tmp_path, 1, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nobody_and_no_frames_are_refused(tmp_path: Path) -> None:
    for people, frames in ((0, 9), (1, 0)):
        with pytest.raises(DataError, match="at least 1 person and 1 frame"):
            write_generated(tmp_path / "new", people, 0, frames)


def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_generated(file / "data", 1, 0, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write_generated(tmp_path / "new", 1, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(data_generate.run)
    output = tmp_path / "made"
    result = CliRunner().invoke(app, [str(output), "--people", "2", "--frames", "1"])
    assert result.exit_code == 0, result.output
    assert str(output / "annotations" / "train") in result.output
    assert len(read(output)) == 2
    assert cv2.imread(str(next((output / "images").rglob("*.jpg")))) is not None
