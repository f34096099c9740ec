"""`tarvitpose doctor`: what is installed here, what is missing for which purpose, how to get it."""

import importlib
import os
import platform
import shutil
from collections.abc import Callable
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Annotated, Any

import typer

from tarvitpose import __version__
from tarvitpose.cli import console
from tarvitpose.cli.models import DETECTOR, WEIGHTS, assets_folder, is_whole
from tarvitpose.utils.offline import VARIABLES, is_offline
from tarvitpose.utils.words import counted

CORE = ("numpy", "cv2", "av", "onnxruntime", "safetensors", "pydantic", "yaml")
OPTIONAL = {  # extra of the package: what it is for, and what it brings
    "torch": ("weights without graphs, hub ids, GPUs, bfloat16", ("huggingface-hub", "torch")),
    "openvino": ("faster on a CPU", ("openvino",)),
    "huggingface": ("detectors of transformers", ("transformers", "pillow", "torch")),
    "torchvision": ("the detector Faster R-CNN", ("torchvision",)),
    "parquet": ("--format parquet", ("pyarrow",)),
    "dataframe": ("FramePoses.to_dataframe", ("pandas",)),
    "supervision": ("FramePoses.to_supervision", ("supervision",)),
    "ray": ("predict --engine ray", ("ray",)),
    "web": ("tarvitpose web", ("gradio",)),
    "plot": ("plots", ("matplotlib",)),
    "export": ("tarvitpose export, and graphs of own weights", ("onnx", "torch")),
    "train": ("tarvitpose train", ("torch", "lightning-fabric", "scipy", "tensorboard")),
    "wandb": ("training curves on Weights & Biases", ("wandb",)),
    "evaluate": ("tarvitpose evaluate", ("faster-coco-eval", "motrics", "scipy")),
}
MODULES = {"pillow": "PIL"}  # of packages that are imported by another name
OPENCV = tuple(
    f"opencv-{kind}python{rest}" for kind in ("", "contrib-") for rest in ("", "-headless")
)
SPEED_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "bf16")
CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")
LITTLE_SPACE = 2e9  # bytes of free disk below which there is a warning
Section = dict[str, str]


class Findings:
    """What the checks found: `problems` keep predict from running, `advice` does not."""

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}
        self.problems: list[str] = []
        self.advice: list[str] = []

    def check(self, section: str, name: str, what: Callable[[], str]) -> None:
        """Note what a check returns; what a broken installation raises is a problem."""
        try:
            result = what()
        except Exception as error:
            self.problems.append(f"{name}: {error}")
            result = "does not work, see below"
        self.sections.setdefault(section, {})[name] = result


