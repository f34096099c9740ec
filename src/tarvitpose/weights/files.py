"""The files of a weights folder, `model.safetensors` and `config.json`: read and written.

`weights/folder.py` finds the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError

from tarvitpose.config import ModelConfig
from tarvitpose.errors import OutputError, WeightsError
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.hashing import content_digest
from tarvitpose.utils.json_file import SMALL, read_json
from tarvitpose.utils.numeric import whole_number
from tarvitpose.utils.reading import reason_of
from tarvitpose.utils.source_names import short
from tarvitpose.utils.words import kind_of

if TYPE_CHECKING:  # a folder is checked before torch is loaded
    from torch import Tensor, nn

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
CHECKPOINTS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")  # files of other projects
LONGEST_HEADER = 10_000_000  # bytes; that of the largest network has 200,000
MOST_BYTES = 5_000_000_000  # of tensors; ViTPose+ H with all of its experts has 4 GB
FOREIGN_TYPE = "vitpose"  # the model_type in a config of transformers


def read_config_values(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's config.json. Raises WeightsError if a file is missing."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: no {name}; expected {CONFIG_FILE} and {WEIGHTS_FILE}")
    values = read_json(folder / CONFIG_FILE, WeightsError, SMALL)
    if not isinstance(values, dict):
        raise WeightsError(f"{folder / CONFIG_FILE}: expected an object, found {kind_of(values)}")
    return values


def read_tensors(
    path: Path, expected: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, Tensor]:
    """Read a safetensors file, floats in float32. Raises WeightsError.

    Before any of them is read, also where the header states other tensors than the `expected`
    shapes, or more than a network can have.
    """
    from safetensors.torch import load_file  # noqa: PLC0415

    stated = tensor_bytes(path)
    if expected is not None:
        check_shapes(expected, {name: part.shape for name, part in stated.items()}, str(path))
    elif (size := sum(part.length for part in stated.values())) > MOST_BYTES:
        raise WeightsError(
            f"{path}: {size / 1e9:.1f} GB of tensors, more than any ViTPose has; expected the "
            "weights of a network alone"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: not a readable safetensors file ({reason_of(error)})"
        ) from None
    return as_float32(tensors, path)


def as_float32(tensors: Mapping[str, Tensor], origin: Path) -> dict[str, Tensor]:
    """Return tensors with floats in float32. Raises WeightsError for NaN and infinity in them.

    Also for what is no array of numbers, and for one of more numbers than the file has.
    """
    for name, tensor in tensors.items():
        if not _is_plain(tensor):
            raise WeightsError(f"{origin}: {short(name)} is no plain array of numbers")
    converted = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    for name, tensor in converted.items():
        if not tensor.isfinite().all():
            raise WeightsError(
                f"{origin}: {short(name)} holds NaN or infinity, as after a failed training or "
                "damage; use another checkpoint"
            )
    return converted


def _is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor has a number in memory for each of its elements."""
    odd = tensor.is_sparse or tensor.is_quantized or tensor.is_nested or tensor.is_meta
    if odd or str(tensor.layout) != "torch.strided" or "bits" in str(tensor.dtype):
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


class TensorBytes(NamedTuple):
    """Where a safetensors file holds a tensor."""

    kind: str  # such as "F16"
    shape: tuple[int, ...]
    offset: int  # from the beginning of the file
    length: int  # in bytes


def tensor_bytes(path: Path) -> dict[str, TensorBytes]:
    """Return where each tensor of a safetensors file lies, by name. Raises WeightsError."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        return {name: _tensor_bytes(part, 8 + length) for name, part in header.items()}
    except (LookupError, TypeError, AttributeError):
        raise WeightsError(
            f"{path}: not a readable safetensors file (its header describes no tensors)"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{path}: not a readable safetensors file ({reason_of(error)})"
        ) from None


def _tensor_bytes(part: dict[str, Any], begin: int) -> TensorBytes:
    """Return where a tensor lies, as the header has it. Raises ValueError, KeyError, TypeError."""
    start, end = part["data_offsets"]
    numbers = [whole_number(value) for value in (*part["shape"], start, end - start)]
    if not isinstance(part["dtype"], str) or any(value is None or value < 0 for value in numbers):
        raise ValueError(f"a tensor of no type, shape or place: {part}")
    return TensorBytes(part["dtype"], tuple(part["shape"]), begin + start, end - start)


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def check_shapes(
    expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]], origin: str
) -> None:
    """Raise WeightsError that names every tensor that is missing, surplus or misshapen."""
    both = expected.keys() & shapes.keys()
    _refuse(
        origin,
        *_listing("missing", expected.keys() - shapes.keys()),
        *_listing("surplus", shapes.keys() - expected.keys()),
        *_listing(
            "misshapen",
            (
                f"{name} {shapes[name]} instead of {expected[name]}"
                for name in both
                if shapes[name] != expected[name]
            ),
        ),
    )


def load_into(model: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Load tensors into a model, or raise a WeightsError that names every wrong key."""
    expected = model.state_dict()
    check_shapes(shapes_of(expected), shapes_of(tensors), origin)
    others = (
        f"{name} {tensor.dtype}".replace("torch.", "")
        for name, tensor in tensors.items()
        if tensor.is_floating_point() != expected[name].is_floating_point()
    )
    _refuse(origin, *_listing("of another type", others))
    model.load_state_dict(tensors, assign=True)


def _refuse(origin: str, *problems: str) -> None:
    if problems:
        raise WeightsError(f"{origin} does not fit its config: {'; '.join(problems)}")


def _listing(kind: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names)
    return [f"{len(ordered)} {kind}: {', '.join(ordered)}"] if ordered else []


def save_checkpoint(
    folder: Path, config: ModelConfig, tensors: dict[str, Tensor], *, half: bool = False
) -> None:
    """Write config and tensors into a folder, each file whole or not at all. Raises OutputError."""
    import torch  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415

    dtype = torch.float16 if half else torch.float32
    converted = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in tensors.items()
    }
    if half and any(not tensor.isfinite().all() for tensor in converted.values()):
        raise OutputError(f"{folder}: weights too large for float16; save them in float32")
    for leftover in folder.glob(".tmp??????"):  # of safetensors' writer in a killed process
        leftover.unlink(missing_ok=True)
    with atomic_file(folder / WEIGHTS_FILE) as path:
        mode = path.stat().st_mode
        try:
            save_file(converted, path, metadata={"format": "pt"})
        except SafetensorError as error:  # raised if the disk is full
            raise OutputError(f"{folder / WEIGHTS_FILE}: cannot be written ({error})") from None
        path.chmod(mode)  # safetensors makes files that only the owner can read
    with atomic_file(folder / CONFIG_FILE) as path:
        path.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def fingerprint(module: nn.Module) -> str:
    """Return the SHA-256 of a module's weights, in hexadecimal digits."""
    return content_digest(
        name.encode() + value.detach().cpu().contiguous().numpy().tobytes()
        for name, value in sorted(module.state_dict().items())
    )
