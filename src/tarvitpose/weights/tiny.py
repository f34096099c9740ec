"""The weights "tiny", which ship as their differences from parts of the default ones.

`assets/tiny` holds a config and graphs like any weights folder, and instead of `model.safetensors`
two files: the head of it (`HEAD`), and `CHANGES`. There a tensor is either itself, or has entries
with its name: `.packed1` or `.packed3`, how many steps, one or three numbers in a byte, and
`.step`, how long steps are in each row, to be added to the default one. Of that the rows `.rows`
and the columns `.columns` are taken; `BLOCKS` says of which block. A tensor without an entry is the
default one. When first used they are put together in the cache, without PyTorch.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from tarvitpose.errors import WeightsError
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.caches import cache_root
from tarvitpose.utils.hashing import files_digest
from tarvitpose.weights.files import CONFIG_FILE, WEIGHTS_FILE, tensor_bytes

TINY, HEAD, CHANGES, ABOUT = "tiny", "model.head", "changes.safetensors", "export.json"
STEP, PACKED, CHANNELS = ".step", ".packed", (".rows", ".columns")  # after a tensor's name
BLOCKS = "blocks"  # of the default encoder, those that are there
MOST = {3: 2, 1: 127}  # by how many numbers are in a byte: steps to either side
Array = NDArray[Any]


def tiny_folder(assets: Path, default: Path) -> Path:
    """Return the folder of the tiny weights, made from the default ones once. Raises UserError."""
    digest = files_digest([assets / name for name in (CONFIG_FILE, ABOUT, CHANGES)], WeightsError)
    folder = cache_root() / "weights" / f"{TINY}-{digest[:20]}"
    if not is_whole(folder):
        with atomic_folder(folder, keep=is_whole) as new:
            put_together(assets, default / WEIGHTS_FILE, new)
    return folder


def is_whole(folder: Path) -> bool:
    """Tell whether a folder was put together."""
    return (folder / WEIGHTS_FILE).is_file()


def put_together(assets: Path, default: Path, folder: Path) -> None:
    """Write a weights folder from the changes in `assets` and the default weights' file.

    Raises WeightsError where one of the files is missing or damaged.
    """
    from safetensors.numpy import load_file  # noqa: PLC0415 - only once

    try:
        before, changes = load_file(default), load_file(assets / CHANGES)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{assets}: damaged ({error}); install the package again") from None
    with (folder / WEIGHTS_FILE).open("wb") as file:
        file.write((assets / HEAD).read_bytes())
        parts = tensor_bytes(assets / HEAD)
        for name in sorted(parts, key=lambda name: parts[name].offset):
            file.write(changed(name, before, changes).tobytes())
    for path in assets.iterdir():
        if path.name not in (HEAD, CHANGES):
            shutil.copy(path, folder)


def changed(name: str, before: dict[str, Array], changes: dict[str, Array]) -> Array:
    """Return a tensor of the tiny weights, by its name there."""
    if name in changes:
        return changes[name]
    values = default_part(name, before, changes)
    if name + STEP not in changes:
        return values
    in_a_byte = next(count for count in MOST if f"{name}{PACKED}{count}" in changes)
    steps = unpacked(changes[f"{name}{PACKED}{in_a_byte}"], in_a_byte)[: values.size]
    steps = steps.reshape(values.shape)
    moved: Array = (values + steps * changes[name + STEP]).astype(np.float16)  # added in float32
    return moved


def default_part(name: str, before: dict[str, Array], changes: dict[str, Array]) -> Array:
    """Return what a tensor of the tiny weights was cut out of the default ones as."""
    values = before[whole_name(name, changes[BLOCKS])]
    for axis, channels in enumerate(CHANNELS):
        if name + channels in changes:
            values = values.take(changes[name + channels], axis)
    return values


def whole_name(name: str, blocks: Sequence[int] | Array) -> str:
    """Return the name that a tensor has in the network of which only some blocks are there.

    >>> whole_name("encoder.blocks.1.fc1.weight", [0, 5])
    'encoder.blocks.5.fc1.weight'
    """
    return re.sub(r"(?<=^encoder\.blocks\.)\d+", lambda number: str(blocks[int(number[0])]), name)


def packed(steps: Array, in_a_byte: int) -> Array:
    """Return whole numbers of any shape as bytes: of 3 from -2 to 2, or of one from -127 to 127.

    >>> steps = np.array([-2, 0, 2, 1])
    >>> packed(steps, 3), unpacked(packed(steps, 3), 3)
    (array([14, 87], dtype=uint8), array([-2,  0,  2,  1,  0,  0], dtype=int8))
    """
    most = MOST[in_a_byte]
    flat = steps.ravel() + most
    digits = np.pad(flat, (0, -flat.size % in_a_byte), constant_values=most)
    together: Array = digits.reshape(-1, in_a_byte) @ _places(in_a_byte)
    return together.astype(np.uint8)


def unpacked(values: Array, in_a_byte: int) -> Array:
    """Return the numbers in bytes that `packed` made, and zeros that filled the last one."""
    most = MOST[in_a_byte]
    digits = values[:, None] // _places(in_a_byte) % (2 * most + 1)
    return digits.ravel().astype(np.int8) - np.int8(most)


def _places(in_a_byte: int) -> Array:
    levels = 2 * MOST[in_a_byte] + 1
    places: Array = levels ** np.arange(in_a_byte)[::-1]
    return places
