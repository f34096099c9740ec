"""Read the tensors of other projects' checkpoints by name, and never run code from them."""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tarvitpose.errors import WeightsError
from tarvitpose.utils.reading import reason_of
from tarvitpose.weights.convert_keys import Tensors, unwrapped
from tarvitpose.weights.fetch import from_hub
from tarvitpose.weights.files import (
    CHECKPOINTS,
    CONFIG_FILE,
    FOREIGN_TYPE,
    WEIGHTS_FILE,
    as_float32,
    read_config_values,
    read_tensors,
)
from tarvitpose.weights.hub import is_hub_id
from tarvitpose.weights.unpickle import unpickled


@dataclass(frozen=True)
class ForeignCheckpoint:
    """The tensors of a source, and its Hugging Face config where it has one."""

    origin: str
    tensors: Tensors
    settings: dict[str, Any]


def read_checkpoint(source: Path | str) -> ForeignCheckpoint:
    """Read the tensors of a file, a Hugging Face folder or a hub id. Raises WeightsError."""
    path = Path(source).expanduser()
    if path.is_file():
        return ForeignCheckpoint(str(path), unwrapped(_read_file(path)), {})
    if path.suffix in CHECKPOINTS and not path.is_dir():
        raise WeightsError(f"{path}: no such file")
    folder = path if path.is_dir() else _from_hub(str(source))
    settings = read_config_values(folder)
    if "position_grid" in settings:
        raise WeightsError(f"{source}: already in this package's format, it needs no conversion")
    if settings.get("model_type") != FOREIGN_TYPE:
        other = settings.get("model_type", "nothing")
        raise WeightsError(
            f"{source}: expected model_type {FOREIGN_TYPE} in {CONFIG_FILE}, found {other}"
        )
    return ForeignCheckpoint(str(folder), unwrapped(read_tensors(folder / WEIGHTS_FILE)), settings)


def _from_hub(source: str) -> Path:
    if not is_hub_id(source):
        raise WeightsError(
            f"{source}: expected a checkpoint ({', '.join(CHECKPOINTS)}), a folder of "
            "transformers' VitPose, or a hub id such as owner/name"
        )
    return from_hub(source, "", {})


def _read_file(path: Path) -> Tensors:
    """Read a safetensors file or a pickle of tensors, floats in float32."""
    if path.suffix == ".safetensors":
        return read_tensors(path)
    content = _unwrap(_unpickle(path))
    if not content:
        raise WeightsError(f"{path}: holds no tensors by name")
    return as_float32(content, path)


def _unpickle(path: Path) -> object:
    """Load tensors, never code."""
    try:
        return unpickled(path)
    except Exception as error:  # a damaged pickle may raise anything
        raise WeightsError(f"{path}: {_why(error)}") from None


def _why(error: Exception) -> str:
    """Return in one line why a pickle was not loaded."""
    if isinstance(error, pickle.UnpicklingError):
        unwanted = re.search(r"GLOBAL (\S+)", str(error))
        what = f"holds more than tensors ({unwanted[1]})" if unwanted else "is not tensors alone"
        return f"{what}, and the rest could run code: save its state_dict, or as .safetensors"
    return f"not a readable checkpoint ({reason_of(error)})"


def _unwrap(loaded: object) -> Tensors:
    """Return the tensors by name, from `state_dict` or the other keys that trainers use."""
    if not isinstance(loaded, dict):
        return {}
    for key in ("model_state_dict", "state_dict", "model", "module"):
        if isinstance(loaded.get(key), dict):
            return _unwrap(loaded[key])
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
