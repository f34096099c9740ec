"""The scripts of examples/ run as they are, and give the expected numbers."""

import csv
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import shown_commands
from numpy.typing import NDArray
from some_poses import some_poses

from tarvitpose import FramePoses, PoseEstimator
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter
from tarvitpose.weights.folder import default_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 25
Legs = NDArray[np.float64]  # (frames, 6, 2): hips, knees and ankles, left and right
NAMES = [f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")]


def run(name: str, *arguments: Path) -> None:
    """Run a script as `python examples/NAME ARGUMENTS`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_commands_of_the_pages_give_a_script_what_it_reads() -> None:
    pages = [*(EXAMPLES.parent / "docs").glob("*.md"), EXAMPLES.parent / "README.md"]
    lines = [line for page in pages for line in shown_commands(page.read_text(encoding="utf-8"))]
    commands = [line.split() for line in lines if "examples" in line]
    assert commands
    for *_, script, argument in commands:
        name = script.rpartition("/")[2].removesuffix(".py").rpartition(".")[2]
        usage = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").partition("\n")[0]
        assert Path(argument).suffix == Path(usage.rstrip('"').split()[-1]).suffix, usage


# --- squats ---


def squatting(
    depths: list[float], *, seconds: float = 2.0, stand: float = 0.6, side: bool = True
) -> Legs:
    """Return legs of a person who squats once per depth; at depth 1 the thighs are level."""
    rest = np.zeros(round(stand * RATE))
    down = np.linspace(0, np.pi, round(seconds * RATE))
    moves = [np.concatenate([rest, depth * np.sin(down)]) for depth in depths]
    turn = np.concatenate([*moves, rest]) * np.pi / 2  # of the thigh, 0 is upright
    ankle = np.tile([200.0, 400.0], (len(turn), 1))
    knee = ankle + 100 * np.stack([np.sin(turn / 4) * side, -np.cos(turn / 4)], 1)
    hip = knee + 105 * np.stack([-np.sin(turn) * side, -np.cos(turn)], 1)
    apart = np.array([8.0, 0.0] if side else [20.0, 0.0])
    return np.stack([part + s * apart for part in (hip, knee, ankle) for s in (1, -1)], 1)


def walking(seconds: float = 8.0) -> Legs:
    """Return legs that swing by 35 degrees to each side, once a second."""
    swing = np.radians(35) * np.sin(2 * np.pi * np.arange(0, seconds, 1 / RATE))
    hip = np.tile([200.0, 200.0], (len(swing), 1))
    knees = [hip + 105 * np.stack([np.sin(s * swing), np.cos(swing)], 1) for s in (1, -1)]
    ankles = [knee + np.array([0, 100]) for knee in knees]
    return np.stack([hip, hip, *knees, *ankles], 1)


def write_table(path: Path, people: list[Legs], noise: float = 0.0) -> Path:
    """Write people as predict's CSV table, with errors of `noise` pixels."""
    random = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frame", "time_s", "track_id", "joint", "x", "y", "score"])
        for index in range(max(map(len, people))):
            for track, legs in enumerate(people, 1):
                for name, joint_position in zip(
                    NAMES, legs[min(index, len(legs) - 1)], strict=True
                ):
                    x, y = joint_position + noise * random.standard_normal(2)
                    table.writerow([index, index / RATE, track, name, x, y, 0.9])
    return path


@pytest.mark.parametrize("side", [True, False], ids=["from the side", "from the front"])
@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize(
    ("depths", "seconds"),
    [
        ([0.7], 2.0),
        ([0.7] * 3, 2.0),
        ([1.0, 0.8, 0.9, 1.1, 0.75], 2.0),
        ([0.9] * 12, 1.2),
        ([1.1, 1.0], 8.0),
    ],
)
def test_squats_are_counted(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    depths: list[float],
    seconds: float,
    *,
    noise: float,
    side: bool,
) -> None:
    legs = squatting(depths, seconds=seconds, side=side)
    run("count_squats.py", write_table(tmp_path / "poses.csv", [legs], noise))
    assert capsys.readouterr().out == f"person 1: {len(depths)} squats\n"


def test_the_count_does_not_depend_on_exact_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "poses.csv", [squatting([0.8, 0.95, 1.1, 0.9])], noise=4.0)
    text = (EXAMPLES / "count_squats.py").read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["count_squats.py", str(table)])
    for low, high in [(0.4, 0.75), (0.5, 0.9), (0.55, 0.8), (0.6, 0.75), (0.65, 0.85)]:
        changed = text.replace("share < 0.55", f"share < {low}").replace("> 0.8)", f"> {high})")
        assert (changed == text) is (low == 0.55)
        exec(compile(changed, "count_squats.py", "exec"), {})
        assert capsys.readouterr().out == "person 1: 4 squats\n"


