"""Hostile values in files that can be read, and hostile bytes in all others."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from damage import damaged

NUMBERS = [0, -1, 7, 0.5, -0.0, 1e17, 3e38, 1e39, 1e308, 2**31, 2**53, 2**63 - 1, 2**63, 2**64]
NUMBERS += [10**30, 10**400, -(10**400), float("inf"), -float("inf"), float("nan")]
TEXTS = ["", "7", "nose", "\x1b[31m", "\ud800", "a\nb", "x" * 999, ".", "..", "/", "a\0b"]
HOSTILE: list[Any] = [*NUMBERS, None, True, *TEXTS]
HOSTILE += [[], {}, [[]], [None], [1, 2], {"a": 1}, [[[[[0]]]]]]
Damage = Callable[[random.Random, Path], None]


def hostile_bytes(draw: random.Random, path: Path) -> None:
    """Change, remove, insert or repeat bytes."""
    path.write_bytes(damaged(path.read_bytes(), draw))


def hostile_json(draw: random.Random, path: Path) -> None:
    """Replace, remove or repeat values of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(draw.randint(1, 3)):
        parent: Any = content
        while True:
            keys = [*parent] if isinstance(parent, dict) else [*range(len(parent))]
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(parent[key], dict | list) and draw.random() < 0.8:
                parent = parent[key]
                continue
            match draw.randrange(4):
                case 0:
                    del parent[key]
                case 1 if isinstance(parent, list):
                    parent.append(copy.deepcopy(parent[key]))
                case _:
                    parent[key] = copy.deepcopy(draw.choice(HOSTILE))
            break
    path.write_text(json.dumps(content), encoding="utf-8")


def hostile_matlab(draw: random.Random, path: Path) -> None:
    """Replace the arrays of a MATLAB file by others of another type, shape or content."""
    from scipy.io import loadmat, savemat

    arrays = {key: value for key, value in loadmat(path).items() if key[0] != "_"}
    name = draw.choice(sorted(arrays))
    array = np.asarray(arrays[name])
    with np.errstate(all="ignore"):
        arrays[name] = draw.choice(
            [
                array.astype("c16") if array.dtype.kind in "fiu" else "x",
                array[None],
                array[..., :0],
                array.ravel(),
                np.array(["a", "b"]),
                np.array([[1, "a"]], object),
                {"a": 1},
                np.full(array.shape, draw.choice([np.nan, np.inf, 1e300, -1.0])),
                np.zeros((0, 0)),
            ]
        )
    savemat(path, arrays)
