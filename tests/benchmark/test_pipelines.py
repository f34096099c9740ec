"""Whole pipelines beside other programs: what is called, how it is timed, what comes out."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from invoke import run
from tiny_models import H, W, tiny_config, tiny_model
from video_files import make_video

from tarvitpose.benchmark import baselines, pipelines
from tarvitpose.benchmark.others import draw_poses
from tarvitpose.benchmark.pipelines import CommandRun, Commands, Pipelines, PipelineTimes
from tarvitpose.benchmark.plan import BenchmarkPlan
from tarvitpose.benchmark.soak import TwoPeople, moving_people
from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError
from tarvitpose.formats.reading import load_poses
from tarvitpose.utils.interleaved import Spread

RADIUS = 6  # of a circle, and up to two pixels between cells of a heatmap
MEDIAPIPE = """
from types import SimpleNamespace as space

class Pose:
    def __init__(self, model_complexity):
        assert model_complexity == 1
    def process(self, image):
        return space(pose_landmarks=int(image[0, 0, 0]))  # of an RGB image

def draw_landmarks(image, landmarks, connections):
    image[:] = landmarks

solutions = space(
    pose=space(Pose=Pose, POSE_CONNECTIONS=()), drawing_utils=space(draw_landmarks=draw_landmarks)
)
"""


TELL = f"import pathlib, sys; pathlib.Path(sys.argv[-1], {draw_poses.COUNT!r}).write_text('3')\n"


def python(code: str, *arguments: object) -> list[str]:
    """Return a command that runs code, and tells that it found somebody in three frames."""
    return [sys.executable, "-c", TELL + code, *map(str, arguments)]


def test_every_command_has_its_turn_in_every_round_after_a_run_that_is_not_counted(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    note = f"open({str(log)!r}, 'a').write(sys.argv[1] + ' ')"
    names = ("ours", "theirs")
    commands = {
        ("single", name): Commands(python(note, f"{name}-whole"), python(note, f"{name}-first"))
        for name in names
    }
    times = pipelines.time_by_turns(commands, 3)  # type: ignore[arg-type]
    assert [len(each.whole) for each in times.values()] == [3, 3]
    assert [len(each.first) for each in times.values()] == [3, 3]
    turns = log.read_text().split()
    assert turns[:2] == ["ours-first", "theirs-first"]
    rounds = [turns[at : at + 4] for at in range(2, len(turns), 4)]
    pairs = [["ours-whole", "ours-first"], ["theirs-whole", "theirs-first"]]
    assert all(sorted([each[:2], each[2:]]) == sorted(pairs) for each in rounds)


def test_a_command_is_timed_with_all_that_its_process_did() -> None:
    busy = pipelines.timed(python("import time\nwhile time.process_time() < 0.2: pass"))
    idle = pipelines.timed(python("import time; time.sleep(0.2)"))
    assert busy.poses == idle.poses == 3
    assert busy.processor >= 0.2
    assert idle.clock >= 0.2
    assert idle.processor < idle.clock


def test_what_a_command_says_last_is_the_error() -> None:
    code = "print('a trace', file=sys.stderr); sys.exit('error: clip.mp4: no frames')"
    with pytest.raises(UserError, match=r"clip\.mp4: no frames$"):
        pipelines.timed(python(code))


def test_ratios_are_within_rounds_and_start_is_no_part_of_a_frame() -> None:
    ours = PipelineTimes(
        [CommandRun(10, 20, 7), CommandRun(30, 60, 7), CommandRun(20, 40, 7)],
        [CommandRun(1, 2, 7), CommandRun(3, 6, 7), CommandRun(2, 4, 7)],
    )
    theirs = PipelineTimes(
        [CommandRun(5, 5, 7), CommandRun(15, 15, 7), CommandRun(10, 10, 7)],
        [CommandRun(4, 8, 7), CommandRun(12, 24, 7), CommandRun(8, 16, 7)],
    )
    times: Any = {("streaming", "torch"): ours, ("single", "mediapipe"): theirs}
    measured = Pipelines(10, {"mediapipe": "1.0"}, times)
    (ratio,) = measured.comparisons()
    assert ratio[:2] == (("streaming", "torch"), ("single", "mediapipe"))
    assert ratio[2:] == (Spread(0.5, 0.5, 0.5), Spread(0.25, 0.25, 0.25), Spread(4, 4, 4))
    assert ours.a_frame(10) == 2000  # (20 - 2) s for nine frames
    facts = {fact["backend"]: fact for fact in measured.facts()}
    assert facts["torch"]["times"]["mediapipe"]["clock"]["median"] == 0.25
    assert facts["mediapipe"]["times"] == {}
    assert (facts["mediapipe"]["version"], facts["torch"]["version"]) == ("1.0", None)


def test_predict_takes_what_it_is_called_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tarvitpose.inference.estimator.load_detector", lambda *_, **__: TwoPeople()
    )
    tiny_model().save_pretrained(tmp_path / "weights")
    video = make_video(tmp_path / "clip.mp4", 4, size=(180, 320))
    config = PredictConfig(
        weights=str(tmp_path / "weights"), backend="torch", offsets=(-1, 1), max_people=1
    )
    command = pipelines.our_commands(str(video), config)
    assert command.whole[:4] == [sys.executable, "-m", "tarvitpose", "predict"]
    for name, arguments, frames in (("whole", command.whole, 4), ("first", command.first, 1)):
        result = run(*arguments[3:], "--output", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert cv2.VideoCapture(str(tmp_path / name / "clip.mp4")).get(7) == frames
        shown = [len(poses) > 0 for poses in load_poses(tmp_path / name / "clip.coco.json")]
        assert pipelines.frames_with_pose(tmp_path / name) == sum(shown)


def test_predict_is_called_with_graphs_where_they_are_timed(tmp_path: Path) -> None:
    config = PredictConfig(device="cpu", cuda_graphs=True)
    command = pipelines.our_commands(str(make_video(tmp_path / "clip.mp4", 1)), config)
    result = run(*command.first[3:], "--output", tmp_path / "results")
    assert "--cuda-graphs is for PyTorch on a GPU" in result.stderr


@pytest.fixture
def other_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scripts find a small MediaPipe, and no package of ours."""
    folder = tmp_path / "packages"
    (folder / "mediapipe-0.10.0.dist-info").mkdir(parents=True)
    about = "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.0\n"
    (folder / "mediapipe-0.10.0.dist-info" / "METADATA").write_text(about)
    (folder / "mediapipe.py").write_text(MEDIAPIPE)
    (folder / "tarvitpose.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_script_runs_where_this_package_is_not(other_python: None, tmp_path: Path) -> None:
    video = make_video(tmp_path / "clip.mp4", 4)
    script = [sys.executable, draw_poses.__file__, "mediapipe"]
    said = subprocess.run(script, capture_output=True, text=True, check=True)
    assert said.stdout == "0.10.0\n"
    subprocess.run([*script, video, "--output", tmp_path, "--frames", "2"], check=True)
    drawn = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 2
    assert pipelines.frames_with_pose(tmp_path) == 2
    red = cv2.cvtColor(cv2.VideoCapture(str(video)).read()[1], cv2.COLOR_BGR2RGB)[0, 0, 0]
    assert np.abs(drawn.read()[1].astype(int) - int(red)).max() < 12  # all of the frame


def test_the_version_of_mediapipe_is_asked_of_its_python(other_python: None) -> None:
    plan = BenchmarkPlan(against=("mediapipe",))
    assert pipelines.other_versions(plan) == {"mediapipe": "0.10.0"}


def test_a_video_without_frames_is_an_error_of_the_script(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="OpenCV reads no frame"):
        draw_poses.redraw(str(tmp_path / "none.mp4"), tmp_path, lambda _: True, None)


def test_vitpose_is_drawn_about_the_person_whom_our_detector_is_surest_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("scipy")
    detector = TwoPeople()
    monkeypatch.setattr("tarvitpose.detection.load_detector", lambda: detector)
    baselines.save_vitpose(tiny_config(), str(tmp_path))
    draw = draw_poses.vitpose(str(tmp_path))
    frame = next(iter(moving_people(1)))
    image = frame.image.copy()
    assert draw(image)
    y, x = np.nonzero((image != frame.image).any(2))
    left, top, right, bottom = detector.detect(frame).boxes[0]
    height = 1.25 * (bottom - top)  # of a crop
    assert len(y) > 20
    assert np.abs(y - (top + bottom) / 2).max() <= height / 2 + RADIUS
    assert np.abs(x - (left + right) / 2).max() <= height * W / H / 2 + RADIUS
    monkeypatch.setattr(detector, "detect", lambda _: SimpleNamespace(boxes=np.zeros((0, 4))))
    image = frame.image.copy()
    assert not draw(image)
    assert np.array_equal(image, frame.image)  # nobody, nothing


def test_other_programs_read_the_video_in_their_python(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    plan = BenchmarkPlan(video="clip.mp4", mediapipe_python="theirs/python")
    versions = {"mediapipe": "1", "transformers": "2"}
    with pipelines.other_commands(plan, tiny_config(), versions) as commands:
        whole, first = commands["single", "mediapipe"]
        assert whole == ["theirs/python", draw_poses.__file__, "mediapipe", "clip.mp4"]
        assert first == [*whole, "--frames", "1"]
        ours = commands["single", "transformers"].whole
        assert ours[0] == sys.executable
        names = ["config.json", "model.safetensors", "preprocessor_config.json"]
        assert sorted(path.name for path in Path(ours[-1]).iterdir()) == names
    assert not Path(ours[-1]).exists()