def test_other_movements_are_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stands = np.repeat(squatting([0.0])[:1], 100, 0)
    gets_up = squatting([1.0])[40:]  # begins deep down
    people = [stands, walking(), gets_up, squatting([0.9, 0.9])]
    run("count_squats.py", write_table(tmp_path / "poses.csv", people, noise=2.0))
    assert capsys.readouterr().out.splitlines() == [
        "person 1: 0 squats",
        "person 2: 0 squats",
        "person 3: 0 squats",
        "person 4: 2 squats",
    ]


# --- knees ---


class Bending:
    """A fake estimator of a person who bends the left knee."""

    flexion = (0, 90, 135, 90, 45)

    def stream(self, video: Path) -> Iterator[FramePoses]:
        for index, flexion in enumerate(self.flexion):
            poses = some_poses(index, 1, index / RATE)
            for side, bend in (("left", np.radians(180 - flexion)), ("right", np.pi / 3)):
                hip, knee, ankle = (
                    poses.joint_names.index(f"{side}_{part}") for part in ("hip", "knee", "ankle")
                )
                poses.keypoints[0, knee] = 50, 70
                poses.keypoints[0, hip] = 50 + 30 * np.sin(bend), 70 + 30 * np.cos(bend)
                poses.keypoints[0, ankle] = 50, 90
            poses.track_ids[:] = 7
            poses.scores[:] = 0.9
            yield poses


def test_knees_have_their_angles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda _: Bending())
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    run("knee_angle.py", tmp_path / "walk.mp4")
    with (tmp_path / "walk.knees.csv").open() as file:
        rows = list(csv.DictReader(file))
    left = [row for row in rows if row["side"] == "left"]
    assert [float(row["degrees"]) for row in left] == list(Bending.flexion)
    assert [float(row["time_s"]) for row in left] == [0, 0.04, 0.08, 0.12, 0.16]
    assert {row["degrees"] for row in rows if row["side"] == "right"} == {"120.0"}
    assert {row["track_id"] for row in rows} == {"7"}
    lines = {str(line.get_label()): line.get_ydata() for line in pyplot.gca().lines}
    assert [*lines] == ["person 7, left", "person 7, right"]
    assert lines["person 7, left"] == pytest.approx(Bending.flexion, abs=1e-3)
    assert cv2.imread(str(tmp_path / "walk.knees.png")) is not None
    pyplot.close("all")


# --- clips ---


@pytest.mark.slow
def test_clips_are_cut_where_somebody_is_visible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_source(default_folder().parent / "demo.mp4") as source:
        people = [frame.image for frame, _ in zip(source, range(6), strict=False)]
        nobody = [np.full_like(people[0], 90)] * 29
        with VideoWriter(tmp_path / "street.mp4", source.image_size, RATE) as writer:
            for index, image in enumerate([*nobody[:10], *people, *nobody, *people]):
                writer.write(image, index / RATE)
    run("visible_clips.py", tmp_path / "street.mp4")
    first, second = tmp_path / "street.1.mp4", tmp_path / "street.2.mp4"
    assert capsys.readouterr().out.splitlines() == [
        f"{first}: 0.15 to 0.93 s",  # two frames more: boxes are carried on, windows reach back
        f"{second}: 1.55 to 2.25 s",
    ]
    assert shown(first) == pytest.approx([0.25, 0.45], abs=0.03)
    assert len(list(open_source(second))) == 12  # six with people, six before
    assert sorted(tmp_path.glob("street.*.mp4")) == [first, second]


def shown(clip: Path) -> list[float]:
    """Return from when to when a clip is not the grey of the frames without people."""
    with open_source(clip) as frames:
        times = [frame.time for frame in frames if frame.image.std() > 10]
    return [times[0], times[-1]]
