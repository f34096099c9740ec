"""The command line: what it accepts, what it prints, and how it ends."""

import io
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke import refusal, run
from tiny_models import modest_model
from video_files import make_video

from tarvitpose import __version__
from tarvitpose.cli import checks, console, demo
from tarvitpose.cli.outcome import summary
from tarvitpose.cli.predict import expand
from tarvitpose.config import PredictConfig
from tarvitpose.errors import VideoError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs import pipeline
from tarvitpose.runs.pipeline import Outcome, RunProgress
from tarvitpose.utils.terminal import terminal

VERBS = (
    *("demo", "predict", "train", "evaluate", "benchmark", "export"),
    *("convert", "models", "doctor", "plot", "attention", "report", "web"),
)
HEAVY = ("torch", "cv2", "av", "numpy", "onnxruntime", "scipy")
HELP_OF_ALL = """
import sys
import tempfile
from tarvitpose.cli import app
for verb in sys.argv[2:]:
    try:
        app([verb, "--help"], prog_name="tarvitpose")
    except SystemExit as end:
        assert end.code == 0, verb
loaded = sorted(set(sys.argv[1].split(",")) & set(sys.modules))
assert not loaded, loaded
"""
Call = tuple[str, PredictConfig]
HELP = "tarvitpose predict --help"


