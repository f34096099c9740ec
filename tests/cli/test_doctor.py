"""`tarvitpose doctor`: what it finds, what it says to do, and how it ends."""

import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from invoke import run

from tarvitpose import __version__
from tarvitpose.cli import doctor, models
from tarvitpose.inference import devices

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an asset folder in which nothing is missing."""
    (tmp_path / "default").mkdir()
    for name in ("default/config.json", "default/model.safetensors", models.DETECTOR):
        (tmp_path / name).touch()
    monkeypatch.setattr(doctor, "assets_folder", lambda: tmp_path)
    return tmp_path


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Make these the only packages that are installed."""
    expected = {name.replace("_", "-"): value for name, value in versions.items()}
    monkeypatch.setattr(doctor, "version", expected.get)


def test_it_is_content_where_predict_can_run(shipped: Path) -> None:
    before = sorted(shipped.rglob("*"))
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert f"  tarvitpose  {__version__}\n" in result.stdout
    assert f", torch {torch.__version__})\n" in result.stdout
    assert f"  results  {Path.cwd()}, " in result.stdout
    assert result.stdout.endswith("predict can run; try: tarvitpose demo\n")
    assert sorted(shipped.rglob("*")) == before


def test_programs_get_the_same(shipped: Path) -> None:
    report = json.loads(run("doctor", "--json").stdout)
    assert report["can_predict"] is True
    assert report["problems"] == []
    assert report["optional"][0]["packages"]["torch"] == torch.__version__
    assert [extra["extra"] for extra in report["optional"]] == list(doctor.OPTIONAL)


def test_what_keeps_predict_from_running_ends_with_2(shipped: Path) -> None:
    (shipped / "default/config.json").unlink()
    (shipped / models.DETECTOR).unlink()
    result = run("doctor")
    assert result.exit_code == 2
    assert [line for line in result.stderr.splitlines() if line.startswith("error")] == [
        f"error: {name}: missing or not whole: {shipped / model}; install the package again"
        for name, model in (("weights", "default"), ("detector", models.DETECTOR))
    ]
    assert "predict can run" not in result.stdout


def test_a_broken_package_is_named(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = run("doctor", "--json")
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert report["can_predict"] is False
    assert report["core"]["onnxruntime"] == "does not work, see below"
    assert report["problems"][0].startswith("onnxruntime: import of onnxruntime halted")


def test_every_extra_of_the_package_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {
        extra: {
            re.split(r"[>\[]", package.replace("tarvitpose[torch]", "torch"))[0]
            for package in packages
        }
        for extra, packages in extras.items()
        if extra not in ("dev", "docs")  # for developers
    }
    assert {extra: set(packages) for extra, (_, packages) in doctor.OPTIONAL.items()} == wanted


def test_an_extra_that_is_not_there_comes_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(monkeypatch, onnx="1.17")
    facts = doctor.extra_facts("export")
    assert facts["packages"] == {"onnx": "1.17", "torch": None}
    assert facts["installed"] is False
    assert doctor.extra_line(facts) == (
        "tarvitpose export, and graphs of own weights: without torch; "
        "pip install 'tarvitpose[export]'"
    )
    installed(monkeypatch, onnx="1.17", torch="2.13")
    assert doctor.extra_line(doctor.extra_facts("export")) == (
        "tarvitpose export, and graphs of own weights (onnx 1.17, torch 2.13)"
    )


def test_versions_of_packages() -> None:
    assert doctor.version("torch") == torch.__version__
    assert doctor.version("no-such-package") is None
    assert doctor.version("pydantic-core._pydantic-core") == "?"  # a module, and no package


def test_two_packages_of_opencv_are_a_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, opencv_python_headless="4.10")
    assert doctor.clashes() == []
    installed(monkeypatch, opencv_python_headless="4.10", opencv_python="4.9")
    assert doctor.clashes() == [
        "opencv-python and opencv-python-headless overwrite each other's files: pip uninstall -y "
        "opencv-python opencv-python-headless, then pip install opencv-python-headless"
    ]


def test_without_the_encoder_no_video_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    advice: list[str] = []
    assert doctor.encoder_line(advice) == "libx264, aac"
    assert advice == []
    assert not doctor.has_codec("no such codec", "w")
    monkeypatch.setattr(doctor, "has_codec", only("libx264", "h264"))
    assert doctor.encoder_line(advice) == "libx264"
    assert doctor.decoder_line(advice) == "h264"
    assert [line.split(":")[0] for line in advice] == [
        "this PyAV cannot write AAC",
        "this PyAV cannot read hevc, vp9, av1, mpeg4, mjpeg",
    ]
    monkeypatch.setattr(doctor, "has_codec", only())
    with pytest.raises(RuntimeError, match="lacks libx264"):
        doctor.encoder_line(advice)


def only(*names: str) -> Callable[[str, str], bool]:
    return lambda name, mode: name in names


def test_folders_that_cannot_be_written_or_are_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advice: list[str] = []
    folder = tmp_path / "not" / "yet" / "there"
    assert doctor.folder_line("graphs", folder, advice).startswith(f"{folder}, ")
    assert advice == []
    assert not folder.parent.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9e9, 8e9, 1e9))
    doctor.folder_line("results", tmp_path, advice)
    monkeypatch.setattr(os, "access", lambda *_: False)
    doctor.folder_line("graphs", folder, advice)
    assert advice == [
        f"{tmp_path} has only 1.0 GB left",
        f"{folder} cannot be written: choose another with XDG_CACHE_HOME",
    ]


def test_devices_and_what_auto_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_cpu_bfloat16", lambda: True)
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    assert doctor.cpu_line().endswith(", bf16 in hardware")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert doctor.default_device() == "--device cuda --precision bf16 --backend torch"


def test_gpus_are_described_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [SimpleNamespace(name=name, total_memory=80e9) for name in ("H100", "T4")]
    chosen: list[str] = []

    @contextmanager
    def use(device: str) -> Iterator[None]:
        chosen.append(device)
        yield

    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
    monkeypatch.setattr(torch.cuda, "get_device_properties", cards.__getitem__)
    monkeypatch.setattr(torch.cuda, "device", use)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: chosen[-1] == "cuda:0")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert doctor.gpu_line() == "cuda:0 (H100, 80 GB, bf16), cuda:1 (T4, 80 GB, fp16)"
    cards.clear()
    assert doctor.gpu_line().startswith("none")


def test_it_says_where_people_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    advice: list[str] = []
    monkeypatch.setattr(devices, "may_have_gpu", lambda: False)
    assert doctor.detector_line(advice) == "nanodet on cpu"
    assert advice == []
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert doctor.detector_line(advice) == "nanodet on cpu"  # this ONNX Runtime has no CUDA
    assert len(advice) == 1
    assert "pip install onnxruntime-gpu" in advice[0]


def test_the_processor_is_read_from_linux(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu avx2 avx512f sse\n")
    line = doctor.processor(devices.processor_facts(info))
    assert line.startswith("Fast One, ")
    assert line.endswith("s, avx2 avx512f")
    elsewhere = devices.processor_facts(tmp_path / "none")
    assert doctor.processor(elsewhere).endswith("no known speed features")


def test_offline_mode_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "0")
    assert doctor.machine_facts()["network"] == "for hub ids alone"
    monkeypatch.setenv("TARVITPOSE_OFFLINE", "1")
    assert doctor.machine_facts()["network"].startswith("forbidden by ")
