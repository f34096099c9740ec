"""What scripts hold on to: lines of JSON, exit codes, offline mode, and completion in shells."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke import run
from typer.testing import CliRunner, Result
from video_files import make_video

from tarvitpose.cli import app, checks, console
from tarvitpose.config import PredictConfig
from tarvitpose.errors import BoxesError, VideoError, WeightsError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs import pipeline
from tarvitpose.runs.pipeline import Outcome, RunProgress
from tarvitpose.utils import offline
from tarvitpose.weights.folder import default_folder, find_folder

LOADED = "import sys; from tarvitpose.cli import main; main()"
HEAVY = ("torch", "cv2", "av", "numpy", "huggingface_hub")


def events(result: Result) -> list[dict[str, Any]]:
    """Return the lines of a run; nothing else may have been printed."""
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Replace the work of predict by calls that the test adds; sources named bad* fail."""
    doing: list[Callable[[], None]] = []

    def process(
        source: str,
        estimator: object,
        config: PredictConfig,
        show: Callable[[RunProgress], None],
        name: str | None = None,
    ) -> Outcome:
        if source.startswith("bad"):
            raise VideoError(f"{source}: cannot be read\nat all")
        for call in doing:
            call()
        show(RunProgress(frame=1, total=2, people=3))
        show(RunProgress(frame=2, total=2, people=1))
        return Outcome(source, (Path("out/a.csv"),), 2, 3, 1, 0.5, ("sound is left out",))

    monkeypatch.setattr(checks, "existing_source", lambda source: None)
    monkeypatch.setattr(pipeline, "check_source", lambda *_: None)
    monkeypatch.setattr(PoseEstimator, "from_config", lambda config: "estimator")
    monkeypatch.setattr(pipeline, "process", process)
    return doing


def test_a_run_as_lines(work: list[Callable[[], None]]) -> None:
    result = run("predict", "clips/a.mp4", "--log-json")
    assert result.exit_code == 0
    progress = {"event": "progress", "source": "clips/a.mp4", "total": 2}
    first, second, outcome, *rest = events(result)
    assert first == {**progress, "frame": 1, "people": 3}
    assert second == {**progress, "frame": 2, "people": 1}
    expected = {
        "event": "result",
        "source": "clips/a.mp4",
        "files": ["out/a.csv"],
        "frames": 2,
        "people": 3,
        "tracks": 1,
        "seconds": 0.5,
    }
    assert outcome | expected == outcome
    assert rest == [
        {"event": "warning", "message": "sound is left out"},
        {"event": "end", "exit_code": 0},
    ]


def test_progress_of_several_sources_as_lines(
    work: list[Callable[[], None]], tmp_path: Path
) -> None:
    result = run("predict", "a.mp4", "b.mp4", "--log-json", "--output", tmp_path)
    progress = [event for event in events(result) if event["event"] == "progress"]
    done = [(event["source"], event["frame"], event["total"]) for event in progress]
    assert done == [("a.mp4", 1, 2), ("a.mp4", 2, 2), ("b.mp4", 1, 2), ("b.mp4", 2, 2)]


def test_text_is_back_in_the_next_run(work: list[Callable[[], None]]) -> None:
    run("predict", "a.mp4", "--log-json")
    assert run("predict", "a.mp4").stdout.startswith("a.mp4: 2 frames")


def test_an_error_as_a_line(tmp_path: Path) -> None:
    missing = tmp_path / "no.mp4"
    result = run("predict", missing, "--log-json")
    assert result.exit_code == 2
    *_, error, end = events(result)
    expected = {
        "event": "error",
        "kind": "VideoError",
        "message": f"{missing}: no such file or folder",
        "source": str(missing),
        "exit_code": 2,
    }
    assert error | expected == error
    assert end == {"event": "end", "exit_code": 2}


def test_wrong_usage_as_a_line() -> None:
    result = run("predict", "a.mp4", "--log-json", "--qqq")
    assert result.exit_code == 2
    error, end = events(result)
    assert error["kind"] == "UsageError"
    assert error["message"] == "No such option: --qqq; see tarvitpose predict --help"
    assert end["exit_code"] == 2


