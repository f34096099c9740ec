"""The weights "fast", which ship as their differences from the default ones.

`assets/fast` holds a config and graphs like any weights folder, and instead of `model.safetensors`
two files: the head of it (`HEAD`), and `CHANGES`, in which a tensor is either itself, or has two
entries: `.step`, a number for each row, and `.packed`, how many such steps, -2 to 2, are added to
each of the default weights, three of them in a byte. A tensor that is not there is the default one.
When first used they are put together in the cache, without PyTorch.
"""

import shutil
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

FAST, HEAD, CHANGES, ABOUT = "fast", "model.head", "changes.safetensors", "export.json"
STEP, PACKED = ".step", ".packed"  # in CHANGES, after a tensor's name
MOST = 2  # steps to either side
LEVELS = 2 * MOST + 1
Array = NDArray[Any]


def fast_folder(assets: Path, default: Path) -> Path:
    """Return the folder of the fast weights, made from the default ones once. Raises UserError."""
    digest = files_digest([assets / name for name in (CONFIG_FILE, ABOUT, CHANGES)], WeightsError)
    folder = cache_root() / "weights" / f"{FAST}-{digest[:20]}"
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
    """Return a tensor of the fast weights, by its name there."""
    if name in changes:
        return changes[name]
    values = before[name]
    if name + STEP not in changes:
        return values
    steps = unpacked(changes[name + PACKED], values.size).reshape(values.shape)
    moved: Array = (values + steps * changes[name + STEP]).astype(np.float16)  # added in float32
    return moved


def packed(steps: Array) -> Array:
    """Return whole numbers from -2 to 2, of any shape, three in a byte.

    >>> packed(np.array([-2, 0, 2, 1])), unpacked(packed(np.array([-2, 0, 2, 1])), 4)
    (array([14, 87], dtype=uint8), array([-2,  0,  2,  1], dtype=int8))
    """
    flat = steps.ravel() + MOST
    digits = np.pad(flat, (0, -flat.size % 3), constant_values=MOST).reshape(-1, 3)
    together: Array = digits @ np.array([LEVELS**2, LEVELS, 1])
    return together.astype(np.uint8)


def unpacked(values: Array, size: int) -> Array:
    """Return the first `size` of the numbers in bytes that `packed` made."""
    digits = [values // LEVELS**2, values // LEVELS % LEVELS, values % LEVELS]
    return np.stack(digits, 1).ravel()[:size].astype(np.int8) - np.int8(MOST)