def outcome(source: str, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "source": source,
        "files": (Path("results/dance.coco.json"), Path("results/dance.mp4")),
        "frames": 50,
        "people": 2,
        "tracks": 3,
        "seconds": 4.0,
        "warnings": (),
    }
    return Outcome(**{**values, **changes})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Replace the work by a note of what was asked; sources named bad* fail."""
    noted: list[Call] = []

    def process(
        source: str,
        estimator: object,
        config: PredictConfig,
        on_progress: Callable[..., None],
        name: str | None = None,
    ) -> Outcome:
        if Path(source).name.startswith("bad"):
            raise VideoError(f"{source}: no such file or folder")
        noted.append((source, config))
        on_progress(RunProgress(frame=1, total=None, people=2))
        return outcome(source)

    monkeypatch.setattr(checks, "existing_source", lambda source: None)
    monkeypatch.setattr(pipeline, "check_source", lambda *_: None)
    monkeypatch.setattr(PoseEstimator, "from_config", lambda config: "estimator")
    monkeypatch.setattr(pipeline, "process", process)
    return noted


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: tarvitpose {verb} ")
    assert max(map(len, result.output.splitlines())) <= 80


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", HELP_OF_ALL, ",".join(HEAVY), *VERBS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "tarvitpose", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"tarvitpose {__version__}\n"


def test_a_group_alone_shows_its_verbs() -> None:
    result = run("data")
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: tarvitpose data ")
    shown = [line.split()[0] for line in result.stderr.splitlines() if line.startswith("  ")]
    assert {"check", "prepare", "pack", "generate"} < {*shown}
    assert "error" not in result.stderr


def test_without_a_verb_it_shows_them_all() -> None:
    result = run()
    assert result.exit_code == 2
    assert all(f"\n  {verb} " in result.output for verb in VERBS)


def test_predict_passes_on_every_option(calls: list[Call], tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.json"
    options = [
        *("--output", tmp_path, "--format", "csv,coco", "--no-render", "--contact-sheet"),
        *("--keypoint-threshold", "0.5", "--start", "1", "--end", "2.5", "--overwrite"),
        *("--weights", "w", "--offsets=-3,1", "--flip-test", "--device", "cuda:0"),
        *("--precision", "bf16", "--batch-size", "4"),
        *("--boxes", boxes, "--box-threshold", "0.6", "--max-people", "3"),
        *("--temporal", "pooled"),
    ]
    assert run("predict", "dance.mp4", *options).exit_code == 0
    assert calls == [
        (
            "dance.mp4",
            PredictConfig(
                output=tmp_path,
                formats=("csv", "coco"),
                render=False,
                contact_sheet=True,
                keypoint_threshold=0.5,
                start=1,
                end=2.5,
                overwrite=True,
                weights="w",
                offsets=(-3, 1),
                flip_test=True,
                device="cuda:0",
                precision="bf16",
                batch_size=4,
                boxes=boxes,
                box_threshold=0.6,
                max_people=3,
                temporal="pooled",
            ),
        )
    ]


def test_defaults_are_those_of_the_config(calls: list[Call]) -> None:
    run("predict", "dance.mp4")
    assert calls == [("dance.mp4", PredictConfig())]


def test_predict_says_what_came_out_and_where(calls: list[Call]) -> None:
    result = run("predict", "dance.mp4")
    assert result.stdout.splitlines() == [
        "dance.mp4: 50 frames, at most 2 people in one, 3 tracks, 4.0 s (12.5 frames/s)",
        "  results/dance.coco.json",
        "  results/dance.mp4",
    ]
    assert result.stderr == ""  # no bar where nobody watches


def test_quiet_leaves_only_warnings(calls: list[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    warned = outcome("a.mp4", warnings=("a.mp4: cut off\nafter frame 7",))
    monkeypatch.setattr(pipeline, "process", lambda *_: warned)
    result = run("predict", "a.mp4", "--quiet")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "warning: a.mp4: cut off after frame 7\n"


def test_a_failing_source_does_not_stop_the_others(calls: list[Call], tmp_path: Path) -> None:
    result = run("predict", "bad.mp4", "good.mp4", "bad2.mp4", "--output", tmp_path)
    assert result.exit_code == 2
    assert [source for source, _ in calls] == ["good.mp4"]
    assert result.stderr.splitlines() == [
        "3 videos to process",
        "warning: bad.mp4: no such file or folder (it is tried again)",
        "warning: bad2.mp4: no such file or folder (it is tried again)",
        "error: bad.mp4: no such file or folder",
        "error: bad2.mp4: no such file or folder",
        f"error: 2 of 3 videos failed, see {tmp_path / 'failed.txt'}",
    ]
    assert result.stdout.splitlines()[-1].startswith("3 videos: 1 done, 2 failed; 50 frames (")


def test_ctrl_c_ends_with_one_line(calls: list[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "process", interrupt)
    result = run("predict", "a.mp4")
    assert result.exit_code == 130
    assert result.output == "stopped; nothing half-written was left\n"


def test_a_defect_is_a_line_and_a_file(
    calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["tarvitpose", "predict", "rtsp://me:secret@host/a"])
    monkeypatch.setattr(pipeline, "process", lambda *_: 1 / 0)
    result = run("predict", "a.mp4")
    assert result.exit_code == 70
    [file] = tmp_path.iterdir()
    assert result.output == (
        "error: a defect of tarvitpose (ZeroDivisionError: division by zero); please report it "
        f"with {file}\n"
    )
    text = file.read_text()
    assert text.startswith(f"tarvitpose {__version__}, Python ")
    assert "predict rtsp://host/a" in text
    assert "Traceback (most recent call last)" in text
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    result = run("predict", "a.mp4")
    assert result.exit_code == 70
    assert result.output.endswith("which could not be written (No such file or directory)\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(13, "Permission denied", "a\x1b[31m.json"),
            "a\\x1b[31m.json: Permission ",
        ),
        (OSError(36, "File name too long", "a" * 300), "a" * 57 + "...: the name is too long"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError("3 TiB"), "not enough memory (3 TiB); give less at once"),
    ],
)
def test_what_the_system_refuses_is_no_defect(
    calls: list[Call], error: Exception, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "process", refuse)
    assert refusal("predict", "a.mp4").startswith(line)


def test_a_reader_that_ends_is_no_error() -> None:
    shell = f"{sys.executable} -m tarvitpose models | head -c 1"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


INTERRUPTED = """
import builtins, sys
whole, target = builtins.__import__, sys.argv[1]
def stopped(name, *rest):
    if name == target:
        raise KeyboardInterrupt
    return whole(name, *rest)
