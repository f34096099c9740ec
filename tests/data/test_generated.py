"""The data set made from code: exact joints, sides that can be told, the same files every time."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from tarvitpose.cli import data
from tarvitpose.data.generated import (
    ANGLES,
    FRAME_SIZE,
    HELD_OUT,
    HUES,
    LIMBS,
    Figure,
    bounds,
    draw,
    random_figure,
    random_joints,
    write_generated,
)
from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.errors import DataError
from tarvitpose.skeleton import POSETRACK_15

PEOPLE, FRAMES = 8, 3
AT = {name: at for at, name in enumerate(POSETRACK_15.joints)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generated(tmp_path_factory.mktemp("data") / "made", PEOPLE, 3, FRAMES)


def read(folder: Path, name: str = "train") -> list[Record]:
    return read_records("posetrack18", folder / "annotations" / name, POSETRACK_15, folder)


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def random_person(seed: int, frames: int = 1) -> Figure:
    return random_figure(frames, (0, 1), np.random.default_rng(seed))


def picture(figure: Figure) -> NDArray[np.int64]:
    canvas = np.zeros((*FRAME_SIZE, 3), np.uint8)
    draw(canvas, figure.shapes(0))
    return canvas.astype(int)


def direction(joints: NDArray[Any], start: str, end: str) -> NDArray[Any]:
    """The angle of a bone in each frame, 0 where it points down, in radians."""
    x, y = (joints[:, AT[end]] - joints[:, AT[start]]).T
    return np.arctan2(x, y)


def test_it_reads_as_posetrack18_with_all_joints(folder: Path) -> None:
    for name, people in (("train", PEOPLE), ("val", PEOPLE // HELD_OUT)):
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


@pytest.mark.parametrize("side", HUES)
@pytest.mark.parametrize(("ends", "limb"), LIMBS.items())
def test_limbs_are_drawn_between_their_joints(
    side: str, ends: tuple[str, str], limb: tuple[str, float, float]
) -> None:
    figure = random_person(3)
    part, *radii = limb
    colours = {name: np.zeros(3) for name in figure.colours}
    colours[f"{side}_{part}"] = np.array([250.0, 0, 0])
    figure = Figure(figure.joints, figure.height, colours)
    y, x = np.nonzero(picture(figure)[..., 0] > 120)
    assert len(x) > 20
    start, end = (figure.joints[0, AT[f"{side}_{name}"]] for name in ends)
    points = np.stack([x, y], -1) - start
    along = np.clip(points @ (end - start) / ((end - start) ** 2).sum(), 0, 1)
    distance = np.linalg.norm(points - along[:, None] * (end - start), axis=1)
    assert distance.max() < max(radii) * figure.height + 1.5


def test_boxes_hold_what_is_drawn_and_no_more() -> None:
    for seed in range(5):
        figure = random_person(seed)
        y, x = np.nonzero(picture(figure).max(-1) > 3)
        drawn = np.array([x.min(), y.min(), x.max(), y.max()])
        assert np.abs(bounds(figure.shapes(0)) - drawn).max() < 2


def test_heads_reach_from_the_head_s_bottom_to_its_top_with_the_nose_between() -> None:
    for seed in range(5):
        figure = random_person(seed)
        points = figure.joints[0]
        left, top, right, bottom = bounds(figure.head_shapes(0)[1:])
        for name in ("head_top", "nose", "head_bottom"):
            x, y = points[AT[name]]
            assert left < x < right
            assert top - 2 < y < bottom + 2
        assert points[AT["head_top"], 1] < points[AT["nose"], 1] < points[AT["head_bottom"], 1]


def test_figures_face_the_viewer() -> None:
    for seed in range(10):
        joints = random_joints(20, np.random.default_rng(seed))
        for name in ("shoulder", "hip"):
            assert (joints[:, AT[f"left_{name}"], 0] > joints[:, AT[f"right_{name}"], 0]).all()


def test_limbs_bend_within_their_limits_and_mirror_each_other() -> None:
    for seed in range(10):
        joints = random_joints(60, np.random.default_rng(seed))
        for side, sign in (("left", 1), ("right", -1)):
            for (start, middle), (_, end) in (
                (("shoulder", "elbow"), ("elbow", "wrist")),
                (("hip", "knee"), ("knee", "ankle")),
            ):
                upper = direction(joints, f"{side}_{start}", f"{side}_{middle}") * sign
                lower = direction(joints, f"{side}_{middle}", f"{side}_{end}") * sign
                bend = (lower - upper + np.pi) % (2 * np.pi) - np.pi
                for angle, part in ((upper, (start, middle)), (bend, (middle, end))):
                    low, high = ANGLES[LIMBS[part][0]]
                    assert low - 1e-6 <= np.rad2deg(angle).min()
                    assert np.rad2deg(angle).max() <= high + 1e-6


def test_bones_keep_their_length_and_nobody_jumps_about() -> None:
    for seed in range(10):
        joints = random_joints(12, np.random.default_rng(seed))
        for a, b in (("hip", "knee"), ("knee", "ankle"), ("elbow", "wrist")):
            bone = joints[:, AT[f"left_{a}"]] - joints[:, AT[f"left_{b}"]]
            assert np.ptp(np.linalg.norm(bone, axis=-1)) < 1e-9
        steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
        assert 0 < steps.max() < 0.2


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DataError, match="expected an empty or new folder"):
        write_generated(tmp_path, 1, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nobody_and_no_frames_are_refused(tmp_path: Path) -> None:
    for people, frames in ((0, 9), (1, 0)):
        with pytest.raises(DataError, match="at least 1 person and 1 frame"):
            write_generated(tmp_path / "new", people, 0, frames)


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(data.run_generate)
    output = tmp_path / "made"
    result = CliRunner().invoke(app, [str(output), "--people", "2", "--frames", "1"])
    assert result.exit_code == 0, result.output
    assert str(output / "annotations" / "train") in result.output
    assert len(read(output)) == 2
    assert cv2.imread(str(next((output / "images").rglob("*.jpg")))) is not None
