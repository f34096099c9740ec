"""Encoded clips on disk: with a frozen encoder, each clip needs encoding only once.

Axes: n clips, T frames, J joints, C channels, h w the token grid.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.data.dataset import joint_weights
from tarvitpose.errors import ConfigError
from tarvitpose.files import replace_when_done
from tarvitpose.heatmaps import encode
from tarvitpose.training.step import Batch, TrainingStep

ARRAYS = ("features", "regions", "frame_keypoints", "frame_visible")


class EncodedClips(Dataset[dict[str, Any]]):
    """The clips of a folder that `encode_clips` filled, each once for every frame with joints.

    JTA does not know the order of frames, so any frame can change places with the current one.
    """

    def __init__(self, folder: Path, model: ModelConfig) -> None:
        self.arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        self.names: list[str] = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        self.model, self.joint_weights = model, joint_weights(model.joints)
        self.current = window_offsets(model.offsets)[1]
        known = self.arrays["frame_visible"][: len(self.names)].any(-1)  # (n, T)
        self.places = np.argwhere(known)  # (items, 2), clip and frame

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Return one clip with one of its frames as the current one, by (epoch, index)."""
        clip, frame = (int(value) for value in self.places[key[1]])
        order = list(range(self.arrays["features"].shape[1]))
        order[self.current], order[frame] = frame, self.current
        keypoints = np.array(self.arrays["frame_keypoints"][clip, frame])
        visible = np.array(self.arrays["frame_visible"][clip, frame], np.float32)
        targets, weights = encode(keypoints, visible, self.model.input_size, self.model.codec)
        return {
            "features": torch.from_numpy(self.arrays["features"][clip][order]),
            "regions": torch.from_numpy(self.arrays["regions"][clip][order]),
            "targets": torch.from_numpy(targets),
            "weights": torch.from_numpy(weights * self.joint_weights),
            "name": self.names[clip],
        }


class Together(Dataset[dict[str, Any]]):
    """Several sets of encoded clips, one after the other."""

    def __init__(self, parts: list[EncodedClips]) -> None:
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Return one clip by (epoch, index)."""
        epoch, index = key
        part = int(np.searchsorted(self.ends, index, side="right"))
        return self.parts[part][epoch, index - int(self.ends[part]) + len(self.parts[part])]


def encode_clips(
    folder: Path, step: TrainingStep, loader: DataLoader[Batch], length: int, recipe: str
) -> Iterator[int]:
    """Encode `length` clips into a folder, float16, and yield how many are done after each batch.

    Goes on where an earlier run stopped, so the loader must give the same batches again.
    `recipe` names what the clips come from; raises ConfigError if the folder holds another's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done, names = _progress(folder, recipe)
    arrays: dict[str, np.memmap[Any, Any]] = {}
    start = 0
    for batch in loader:
        size = min(len(batch["name"]), length - start)
        if size <= 0:
            break
        if start >= done:
            with torch.inference_mode():
                features, regions = step.encode(batch)
            _store(
                folder, arrays, {**batch, "features": features, "regions": regions}, start, length
            )
            names += list(batch["name"])[:size]
            _note(folder, recipe, names)
        start += size
        yield start


def is_complete(folder: Path, length: int) -> bool:
    """Return whether a folder holds `length` encoded clips."""
    return (folder / "names.json").exists() and len(_progress(folder, None)[1]) >= length


def _progress(folder: Path, recipe: str | None) -> tuple[int, list[str]]:
    if not (folder / "names.json").exists():
        return 0, []
    if recipe is not None and (folder / "recipe.txt").read_text(encoding="utf-8") != recipe:
        raise ConfigError(f"{folder}: holds clips of another configuration; remove it first")
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    return len(names), names


def _store(folder: Path, arrays: dict[str, Any], batch: Batch, start: int, length: int) -> None:
    for name in ARRAYS:
        values = batch[name]
        assert isinstance(values, Tensor)
        half = values.is_floating_point() and name == "features"
        block = (values.half() if half else values).cpu().numpy()
        if name not in arrays:
            arrays[name] = _open(folder / f"{name}.npy", (length, *block.shape[1:]), block.dtype)
        end = min(start + len(block), length)
        arrays[name][start:end] = block[: end - start]
        arrays[name].flush()


def _open(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    if path.exists():
        return open_memmap(path, mode="r+")
    return open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _note(folder: Path, recipe: str, names: list[str]) -> None:
    with replace_when_done(folder / "recipe.txt") as path:
        path.write_text(recipe, encoding="utf-8")
    with replace_when_done(folder / "names.json") as path:
        path.write_text(json.dumps(names), encoding="utf-8")