def run(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the installation: what is missing, and how to get it. Writes nothing.

    The exit code is 0 if predict can run, else 2.
    """
    findings = examined()
    optional = [extra_facts(extra) for extra in OPTIONAL]
    if as_json:
        noted = {"problems": findings.problems, "advice": findings.advice}
        can_predict = {"can_predict": not findings.problems}
        console.document({**can_predict, **noted, **findings.sections, "optional": optional})
    else:
        show(findings, optional)
    if findings.problems:
        raise typer.Exit(console.BAD_INPUT)


def examined() -> Findings:
    """Return what all checks found here."""
    findings = Findings()
    findings.sections["machine"] = machine_facts()
    for module in CORE:
        findings.check("core", module, partial(version_of, module))
    for name, model in (("weights", WEIGHTS), ("detector", DETECTOR)):
        findings.check("core", name, partial(in_package, model))
    findings.check("devices", "default", default_device)
    findings.check("devices", "cpu", cpu_line)
    findings.check("devices", "gpu", gpu_line)
    findings.check("devices", "detector", partial(detector_line, findings.advice))
    findings.check("video", "encoder", partial(encoder_line, findings.advice))
    findings.check("video", "decoders", partial(decoder_line, findings.advice))
    for name, folder in folders().items():
        findings.check("folders", name, partial(folder_line, name, folder, findings.advice))
    findings.advice += clashes()
    return findings


def show(findings: Findings, optional: list[dict[str, Any]]) -> None:
    """Print what was found for people."""
    for title, section in findings.sections.items():
        console.facts(title, section.items())
        console.say("")
    console.facts("optional", [(facts["extra"], extra_line(facts)) for facts in optional])
    for advice in findings.advice:
        console.warn(advice)
    for problem in findings.problems:
        console.fail(problem)
    if not findings.problems:
        console.say("\npredict can run; try: tarvitpose demo")


def machine_facts() -> Section:
    """Return what this machine is, by name."""
    from tarvitpose.inference.devices import processor_facts

    network = f"forbidden by {' or '.join(VARIABLES)}" if is_offline() else "for hub ids alone"
    return {
        "tarvitpose": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": processor(processor_facts()),
        "network": network,
    }


def processor(facts: dict[str, str]) -> str:
    """Return the processor's name, cores, and the features that make the network fast."""
    from tarvitpose.inference.devices import processor_features

    name = facts.get("model name") or platform.processor() or "unknown"
    fast = [flag for flag in SPEED_FLAGS if flag in processor_features(facts)]
    cores = counted(os.cpu_count() or 1, "core")
    return f"{name}, {cores}, {' '.join(fast) or 'no known speed features'}"


def version_of(module: str) -> str:
    """Import a module, and return its version. Raises what the import raises."""
    return str(importlib.import_module(module).__version__)


def in_package(model: str) -> str:
    """Return where a model of the package is. Raises FileNotFoundError."""
    path = assets_folder() / model
    if not (path.is_file() or is_whole(path)):
        raise FileNotFoundError(f"missing or not whole: {path}; install the package again")
    return str(path)


def default_device() -> str:
    """Return what --device, --precision and --backend auto come to for the default weights."""
    from tarvitpose.inference.devices import choose_device
    from tarvitpose.inference.load import choose_backend, takes_int8
    from tarvitpose.inference.openvino_engine import default_precision
    from tarvitpose.weights.folder import default_folder

    device, backend = choose_device("auto"), choose_backend(default_folder())
    precision = default_precision() if backend == "openvino" else "fp32"
    if backend == "onnxruntime" and takes_int8(default_folder(), "auto"):
        precision = "int8"
    if backend == "torch":
        from tarvitpose.inference.torch_engine import auto_precision

        precision = auto_precision(device)
    return f"--device {device} --precision {precision} --backend {backend}"


def cpu_line() -> str:
    """Return how many cores this process may use, and whether bfloat16 is worth it."""
    from tarvitpose.inference.devices import has_cpu_bfloat16
    from tarvitpose.utils.cores import usable_cores

    low = "bf16 in hardware" if has_cpu_bfloat16() else "bf16 only emulated: keep fp32"
    return f"{counted(usable_cores(), 'thread')}, {low}"


def gpu_line() -> str:
    """Return the GPUs that torch can use, with memory and precisions, or why there are none."""
    from tarvitpose.utils.optional import is_installed

    if not is_installed("torch"):
        return "none: GPUs need PyTorch, pip install 'tarvitpose[torch]'"
    import torch

    from tarvitpose.inference.torch_engine import auto_precision

    gpus = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        size, low = f"{facts.total_memory / 1e9:.0f} GB", auto_precision(f"cuda:{index}")
        gpus.append(f"cuda:{index} ({facts.name}, {size}, {low})")
    gpus += ["mps (Apple)"] if torch.backends.mps.is_available() else []
    if torch.version.cuda is None and not gpus:
        return "none: this torch is built without CUDA"
    return ", ".join(gpus) or "none that torch can use"


def detector_line(advice: list[str]) -> str:
    """Return what the package's detector runs on with --device auto."""
    from tarvitpose.detection.nanodet import NanoDet
    from tarvitpose.inference.devices import choose_device

    asked = choose_device("auto")
    runs_on = NanoDet(device=asked).device
    if asked == "cuda" and runs_on == "cpu":
        advice.append(
            "people are detected on the processor; on the GPU: pip uninstall -y onnxruntime, then "
            "pip install onnxruntime-gpu, of the version that fits PyTorch's CUDA"
        )
    return f"nanodet on {runs_on}"


def encoder_line(advice: list[str]) -> str:
    """Return what writes the drawn video. Raises RuntimeError if nothing does."""
    if not has_codec("libx264", "w"):
        raise RuntimeError(
            "this PyAV lacks libx264, so that no video can be drawn: pip install --force-reinstall "
            "av, or use --no-render"
        )
    if has_codec("aac", "w"):
        return "libx264, aac"
    advice.append("this PyAV cannot write AAC: sound that mp4 cannot hold is left out")
    return "libx264"


def decoder_line(advice: list[str]) -> str:
    """Return which of the usual codecs can be read."""
    able = [name for name in CODECS if has_codec(name, "r")]
    lacking = [name for name in CODECS if name not in able]
    if lacking:
        advice.append(f"this PyAV cannot read {', '.join(lacking)}: pip install -U av")
    return ", ".join(able)


def has_codec(name: str, mode: str) -> bool:
    """Tell whether PyAV's FFmpeg reads ("r") or writes ("w") a codec."""
    import av

    try:
        av.Codec(name, mode)
    except ValueError:  # what an unknown codec raises
        return False
    return True


def folders() -> dict[str, Path]:
    """Return the folders that are written to, by what for."""
    from tarvitpose.inference.graph_folder import graph_cache_root

    folders = {"results": Path.cwd(), "graphs": graph_cache_root()}
    if util.find_spec("huggingface_hub"):
        folders["hub"] = Path(importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE)
    return folders


def folder_line(name: str, folder: Path, advice: list[str]) -> str:
    """Return a folder with its free space; it need not exist yet."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK):
        option = {"results": "--output", "graphs": "XDG_CACHE_HOME", "hub": "HF_HOME"}[name]
        advice.append(f"{folder} cannot be written: choose another with {option}")
    elif free < LITTLE_SPACE:
        advice.append(f"{folder} has only {free / 1e9:.1f} GB left")
    return f"{folder}, {free / 1e9:.1f} GB free"


def clashes() -> list[str]:
    """Return advice on packages that do not go together."""
    packages = [name for name in OPENCV if version(name)]
    if len(packages) < 2:
        return []
    return [
        f"{' and '.join(packages)} overwrite each other's files: pip uninstall -y "
        f"{' '.join(packages)}, then pip install opencv-python-headless"
    ]


def version(package: str) -> str | None:
    """Return the version of an installed package, "?" if a bundle brought it, None without it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        module = MODULES.get(package, package.replace("-", "_"))
        return "?" if util.find_spec(module) else None


def extra_facts(extra: str) -> dict[str, Any]:
    """Return what an extra is for, which of its packages are here, and how to get them."""
    purpose, packages = OPTIONAL[extra]
    versions = {package: version(package) for package in packages}
    return {
        "extra": extra,
        "purpose": purpose,
        "installed": all(versions.values()),
        "packages": versions,
        "install": f"pip install 'tarvitpose[{extra}]'",
    }


def extra_line(facts: dict[str, Any]) -> str:
    """Return an extra's facts as people read them."""
    packages = facts["packages"]
    if facts["installed"]:
        return (
            f"{facts['purpose']} ({', '.join(' '.join(package) for package in packages.items())})"
        )
    absent = ", ".join(name for name, version in packages.items() if not version)
    return f"{facts['purpose']}: without {absent}; {facts['install']}"
