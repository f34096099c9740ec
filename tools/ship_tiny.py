"""Put trained weights into the package as `tiny`: what they change of the default ones, and graphs.

python -m tools.ship_tiny data/default/runs/tiny/weights --blocks 0 1 2 3 4 5 7 8 9 10 11
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file, save_file

from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.files import WEIGHTS_FILE, tensor_bytes
from tarvitpose.weights.folder import default_folder
from tarvitpose.weights.tiny import (
    BLOCKS,
    CHANGES,
    CHANNELS,
    HEAD,
    MOST,
    PACKED,
    STEP,
    TINY,
    Array,
    default_part,
    packed,
    put_together,
)
from tools.ship_default import add_graphs

LEAST = np.float32(1e-12)  # no row changes by 0 in the mean
SPREAD = {3: np.float32(0.85), 1: np.float32(0.12)}  # a step, in deviations of its row's changes
LARGE = 0.2  # a change, as a share of the weights, that is stored in smaller steps
ROWS, COLUMNS = CHANNELS
# Tensors whose rows tell which channels were kept, and what else has the same: after "blocks.0.".
MLP = (("fc1.weight", ROWS), ("fc1.bias", ROWS), ("fc2.weight", COLUMNS))
FIRST = [("deconv1.weight", COLUMNS), ("deconv2.weight", ROWS)]
SECOND = [("deconv2.weight", COLUMNS), ("final.weight", COLUMNS)]


def main() -> None:
    """Read a weights folder and write `assets/tiny`."""
    parser = argparse.ArgumentParser(description="Put trained weights into the package as tiny.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--blocks", nargs="+", type=int, help="of the default encoder; all")
    given = parser.parse_args()
    default = default_folder()
    ship(given.weights, given.blocks, default / WEIGHTS_FILE, default.with_name(TINY))


def ship(weights: Path, blocks: Sequence[int] | None, default: Path, assets: Path) -> None:
    """Write what weights change of the default file, and graphs of what is read again from that."""
    model = TARViTPose.from_pretrained(weights)
    blocks = blocks or range(model.config.depth)
    shutil.rmtree(assets, ignore_errors=True)
    assets.mkdir()
    with TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder, half=True)
        with (folder / WEIGHTS_FILE).open("rb") as file:
            first = min(part.offset for part in tensor_bytes(folder / WEIGHTS_FILE).values())
            (assets / HEAD).write_bytes(file.read(first))
        stored = changes(load_file(default), load_file(folder / WEIGHTS_FILE), blocks)
        save_file(stored, assets / CHANGES)
        (assets / CHANGES).chmod(0o644)  # safetensors makes files that only the owner can read
        put_together(assets, default, folder)  # as it will be read
        add_graphs(folder)
        for path in folder.iterdir():
            if path.name != WEIGHTS_FILE:
                shutil.copy(path, assets)


def changes(
    before: dict[str, Array], after: dict[str, Array], blocks: Sequence[int]
) -> dict[str, Array]:
    """Return what `put_together` needs to make the tensors `after` from those before."""
    stored: dict[str, Array] = {BLOCKS: np.array(blocks, np.int16)}
    stored |= kept_channels(before, after, stored)
    for name, values in after.items():
        is_new = "merging" in name
        old = None if is_new else default_part(name, before, stored)
        if old is not None and np.array_equal(old, values):
            continue
        if old is None or values.ndim < 2:
            stored[name] = values
            continue
        change = values.astype(np.float32) - old.astype(np.float32)
        rows = tuple(range(1, change.ndim))
        is_large = np.square(change).mean() > LARGE**2 * np.square(values.astype(np.float32)).mean()
        in_a_byte = 1 if is_large else 3
        step = SPREAD[in_a_byte] * np.sqrt(np.square(change).mean(rows, keepdims=True)) + LEAST
        most = MOST[in_a_byte]
        steps = np.rint(change / step).clip(-most, most).astype(np.int8)
        stored[f"{name}{PACKED}{in_a_byte}"], stored[name + STEP] = packed(steps, in_a_byte), step
    return stored


def kept_channels(
    before: dict[str, Array], after: dict[str, Array], stored: dict[str, Array]
) -> dict[str, Array]:
    """Return which channels pruned tensors kept, by the likeness of what they read."""
    kept: dict[str, Array] = {}
    parts = [f"encoder.blocks.{index}." for index in range(len(stored[BLOCKS]))]
    for part in parts:
        old, new = default_part(f"{part}fc1.weight", before, stored), after[f"{part}fc1.weight"]
        if len(new) < len(old):
            kept |= {part + name + axis: alike(new, old) for name, axis in MLP}
    decoder = "decoder."
    old, new = before[f"{decoder}deconv1.weight"], after[f"{decoder}deconv1.weight"]
    if new.shape[1] < old.shape[1]:
        first = alike(new.swapaxes(0, 1), old.swapaxes(0, 1))
        old = before[f"{decoder}deconv2.weight"][first].swapaxes(0, 1)
        second = alike(after[f"{decoder}deconv2.weight"].swapaxes(0, 1), old)
        for norm, places, chosen in (("norm1", FIRST, first), ("norm2", SECOND, second)):
            values = ("weight", "bias", "running_mean", "running_var")
            names = [*places, *((f"{norm}.{value}", ROWS) for value in values)]
            kept |= {decoder + name + axis: chosen for name, axis in names}
    return kept


def alike(rows: Array, others: Array) -> Array:
    """Return which of other rows each row (n, ..) is most like, by the angle between them."""
    units = [
        flat / np.linalg.norm(flat, axis=1, keepdims=True)
        for flat in (part.reshape(len(part), -1).astype(np.float32) for part in (rows, others))
    ]
    chosen: Array = (units[0] @ units[1].T).argmax(1).astype(np.uint16)
    return chosen


if __name__ == "__main__":
    main()