builtins.__import__ = stopped
sys.argv = ["tarvitpose", "predict", "a.mp4"]
from tarvitpose.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "tarvitpose.cli", "tarvitpose.runs.many"])
def test_ctrl_c_while_it_is_loaded_is_quiet(module: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    command = [sys.executable, "-c", INTERRUPTED, module]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr in ("", "stopped; nothing half-written was left\n")


def test_escape_sequences_do_not_reach_the_terminal(tmp_path: Path) -> None:
    video = tmp_path / "\x1b]0;owned\x07\u202e.mp4"
    option = f"--{video.name}"
    for arguments in (["predict", video], ["predict", "a.mp4", option], [video], [option]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "\\x1b]0;owned\\x07\\u202e" in result.output
        assert not {"\x1b", "\x07", "\u202e"} & {*result.output}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--offsets=-1,a"],
            "--offsets=-1,a: expected whole numbers, separated by commas, such as "
            "--offsets=-2,-1,1,2",
        ),
        (["--offsets=1,-1"], "--offsets (1, -1) must be sorted, distinct and without 0"),
        (
            ["--person", "-1"],
            "--person=-1: expected whole numbers from 0 on, separated by commas, such as "
            "--person=1,3",
        ),
        (["--start", "3", "--end", "2"], "--end 2 must come after --start 3"),
        (["--start", "-1"], f"--start must be 0 or more, got -1; see {HELP}"),
        (["--box-threshold", "2"], f"--box-threshold must be 1 or less, got 2; see {HELP}"),
        (["--batch-size", "k"], f"--batch-size must be a whole number, got 'k'; see {HELP}"),
        (["--smooth-beta", "1"], "--smooth-beta is for --smooth one-euro, not for none"),
        (["--qqq"], "No such option: --qqq; see tarvitpose predict --help"),
        (
            ["--precision", "fp8"],
            "Invalid value for '--precision': 'fp8' is not one of 'auto', 'fp32', 'bf16', 'fp16', "
            "'int8'; see tarvitpose predict --help",
        ),
    ],
)
def test_a_bad_option_gets_one_line(calls: list[Call], arguments: list[str], line: str) -> None:
    assert refusal("predict", "dance.mp4", *arguments) == line
    assert not calls


def test_what_is_missing_or_unknown_gets_one_line() -> None:
    assert refusal("predict") == "Missing argument 'SOURCE'; see tarvitpose predict --help"
    assert refusal("dance").startswith("No such command 'dance'")


def test_a_real_run_with_a_tiny_model(tmp_path: Path) -> None:
    video = make_video(tmp_path / "walk.mp4", 3)
    modest_model().save_pretrained(tmp_path / "weights")
    boxes = tmp_path / "boxes.json"
    person = {"bbox": [5, 4, 20, 40], "score": 0.9, "category_id": 1}
    boxes.write_text(json.dumps([{"image_id": frame, **person} for frame in range(3)]))
    options = ["--weights", tmp_path / "weights", "--boxes", boxes, "--device", "cpu"]
    command = ["predict", video, *options, "--output", tmp_path / "out", "--format", "csv,coco"]
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert "walk.mp4: 3 frames, at most 1 person in one, 1 track, " in result.stdout
    names = ("walk.csv", "walk.coco.json", "walk.mp4")
    assert result.stdout.splitlines()[1:] == [f"  {tmp_path / 'out' / name}" for name in names]
    assert all((tmp_path / "out" / name).is_file() for name in names)
    assert refusal(*command).endswith("there already; pass --overwrite or another --output")


