"""Put trained weights into the package as `fast`: what they change of the default ones, and graphs.

python -m tools.ship_fast data/default/runs/fast/weights
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file, save_file

from tarvitpose.inference.graph_folder import describe
from tarvitpose.inference.graphs import write_graphs
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.fast import (
    CHANGES,
    FAST,
    HEAD,
    MOST,
    PACKED,
    STEP,
    Array,
    packed,
    put_together,
)
from tarvitpose.weights.files import WEIGHTS_FILE, fingerprint, tensor_bytes
from tarvitpose.weights.folder import default_folder

TINY = np.float32(1e-12)  # no row changes by 0 in the mean
SPREAD = np.float32(1.1)  # a step, in standard deviations of its row's changes


def main() -> None:
    """Read a weights folder and write `assets/fast`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    default = default_folder()
    ship(parser.parse_args().weights, default / WEIGHTS_FILE, default.with_name(FAST))


def ship(weights: Path, default: Path, assets: Path) -> None:
    """Write what weights change of the default file, and graphs of what is read again from that."""
    model = TARViTPose.from_pretrained(weights)
    shutil.rmtree(assets, ignore_errors=True)
    assets.mkdir()
    with TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder, half=True)
        with (folder / WEIGHTS_FILE).open("rb") as file:
            first = min(part.offset for part in tensor_bytes(folder / WEIGHTS_FILE).values())
            (assets / HEAD).write_bytes(file.read(first))
        save_file(changes(load_file(default), load_file(folder / WEIGHTS_FILE)), assets / CHANGES)
        (assets / CHANGES).chmod(0o644)  # safetensors makes files that only the owner can read
        put_together(assets, default, folder)  # as it will be read
        model = TARViTPose.from_pretrained(folder)
        write_graphs(model, folder, weights=folder / WEIGHTS_FILE)
        describe(folder, model.config, fingerprint(model), "fp32")
        for path in folder.iterdir():
            if path.name != WEIGHTS_FILE:
                shutil.copy(path, assets)


def changes(before: dict[str, Array], after: dict[str, Array]) -> dict[str, Array]:
    """Return what `put_together` needs to make the tensors `after` from those before."""
    stored: dict[str, Array] = {}
    for name, values in after.items():
        old = before.get(name)
        if old is not None and np.array_equal(old, values):
            continue
        if old is None or values.ndim < 2:
            stored[name] = values
            continue
        change = values.astype(np.float32) - old.astype(np.float32)
        rows = tuple(range(1, change.ndim))
        step = SPREAD * np.sqrt(np.square(change).mean(rows, keepdims=True)) + TINY
        steps = np.rint(change / step).clip(-MOST, MOST).astype(np.int8)
        stored[name + PACKED], stored[name + STEP] = packed(steps), step
    return stored


if __name__ == "__main__":
    main()
