"""`tarvitpose models`: what ships inside the package. Reads headers only, and never torch."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import tarvitpose
from tarvitpose.cli import console
from tarvitpose.errors import WeightsError

WEIGHTS, DETECTOR = "default", "nanodet_person_416.onnx"
WEIGHTS_LICENCE = "Apache-2.0, its training data partly for research only: docs/model-card.md"
SIZES = {(384, 12): "S", (768, 12): "B", (1024, 24): "L", (1280, 32): "H"}  # width, depth
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
Facts = list[tuple[str, str]]


def run() -> None:
    """List the models that ship with the package."""
    assets = assets_folder()
    console.facts("default: poses (--weights default)", weights_facts(assets / WEIGHTS))
    console.say("")
    console.facts("nanodet: people (--detector nanodet)", detector_facts(assets / DETECTOR))


def assets_folder() -> Path:
    """Return the folder of what ships inside the package."""
    return Path(tarvitpose.__file__).parent / "assets"


def is_whole(folder: Path) -> bool:
    """Tell whether a weights folder has both of its files."""
    return (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()


def weights_facts(folder: Path) -> Facts:
    """Return what a weights folder holds, by name; one line if it lacks a file."""
    if not is_whole(folder):
        return [
            ("missing", "config.json and model.safetensors; install the package again"),
            ("path", str(folder)),
        ]
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    file = folder / "model.safetensors"
    parameters, number = parameter_count(file)
    height, width = values["input_size"]
    offsets = ",".join(map(str, values["offsets"]))
    return [
        ("size", f"ViTPose-{size_name(values)}{' with temporal part' if offsets else ''}"),
        ("parameters", f"{parameters / 1e6:.1f} M, {number}, {megabytes(file)}"),
        ("input", f"{height}x{width}"),
        ("joints", f"{values['joint_set']}, {values['codec']} heatmaps"),
        ("frames", f"offsets {offsets}" if offsets else "the current one only"),
        ("licence", WEIGHTS_LICENCE),
        ("sha256", checksum(file)),
        ("path", str(folder)),
    ]


def detector_facts(file: Path) -> Facts:
    """Return what the detector is, by name; one line if it is missing."""
    if not file.is_file():
        return [("missing", "install the package again"), ("path", str(file))]
    return [
        ("size", f"NanoDet, people only, {megabytes(file)}"),
        ("input", "416x416"),
        ("licence", "Apache-2.0"),
        ("sha256", checksum(file)),
        ("path", str(file)),
    ]


def size_name(values: dict[str, Any]) -> str:
    """Return the letter of a config's size, or its width and depth where it is no known one."""
    shape = (values["width"], values["depth"])
    return SIZES.get(shape, f"{shape[0]}x{shape[1]}")


def parameter_count(file: Path) -> tuple[int, str]:
    """Return how many parameters a safetensors file holds, and their kind of number.

    Raises WeightsError if its header cannot be read.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header: dict[str, Any] = json.loads(stream.read(min(length, file.stat().st_size)))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file}: not a readable safetensors file ({error})") from None
    header.pop("__metadata__", None)
    learnt = [value for name, value in header.items() if not name.endswith(STATISTICS)]
    kinds = sorted({str(value["dtype"]) for value in learnt})
    return sum(math.prod(value["shape"]) for value in learnt), " and ".join(kinds)


def megabytes(file: Path) -> str:
    """Return a file's size in words."""
    return f"{file.stat().st_size / 1e6:.1f} MB"


def checksum(file: Path) -> str:
    """Return the first 12 digits of a file's SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]
