"""`tarvitpose benchmark` as a user runs it, on a tiny network."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from invoke import refusal, run
from tiny_models import tiny_config, tiny_model
from video_files import make_video

from tarvitpose.benchmark import baselines, pipelines
from tarvitpose.benchmark.cases import CaseKey
from tarvitpose.benchmark.model_under_test import ModelUnderTest
from tarvitpose.benchmark.pipelines import CommandRun, Pipelines, PipelineTimes
from tarvitpose.benchmark.plan import BenchmarkPlan
from tarvitpose.benchmark.result import BenchmarkResult
from tarvitpose.benchmark.soak import Soak, TwoPeople
from tarvitpose.benchmark.stages import Stages
from tarvitpose.cli import benchmark_tables as tables
from tarvitpose.cli.tables import WIDTH
from tarvitpose.inference.cost import count
from tarvitpose.inference.observer import STAGES
from tarvitpose.utils import optional


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """Return options for a tiny network and clip; nothing but what is timed is replaced."""
    for module in ("inference.estimator", "benchmark.model_under_test"):
        monkeypatch.setattr(f"tarvitpose.{module}.load_detector", lambda *_, **__: TwoPeople())
    monkeypatch.setattr(baselines, "LARGE", 64)
    monkeypatch.setattr(baselines, "SMALL", 64)
    tiny_model(input_size=(64, 48)).save_pretrained(tmp_path / "weights")
    video = make_video(tmp_path / "clip.mp4", 4, size=(180, 320))
    options = ("--weights", tmp_path / "weights", "--video", video, "--backends", "torch")
    return ["benchmark", *options, "--rounds", "2", "--seconds", "0"]


def test_all_numbers_are_printed_and_written(quick: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    result = run(*quick, "--batch", "1,4", "--no-memory", "--json", file)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("24x2 64x48, ")
    for text in ("matrix products", "crops/s", "is as fast as", "frames/s", "in every frame"):
        assert text in result.stdout
    assert max(map(len, result.stdout.splitlines()[1:])) <= WIDTH
    facts = json.loads(file.read_text())
    modes = ("single", "windowed", "streaming", "encoder")
    expected = Counter((mode, "torch", batch) for mode in modes for batch in (1, 4))
    assert Counter((case["mode"], case["backend"], case["batch"]) for case in facts) == expected
    for case in facts:
        assert (case["size"], case["input"]) == ("24x2", "64x48")
        assert case["crops_per_second"] > 0
        assert len(case["rounds"]) == 2
    assert set(facts[2]["stages"]["milliseconds"]) == {*STAGES, "rest"}


def test_against_transformers_adds_batch_eight(
    quick: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr(pipelines, "timed", lambda command: CommandRun(1.0, 1.0, 1))
    file = tmp_path / "speed.json"
    options = ("--modes", "streaming", "--against", "transformers", "--batch", "1")
    result = run(*quick, *options, "--no-memory", "--no-stages", "--json", file)
    assert result.exit_code == 0, result.output
    facts = [case for case in json.loads(file.read_text()) if case["mode"] != "pipeline"]
    assert {case["batch"] for case in facts} == {1, 8}
    assert "frames/s" not in result.stdout
    (ours,) = (case for case in facts if (case["mode"], case["batch"]) == ("streaming", 8))
    assert ours["times"]["single transformers"]["median"] > 0


def test_whole_pipelines_stand_beside_each_other(
    quick: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def timed(command: Sequence[str]) -> CommandRun:
        called.append(" ".join(command))
        is_first = any(option in command for option in ("--end", "--frames"))
        seconds = (1.0 if is_first else 4.0) * (1 if "predict" in command else 0.25)
        return CommandRun(seconds, 2 * seconds, 3 if "predict" in command else 2)

    monkeypatch.setattr(pipelines, "timed", timed)
    monkeypatch.setattr(pipelines, "_mediapipe_version", lambda python: f"0.10 of {python}")
    file = tmp_path / "speed.json"
    options = ("--against", "mediapipe", "--mediapipe-python", "theirs", "--batch", "2")
    result = run(*quick, *options, "--no-memory", "--no-stages", "--json", file)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= WIDTH
    for mode in ("single", "streaming"):
        line = next(
            words
            for words in map(str.split, result.stdout.splitlines())
            if words[:3] == [f"{mode},", "torch", "mediapipe"]
        )
        assert line[-4:] == ["0.25", "0.25..0.25", "0.25", "0.25"]
    assert "people detected in every frame" in result.stdout
    assert len(called) == 3 * (1 + 2 * 2)  # a first run, then two rounds of the whole and a frame
    assert sum(command.startswith("theirs ") for command in called) == 5
    assert sum("--temporal=none" in command for command in called) == 5
    facts = {
        (case["pipeline"], case["backend"]): case
        for case in json.loads(file.read_text())
        if case["mode"] == "pipeline"
    }
    assert set(facts) == {("single", "torch"), ("streaming", "torch"), ("single", "mediapipe")}
    ours = facts["streaming", "torch"]
    assert (ours["size"], ours["frames"], ours["processor_seconds"]) == ("24x2", 4, [4.0, 4.0])
    assert ours["milliseconds_a_frame"] == 1000
    assert (ours["frames_with_pose"], facts["single", "mediapipe"]["frames_with_pose"]) == (3, 2)
    assert ours["times"]["mediapipe"]["first_frame"]["median"] == 0.25
    assert not any(case.get("batch") == 8 for case in json.loads(file.read_text()))


def test_a_python_without_mediapipe_is_refused_in_a_line(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho trace >&2\necho 'ImportError: no mediapipe' >&2\nexit 1\n")
    python.chmod(0o755)
    options = ("--against", "mediapipe", "--mediapipe-python")
    message = refusal("benchmark", *options, python)
    assert (
        f"needs MediaPipe 0.10.21, which {python} cannot run (ImportError: no mediapipe)" in message
    )
    assert "pip install mediapipe==0.10.21" in message
    assert "cannot be run" in refusal("benchmark", *options, tmp_path / "nothing")


@pytest.mark.parametrize(
    ("package", "extra"),
    [("transformers", "huggingface"), ("torch", "torch"), ("scipy", "evaluate")],
)
def test_what_transformers_needs_is_named(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optional, "is_installed", lambda module: module != package)
    message = refusal("benchmark", "--against", "transformers")
    assert f"needs the package {package}: pip install 'tarvitpose[{extra}]'" in message


def test_the_memory_of_each_case_is_found_in_a_process_of_its_own(quick: list[Any]) -> None:
    result = run(*quick, "--modes", "single", "--batch", "2", "--no-stages")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith(" single"))
    assert float(line.split()[-1]) > 50


def test_only_the_memory_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    result = run("benchmark", "--soak", "100", "--backends", "torch", "--json", file)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("tiny network on torch, 100 generated frames, 200 poses, ")
    assert json.loads(file.read_text())[0]["mode"] == "soak"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sizes", "s,m"], "--sizes s,m: unknown name 'm'; expected some of tiny, s, b, l, h"),
        (["--modes", "fast"], "unknown name 'fast'; expected some of single, windowed, streaming"),
        (["--backends", "tpu"], "unknown name 'tpu'; expected some of auto, torch, openvino"),
        (["--against", "detectron"], "unknown name 'detectron'; expected some of mediapipe, tran"),
        (["--sizes", "s", "--inputs", "256"], "--inputs 256: expected HEIGHTxWIDTH"),
        (["--sizes", "s", "--inputs", "250x192"], "--inputs must be a multiple of 16, got 250"),
        (["--inputs", "256x192"], "--inputs: needs --sizes"),
        (["--mediapipe-python", "python"], "--mediapipe-python: only for --against mediapipe"),
        (
            ["--against", "mediapipe", "--modes", "windowed"],
            "--against: needs single or streaming among the --modes",
        ),
        (["--batch", "0"], "--batch=0: expected whole numbers from 1 on"),
        (["--batch", "a"], "--batch=a: expected whole numbers from 1 on"),
        (["--weights", "nowhere"], "nowhere: expected"),
        (["--video", "nowhere.mp4"], "nowhere.mp4: no such file"),
        (["--device", "tpu", "--backends", "torch"], "device 'tpu': expected"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_line(options: list[str], message: str) -> None:
    assert message in refusal("benchmark", *options)


def made_up(size: str = "s", **changes: Any) -> BenchmarkResult:
    """Return a result of made-up rates."""
    config = tiny_config()
    modes = ("single", "windowed", "streaming")
    key = CaseKey("streaming", "torch", 16)
    values: dict[str, Any] = {
        "model": ModelUnderTest(size, config, None),
        "plan": BenchmarkPlan(
            video="clip.mp4", modes=modes, backends=("torch",), batches=(16,), det_every=5
        ),
        "costs": count(config),
        "rates": {key._replace(mode=mode): [10.0, 20.0, 30.0] for mode in modes},
        "products": {"fp32": [100.0] * 3, "bf16 emulated": [1.0] * 3},
        "stages": {("single", "onnxruntime"): Stages(50, 10.0, dict.fromkeys(STAGES, 123.4))},
        "memory": {key: 512.3},
    }
    return BenchmarkResult(**{**values, **changes})


def test_tables_fit_the_page() -> None:
    text = tables.report(made_up())
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "people detected every 5 frames" in text
    assert "of fp32" in text  # the share of the fastest product only
    assert "of bf16" not in text


def test_names_of_pipelines_stand_in_one_line() -> None:
    once = [CommandRun(123.4, 1234.5, 401)] * 3
    backends = ("onnxruntime", "transformers")
    times: Any = {("streaming", name): PipelineTimes(once, once) for name in backends}
    measured = Pipelines(401, {"transformers": "5.23.0.dev0"}, times)
    lines = tables.pipelines(measured, 5).splitlines()
    assert max(map(len, lines)) <= WIDTH
    both = ("streaming, onnxruntime", "transformers 5.23.0.dev0")
    assert any(line.strip().startswith(both[0]) and both[1] in line for line in lines)
    assert sum(both[0] in line for line in lines) == 2


def test_the_papers_speeds_stand_beside_ours() -> None:
    text = tables.paper_table([made_up("s"), made_up("l"), made_up("h")])
    lines = text.splitlines()
    assert "A6000" in lines[0]
    assert [line.split()[0] for line in lines if "64x112" in line] == ["S", "H"]  # it has no L
    assert lines[-2].split()[:6] == ["S", "64x112", "35.6", "0.1", "413", "20.0"]
    assert "torch, batch 16, 2 auxiliary" in lines[-2]
    assert tables.paper_table([made_up("l")]) == ""


def test_growth_has_a_sign() -> None:
    line = tables.soak_line(
        Soak("tiny", "torch", "64x48", 1000, 2000, 10.0, ((50, 300.0), (1000, 297.5)))
    )
    assert line == (
        "tiny network on torch, 1000 generated frames, 2000 poses, 10 s: 300 MB after frame 50, "
        "298 MB after frame 1000, growth -2.5 MB"
    )
