"""Which device runs the network, and in which numbers. PyTorch is loaded only where it may help."""

import platform
import shutil
import sys
from functools import cache
from pathlib import Path

from tarvitpose.config import check_device
from tarvitpose.errors import UserError
from tarvitpose.utils.optional import is_installed, require

CPU_INFO = Path("/proc/cpuinfo")
FAST_BFLOAT16 = {"avx512_bf16", "amx_tile"}  # features of a processor, as Linux calls them
FAST_INT8 = {"avx_vnni", "avx512_vnni"}
GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, and either under Windows


def choose_device(name: str) -> str:
    """Return "cpu", "mps", "cuda" or "cuda:1"; "auto" takes a GPU where there is one.

    Raises UserError for a device that is not on this machine, MissingDependencyError for a GPU
    without PyTorch, which alone uses GPUs.
    """
    try:
        check_device(name)
    except ValueError as error:
        raise UserError(str(error)) from None
    if name == "cpu" or (name == "auto" and not (may_have_gpu() and is_installed("torch"))):
        return "cpu"
    torch = require("torch", f"device {name}", "torch")
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if has_mps else "cpu"
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else int(has_mps)
    if int(number or 0) >= count:
        raise UserError(f"device {name!r} is not on this machine; use cpu or auto")
    return name


def may_have_gpu() -> bool:
    """Tell whether this machine has what looks like a GPU, without loading PyTorch to ask it."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(Path(file).exists() for file in GPU_FILES) or bool(shutil.which("nvidia-smi"))


def processor_kind() -> str:
    """Return what this processor can do, as the system tells it: equal ones run the same code."""
    features = " ".join(processor_features(processor_facts()))
    return features or f"{platform.machine()} {platform.processor()}"


def processor_facts(file: Path = CPU_INFO) -> dict[str, str]:
    """Return what Linux says of one core, by Linux's names; nothing on other systems."""
    lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def processor_features(facts: dict[str, str]) -> list[str]:
    """Return the instructions that a core has, as `processor_facts` names them."""
    return (facts.get("flags") or facts.get("Features") or "").split()


@cache
def has_cpu_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 in hardware.

    Elsewhere it is emulated, and many times slower than float32.
    """
    if facts := processor_facts():
        return not FAST_BFLOAT16.isdisjoint(processor_features(facts))
    if sys.platform == "win32" and is_installed("torch"):
        cpu = require("torch", "bfloat16", "torch").cpu
        return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())
    return False


@cache
def has_cpu_vnni() -> bool:
    """Return whether Linux says that this processor sums products of int8 in one instruction.

    Of other systems it cannot be told.
    """
    return not FAST_INT8.isdisjoint(processor_features(processor_facts()))