def test_sources_of_the_same_name_are_refused_before_any_work(
    calls: list[Call], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dance.mp4").touch()
    first, second = tmp_path / "a/dance.mp4", tmp_path / "b/dance.mp4"
    assert refusal("predict", first, second) == (
        f"{first} and {second}: the results of both would be named dance.mp4; "
        "run them one by one with different --output"
    )
    assert not calls


def test_a_glob_of_videos_is_several_sources(calls: list[Call], tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MOV", "c.jpg"):
        (tmp_path / name).touch()
    assert run("predict", tmp_path / "[ab].*", "--output", tmp_path / "out").exit_code == 0
    assert [Path(source).name for source, _ in calls] == ["a.MOV", "b.mp4"]


def test_a_glob_of_images_is_one_source(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.PNG", "a.mp4"):
        (tmp_path / name).touch()
    images = str(tmp_path / "[12].*")
    assert expand(images) == [images]
    with pytest.raises(VideoError, match="matches images and other files"):
        expand(str(tmp_path / "*"))


def test_other_sources_stay_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "take [1].mp4"
    odd.touch()
    for source in ("0", "dance.mp4", "http://host/a?b=[c]", str(odd), str(tmp_path / "no*.mp4")):
        assert expand(source) == [source]


def test_the_summary_counts_in_words() -> None:
    first = outcome("a.mp4", frames=1, people=1, tracks=0, seconds=0.0)
    assert summary(first) == (
        "a.mp4: 1 frame, at most 1 person in one, 0 tracks, 0.0 s (0.0 frames/s)"
    )


def test_progress_is_a_bar_in_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    for stream, quiet, is_drawn in (
        (Terminal(), False, True),
        (Terminal(), True, False),
        (io.StringIO(), False, False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        terminal.cache_clear()  # it looks at the stream once
        with console.progress_bar("dance [x].mp4", quiet=quiet) as show:
            show(RunProgress(frame=3, total=12, people=1))
        drawn = stream.getvalue()
        assert bool(drawn) is is_drawn
        assert ("3/12" in drawn and "1 person" in drawn and "dance [x]" in drawn) is is_drawn
    terminal.cache_clear()


def test_demo_runs_on_the_clip_of_the_package(
    calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "demo_clip", lambda: tmp_path / "demo.mp4")
    result = run("demo", "--output", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0
    [(source, config)] = calls
    assert Path(source).name == "demo.mp4"
    assert config.overwrite
    assert config.contact_sheet
    assert config.render
    assert config.formats == ("coco", "csv")
    assert config.output == tmp_path / "out"
    assert "results/dance.mp4" in result.stdout


def test_demo_without_its_clip_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "assets_folder", lambda: tmp_path)
    clip = tmp_path / "demo.mp4"
    assert refusal("demo") == f"{clip}: the demo clip is missing; install the package again"


def write_experiment(path: Path, extra: str = "") -> Path:
    labels = path.parent / "labels.json"
    labels.touch()
    source = f"{{format: coco, annotations: {labels}}}"
    text = f"output: {path.parent}\nmodel: {{size: s}}\ndata: {{train: [{source}]}}\n{extra}"
    path.write_text(text, encoding="utf-8")
    return path


def test_train_passes_on_changes_and_says_where_the_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tarvitpose.training import loop

    seen: list[tuple[float, bool]] = []

    def train(config: Any, report: Callable[[str], None], *, resume: bool) -> Path:
        report("step 1/2: loss 0.5")
        seen.append((config.run.epochs, resume))
        return Path("weights folder")

    monkeypatch.setattr(loop, "train", train)
    path = write_experiment(tmp_path / "train.yaml")
    result = run("train", path, "run.epochs=2")
    assert run("train", path, "--fresh").exit_code == 0
    assert seen == [(2, True), (30, False)]
    assert result.stdout == "step 1/2: loss 0.5\nweights: weights folder\n"


def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tarvitpose.training import loop

    def train(*_: object, resume: bool) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", train)
    result = run("train", write_experiment(tmp_path / "train.yaml"))
    assert result.exit_code == 130
    assert result.output == "stopped; the same command continues from the last saved state\n"


def test_convert_passes_on_options_and_prints_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tarvitpose.config import vit_small
    from tarvitpose.weights import convert as converter

    seen: list[dict[str, Any]] = []

    def convert(source: str, output: Path, **options: Any) -> Any:
        seen.append(options)
        logging.getLogger("tarvitpose.weights.convert").warning("joints dropped: left_eye")
        logging.getLogger("tarvitpose.weights.convert").info("kept expert 0")
        return vit_small(offsets=())

    monkeypatch.setattr(converter, "convert", convert)
    options = ["--size", "s", "--joint-set", "coco17", "--heads", "6", "--dataset-index", "2"]
    monkeypatch.chdir(tmp_path)
    Path("a.pth").touch()
    result = run(
        "convert", "a.pth", tmp_path, *options, "--input-size", "384x288", "--codec", "classic"
    )
    assert result.exit_code == 0
    assert seen == [
        {
            "size": "s",
            "joint_set": "coco17",
            "source_joints": None,
            "heads": 6,
            "dataset_index": 2,
            "input_size": (384, 288),
            "codec": "classic",
        }
    ]
    assert result.stderr == "warning: joints dropped: left_eye\nkept expert 0\n"
    assert result.stdout.splitlines() == [
        f"a.pth -> {tmp_path}",
        "  encoder        width 384, 12 blocks, 12 heads",
        "  decoder        classic",
        "  temporal part  none",
        "  input          256x192, udp heatmaps",
        "  joints         posetrack15 (15)",
    ]
