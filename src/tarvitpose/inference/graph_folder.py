"""Folders of exported graphs: `frame.onnx`, `step.onnx`, `config.json`, `export.json` about them.

Those of the default weights lie beside the weights, and read them from their file. Of other weights
they are made on first use, in the user's cache folder.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tarvitpose import __version__
from tarvitpose.config import GraphPrecision, ModelConfig
from tarvitpose.errors import OutputError, UserError, WeightsError
from tarvitpose.inference.devices import processor_kind
from tarvitpose.utils.caches import cache_root
from tarvitpose.utils.config_files import parse_config
from tarvitpose.utils.hashing import content_digest, files_digest
from tarvitpose.utils.json_file import SMALL, read_json, write_json
from tarvitpose.utils.optional import check_installed, is_installed
from tarvitpose.weights.files import WEIGHTS_FILE
from tarvitpose.weights.folder import find_folder, is_remote, load_config

FRAME, STEP, CONFIG, ABOUT = "frame.onnx", "step.onnx", "config.json", "export.json"
RTMLIB = "rtmlib.onnx"  # one graph for another program, only where asked for
MOST_KEPT = 3  # sets of graphs as an engine prepared them; one of size S has 215 MB
GRAPH_VERSION = 1  # one more whenever graphs of earlier versions must not be used again


@dataclass(frozen=True)
class GraphFolder:
    """A folder whose graphs are complete."""

    path: Path
    config: ModelConfig
    fingerprint: str
    precision: GraphPrecision
    version: str  # of the package that wrote them


def has_graphs(folder: Path) -> bool:
    """Tell whether a folder holds graphs, alone or beside the weights that they read."""
    return (folder / ABOUT).is_file() or (folder / FRAME).is_file()


def is_exported(folder: Path) -> bool:
    """Tell whether a folder holds graphs instead of weights."""
    return has_graphs(folder) and not (folder / WEIGHTS_FILE).is_file()


def read_graphs(folder: Path) -> GraphFolder:
    """Return what a folder of graphs holds. Raises WeightsError where a file is not as written."""
    about = read_json(folder / ABOUT, WeightsError, SMALL)
    try:
        files, numbers, name = about["files"], about["precision"], str(about["fingerprint"])
        sizes = {str(file): int(size) for file, size in files.items()}
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
        raise WeightsError(f"{folder / ABOUT}: not written by 'tarvitpose export'") from None
    if about.get("graphs") != GRAPH_VERSION:
        raise WeightsError(
            f"{folder}: graphs of version {about.get('graphs')}, this is for {GRAPH_VERSION}; "
            "run 'tarvitpose export' again"
        )
    for file, size in sizes.items():
        actual = (folder / file).stat().st_size if (folder / file).is_file() else None
        if actual != size:
            problem = "is missing" if actual is None else f"has {actual} bytes instead of {size}"
            raise WeightsError(f"{folder / file}: {problem}; run 'tarvitpose export' again")
    config = parse_config(
        ModelConfig, read_json(folder / CONFIG, WeightsError, SMALL), str(folder / CONFIG)
    )
    return GraphFolder(folder, config, name, numbers, str(about.get("tarvitpose")))


def local_config(weights: str | Path) -> ModelConfig | None:
    """Return the config of "default", a folder of weights or graphs; None for what is not here.

    It fetches nothing, and loads no large package but to convert a file that is here. Raises
    WeightsError where there is no such folder, or where it lacks a file.
    """
    if is_remote(weights):
        return None
    folder = find_folder(weights)
    return read_graphs(folder).config if is_exported(folder) else load_config(folder)


def describe(
    folder: Path,
    config: ModelConfig,
    fingerprint: str,
    precision: GraphPrecision,
    check: Any = None,
) -> None:
    """Add `config.json` and `export.json` to a folder of graphs; `check` is what was measured."""
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    about = {
        "tarvitpose": __version__,
        "graphs": GRAPH_VERSION,
        "precision": precision,
        "fingerprint": fingerprint,
        "files": {
            path.name: path.stat().st_size
            for path in sorted(folder.iterdir())
            if path.name != ABOUT
        },
        "check": check,
    }
    write_json(folder / ABOUT, about)


def unsupported(config: ModelConfig) -> str | None:
    """Return which setting of a config graphs do not have, None where they have all."""
    if not config.temporal:
        return None
    if config.aggregation != "joints":
        return f"aggregation {config.aggregation}"
    if config.key_positions:
        return "key_positions"
    return "mask_rule soft" if config.mask_rule == "soft" else None


def can_write_graphs(config: ModelConfig) -> bool:
    """Tell whether graphs of a model of this config can be written here."""
    return unsupported(config) is None and is_installed("onnx") and is_installed("torch")


def refuse_unsupported(config: ModelConfig, purpose: str) -> None:
    """Raise UserError where a purpose needs graphs that cannot be written."""
    for package in ("onnx", "torch"):
        check_installed(package, purpose, "export")
    if setting := unsupported(config):
        raise UserError(
            f"{purpose} works without {setting}, which these weights have; "
            "only backend torch runs them"
        )


def graph_cache_root() -> Path:
    """Return the folder of this package's graphs in the system's cache."""
    return cache_root() / "graphs"


def graph_cache(files: tuple[Path, ...]) -> Path:
    """Return the folder in which the graphs of some weights' files are cached, by content.

    Raises WeightsError if one cannot be read.
    """
    return graph_cache_root() / files_digest(files, WeightsError)[:20]


def engine_cache(engine: str, version: str, files: Sequence[Path]) -> Path:
    """Return the folder for what an engine makes of graphs and their weights, for this processor.

    Raises WeightsError if a file cannot be read.
    """
    parts = (files_digest(files, WeightsError), version, processor_kind())
    return graph_cache_root() / engine / content_digest(part.encode() for part in parts)[:20]


def leave_newest(folder: Path, count: int) -> None:
    """Remove all but the newest few of an engine's caches."""
    with suppress(OSError):
        cached = [path for path in folder.iterdir() if not path.name.startswith(".")]
        newest_first = sorted(cached, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in newest_first[count:]:
            shutil.rmtree(path, ignore_errors=True)


def is_current(folder: Path) -> bool:
    """Tell whether cached graphs are complete, and written by this version."""
    try:
        return read_graphs(folder).version == __version__
    except UserError:
        return False


def refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Raise OutputError if a folder holds something else, or graphs and not `overwrite`."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not is_exported(folder)):
        raise OutputError(f"{folder}: there already, and holds no graphs; choose another folder")
    if any(folder.iterdir()) and not overwrite:
        raise OutputError(f"{folder}: there already; pass --overwrite or choose another folder")