def test_ctrl_c_as_a_line(work: list[Callable[[], None]]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    work.append(interrupt)
    result = run("predict", "a.mp4", "--log-json")
    assert result.exit_code == 130
    stopped, end = events(result)
    assert stopped["event"] == "stopped"
    assert stopped["exit_code"] == end["exit_code"] == 130


def test_a_bug_as_a_line(work: list[Callable[[], None]]) -> None:
    work.append(lambda: print(1 / 0))
    result = run("predict", "a.mp4", "--log-json")
    error, end = events(result)
    assert error["kind"] == "ZeroDivisionError"
    assert error["exit_code"] == end["exit_code"] == result.exit_code == 70


def test_other_verbs_print_lines_as_well() -> None:
    default, tiny, nanodet, by_name, end = events(run("models", "--log-json"))
    assert default["title"] == "default: poses (--weights default)"
    assert default["facts"]["frames"] == "offsets -2,-1,1,2"
    assert tiny["event"] == nanodet["event"] == by_name["event"] == "facts"
    assert "vitpose-b" in by_name["facts"]
    assert end == {"event": "end", "exit_code": 0}
    document, _ = events(run("models", "--log-json", "--json"))
    assert [model["name"] for model in document["content"][:2]] == ["default", "tiny"]
    result = run("data", "check", "nowhere", "--log-json")
    assert result.exit_code == 2
    assert events(result)[0]["kind"] == "DataError"


def test_progress_is_a_few_lines_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds) / 10)
    console.log_json(True)
    with console.progress_bar("a.mp4", quiet=False) as show:
        for frame in range(1, 13):
            show(RunProgress(frame=frame, total=12, people=0))
    console.log_json(False)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["frame"] for line in lines] == [1, 6, 11, 12]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse every connection and every look-up of a name, and note it."""
    tried: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        tried.append(arguments[-1])
        raise OSError("no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for name in offline.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tried


@pytest.mark.parametrize("backend", ["torch", pytest.param("auto", marks=pytest.mark.slow)])
def test_predict_opens_no_connection(
    no_network: list[object], tmp_path: Path, backend: str
) -> None:
    clip = default_folder().parent / "demo.mp4"
    options = ["--end", "0.05", "--format", "csv", "--no-render", "--backend", backend]
    result = run("predict", clip, *options, "--device", "cpu", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "demo.csv").stat().st_size > 500
    assert no_network == []


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
def test_no_library_reports_to_its_maker(tmp_path: Path) -> None:
    clip, calls = default_folder().parent / "demo.mp4", tmp_path / "calls.txt"
    watched = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]
    command = [sys.executable, "-m", "tarvitpose", "predict", str(clip), "--end", "0.05"]
    subprocess.run(
        [*watched, "-o", str(calls), *command, "--output", str(tmp_path)],
        check=True,
        capture_output=True,
        env={name: value for name, value in os.environ.items() if name != "CI"},
    )
    lines = calls.read_text().splitlines()
    assert [line for line in lines if "AF_INET" in line] == []


def test_a_hub_id_would_open_one(no_network: list[object], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the hub did not deliver it"):
        find_folder("nobody/nothing", cache_dir=tmp_path)
    assert no_network


def test_offline_a_hub_id_fails_in_a_line_that_says_what_to_do(
    no_network: list[object], tmp_path: Path
) -> None:
    video = make_video(tmp_path / "walk.mp4", 2)
    result = run("predict", video, "--weights", "nobody/nothing", "--offline")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: nobody/nothing: no such folder here, and offline it is not in the hub's cache "
        "either; run 'tarvitpose models nobody/nothing --download' once with a network, or copy a "
        "weights folder here\n"
    )
    assert no_network == []


def test_offline_a_detector_fails_in_a_line_that_says_what_to_do(
    no_network: list[object], tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    video = make_video(tmp_path / "walk.mp4", 2)
    result = run("predict", video, "--detector", "nobody/nothing", "--offline", "--device", "cpu")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "error: nobody/nothing: offline, and this detector is not whole in the hub's cache; use it "
        "once with a network, give a folder, or take --detector nanodet"
    )
    assert no_network == []


def test_offline_torchvisions_detector_needs_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tarvitpose.detection import torchvision

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub/checkpoints/detector.pth"
    with pytest.raises(BoxesError, match="torchvision: offline, and its weights are not in "):
        torchvision._refuse_download("https://models/detector.pth")
    file.parent.mkdir(parents=True)
    file.touch()
    torchvision._refuse_download("https://models/detector.pth")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("TARVITPOSE_OFFLINE", "1", True),
        ("TARVITPOSE_OFFLINE", "Yes", True),
        ("HF_HUB_OFFLINE", "TRUE", True),
        ("HF_HUB_OFFLINE", "0", False),
        ("TARVITPOSE_OFFLINE", "", False),
    ],
)
def test_offline_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: bool
) -> None:
    for name in offline.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert offline.is_offline() is expected


def test_offline_holds_for_one_run_and_for_other_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in offline.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "online")
    seen: list[str | None] = []
    names = ("HF_HUB_OFFLINE", "GRADIO_ANALYTICS_ENABLED", "RAY_USAGE_STATS_ENABLED", "WANDB_MODE")
    monkeypatch.setattr(console, "facts", lambda *_: seen.extend(map(os.environ.get, names)))
    run("models", "--offline")
    assert seen[:4] == ["1", "False", "0", "offline"]
    assert not offline.is_offline()
    assert os.environ["WANDB_MODE"] == "online"
    assert "GRADIO_ANALYTICS_ENABLED" not in os.environ


def complete(line: str) -> list[str]:
    """Return what a shell offers behind a line."""
    words = line.split(" ")
    environment = {
        "_TARVITPOSE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    result = CliRunner().invoke(app, [], prog_name="tarvitpose", env=environment)
    return result.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tarvitpose pre", ["predict"]),
        ("tarvitpose predict --log", ["--log-json"]),
        ("tarvitpose predict --backend o", ["openvino", "onnxruntime"]),
        ("tarvitpose predict --crop-policy a", ["anchored"]),
        ("tarvitpose predict --format p", ["posetrack", "parquet"]),
        ("tarvitpose predict --format csv,c", ["csv,coco"]),
        ("tarvitpose predict --detector n", ["nanodet"]),
        ("tarvitpose predict --weights d", ["default"]),
        ("tarvitpose predict --device c", ["cpu", "cuda"]),
        ("tarvitpose data p", ["prepare", "pack"]),
    ],
)
def test_a_shell_completes(line: str, expected: list[str]) -> None:
    assert complete(line) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_for_every_shell(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code = "import sys; sys.argv = ['tarvitpose', '--show-completion', sys.argv[1]]; " + LOADED
    done = subprocess.run(
        [sys.executable, "-c", code, shell], capture_output=True, text=True, check=True
    )
    assert f"_TARVITPOSE_COMPLETE=complete_{shell}" in done.stdout


def test_completion_loads_nothing_heavy() -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print(sorted(set(sys.argv[1].split(',')) & "
        f"set(sys.modules)), file=sys.stderr)); {LOADED}"
    )
    words = "tarvitpose predict --backend o"
    environment = {"_TARVITPOSE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
    command = [sys.executable, "-c", code, ",".join(HEAVY)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    assert done.stdout.split() == ["openvino", "onnxruntime"]
    assert done.stderr == "[]\n"
