"""`tarvitpose doctor`: what is installed here, and what is missing for which purpose."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable
from importlib import util
from pathlib import Path

import typer

from tarvitpose import __version__
from tarvitpose.cli import console
from tarvitpose.cli.models import DETECTOR, WEIGHTS, assets_folder, is_whole

CORE = ("numpy", "scipy", "cv2", "av", "onnxruntime", "safetensors", "pydantic", "yaml")
OPTIONAL = {  # module to package, what it is for, and how to get it
    "lightning_fabric": ("lightning-fabric", "training", "pip install 'tarvitpose[train]'"),
    "tensorboard": ("tensorboard", "training curves", "pip install 'tarvitpose[train]'"),
    "transformers": (
        "transformers",
        "other detectors",
        "pip install 'tarvitpose[huggingface]'",
    ),
    "openvino": ("openvino", "faster on a CPU", "pip install 'tarvitpose[openvino]'"),
    "onnx": ("onnx", "tarvitpose export", "pip install 'tarvitpose[export]'"),
    "matplotlib": ("matplotlib", "plots of speeds", "pip install 'tarvitpose[plot]'"),
    "torchvision": ("torchvision", "Faster R-CNN", "pip install 'tarvitpose[torchvision]'"),
}
SPEED_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "bf16")
CPU_INFO = Path("/proc/cpuinfo")


def run() -> None:
    """Check the installation, and say what is missing. Writes nothing."""
    problems: list[str] = []
    console.facts("machine", machine_facts())
    console.say("")
    console.facts("core", [_checked(name, check, problems) for name, check in core_checks()])
    console.say("")
    console.facts("optional", [optional_fact(module) for module in OPTIONAL])
    for problem in problems:
        console.fail(problem)
    if problems:
        raise typer.Exit(1)
    console.say("\nthe core works; try: tarvitpose demo")


def machine_facts() -> list[tuple[str, str]]:
    """Return what this machine is, by name."""
    return [
        ("tarvitpose", __version__),
        ("python", platform.python_version()),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("processor", processor()),
    ]


def processor(info: Path = CPU_INFO) -> str:
    """Return the processor's name, cores, and the features that make the network fast.

    Only Linux tells the features.
    """
    fields: dict[str, str] = {}
    if info.is_file():
        lines = (line.partition(":") for line in info.read_text(errors="replace").splitlines())
        fields = {name.strip(): value.strip() for name, _, value in lines}
    name = fields.get("model name") or platform.processor() or "unknown"
    features = (fields.get("flags") or fields.get("Features") or "").split()
    fast = [flag for flag in SPEED_FLAGS if flag in features]
    cores = console.counted(os.cpu_count() or 1, "core")
    return f"{name}, {cores}, {' '.join(fast) or 'no known speed features'}"


def core_checks() -> list[tuple[str, Callable[[], str]]]:
    """Return the name and the check of all that every run needs; a check raises what is wrong."""
    checks: list[tuple[str, Callable[[], str]]] = [("torch", torch_line)]
    checks += [(name, _importer(name)) for name in CORE]
    return [*checks, ("weights", default_weights), ("detector", default_detector)]


def torch_line() -> str:
    """Return torch's version and the devices that it sees."""
    import torch

    devices = ["cpu"]
    devices += [
        f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())
    ]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    return f"{torch.__version__}, devices {', '.join(devices)}"


def default_weights() -> str:
    """Return where the default weights are. Raises FileNotFoundError."""
    folder = assets_folder() / WEIGHTS
    if not is_whole(folder):
        raise FileNotFoundError(f"the default weights are missing in {folder}")
    return str(folder)


def default_detector() -> str:
    """Return where the detector is. Raises FileNotFoundError."""
    file = assets_folder() / DETECTOR
    if not file.is_file():
        raise FileNotFoundError(f"the detector is missing: {file}")
    return str(file)


def optional_fact(module: str) -> tuple[str, str]:
    """Return an optional package with its version, or how to get it."""
    package, purpose, command = OPTIONAL[module]
    if util.find_spec(module) is None:
        return package, f"not installed ({purpose}): {command}"
    from importlib import metadata

    try:
        return package, f"{metadata.version(package)} ({purpose})"
    except metadata.PackageNotFoundError:  # a bundle under another name brought it
        return package, f"installed ({purpose})"


def _checked(name: str, check: Callable[[], str], problems: list[str]) -> tuple[str, str]:
    """Run a check; what is wrong, whatever a broken installation raises, joins `problems`."""
    try:
        return name, check()
    except Exception as error:
        problems.append(f"{name}: {error}")
        return name, "does not work, see below"


def _importer(module: str) -> Callable[[], str]:
    return lambda: str(importlib.import_module(module).__version__)
