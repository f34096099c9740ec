"""Encoded clips on disk: with a frozen encoder, each clip needs encoding only once.

Axes: n clips, T frames, J joints, C channels, h w the token grid.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.data.augment import AugmentConfig
from tarvitpose.data.dataset import training_targets
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.feature_cache import REMEDY, FeatureCache
from tarvitpose.model.mask import seen_regions
from tarvitpose.training.step import Batch, TrainingStep
from tarvitpose.utils.provenance import Facts

LABELS = ("frame_keypoints", "frame_visible")
SCORES = "scores"  # of tokens, for the mask: stored where the decoder is frozen too
CLEAN_FEATURES = "clean"  # of the current frame before it was degraded: stored if asked for
OFFSETS = "offsets"  # of each clip's frames, which may be drawn: stored with the clean frame


class EncodedClips(Dataset[dict[str, Any]]):
    """The clips of a folder that `encode_clips` filled, each once for every frame with joints.

    JTA does not know the order of frames, so any frame can be the current one, with those next to
    it as the others. Where it does (`key_positions`), or the clean current frame is stored, the
    window's own current frame is the only one. A model that looks at fewer frames than are stored
    takes the nearest. `augment` has the loss weights of joints. Raises ConfigError if the model
    looks at more frames.
    """

    def __init__(
        self,
        folder: Path,
        model: ModelConfig,
        *,
        scores: bool = True,
        augment: AugmentConfig | None = None,
    ) -> None:
        cache = FeatureCache(folder)
        assert cache.facts is not None
        self.names, self.arrays = cache.names, cache.load()
        if not scores:
            self.arrays.pop(SCORES, None)
        self.model, self.augment = model, augment
        self.stored = window_offsets(tuple(cache.facts["offsets"]))[0]
        if len(model.offsets) > len(self.stored) - 1:
            raise ConfigError(
                f"{folder}: holds {len(self.stored)} frames of each clip, the model's offsets "
                f"{model.offsets} need {len(model.offsets) + 1}; encode them again"
            )
        keypoints, visible = (self.arrays[name][: len(self.names)] for name in LABELS)
        # Labels are few numbers; of features that are not finite, the loss tells.
        if not np.isfinite(visible).all() or not np.isfinite(keypoints[visible > 0]).all():
            raise ConfigError(f"{folder}: a label is not finite; {REMEDY}")
        known = np.asarray(visible.any(-1))  # (n, T)
        if CLEAN_FEATURES in self.arrays or model.key_positions:
            known[:, [offset != 0 for offset in self.stored]] = False
        self.items = np.argwhere(known)  # (items, 2), clip and frame

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one clip with one of its frames as the current one."""
        clip, frame = (int(value) for value in self.items[index])
        order = window_order(frame, self.stored, self.model.offsets)
        keypoints = np.array(self.arrays["frame_keypoints"][clip, frame])
        visible = np.array(self.arrays["frame_visible"][clip, frame], np.float32)
        targets, weights = training_targets(keypoints, visible, self.model, self.augment)
        item = {
            "features": torch.from_numpy(self.arrays["features"][clip][order]),
            "targets": torch.from_numpy(targets),
            "weights": torch.from_numpy(weights),
            "keypoints": torch.from_numpy(keypoints),
            "name": self.names[clip],
        }
        if CLEAN_FEATURES in self.arrays:
            item[CLEAN_FEATURES] = torch.from_numpy(np.array(self.arrays[CLEAN_FEATURES][clip]))
            item[OFFSETS] = torch.from_numpy(self.arrays[OFFSETS][clip][order])
        if SCORES in self.arrays:
            scores = torch.from_numpy(self.arrays[SCORES][clip][order]).float()
            rule, threshold = self.model.mask_rule, self.model.mask_threshold
            item["regions"] = seen_regions(scores, rule, threshold)
        return item


def window_order(frame: int, stored: tuple[int, ...], offsets: tuple[int, ...]) -> list[int]:
    """Return which stored frames make a window about one of them, the current one in its place.

    `stored` are the offsets of the stored frames, `offsets` those of the model: as many others
    are taken, the nearest first, earlier before later.

    >>> window_order(0, (-2, -1, 0, 1, 2), (-1, 1))
    [1, 0, 2]
    """
    others = [at for at in range(len(stored)) if at != frame]
    others.sort(key=lambda at: (abs(stored[at] - stored[frame]), at))
    order = sorted(others[: len(offsets)])
    order.insert(window_offsets(offsets)[1], frame)
    return order


class JoinedClips(ConcatDataset[dict[str, Any]]):
    """Several sets of encoded clips, one after the other, by (epoch, index)."""

    def __getitem__(self, key: Any) -> dict[str, Any]:
        """Return one clip; what the sets give does not depend on the epoch."""
        clip: dict[str, Any] = super().__getitem__(key[1])  # type: ignore[no-untyped-call]
        return clip


def encode_clips(
    cache: FeatureCache, step: TrainingStep, loader: DataLoader[Batch], *, length: int, facts: Facts
) -> Iterator[int]:
    """Encode `length` clips, float16, and yield how many are done after each batch.

    Goes on where an earlier run stopped, so the loader must give the same clips again. `facts` are
    what the clips depend on, with the `offsets` of their frames.
    """
    start = 0
    for batch in loader:
        end, done = min(start + len(batch["name"]), length), len(cache.names)
        if end <= start:
            break
        if end > done:
            new = slice(max(done - start, 0), end - start)
            arrays = {name: values[new] for name, values in _encoded(step, batch).items()}
            cache.append(arrays, list(batch["name"])[new], length=length, facts=facts)
        start = end
        yield start


def _encoded(step: TrainingStep, batch: Batch) -> dict[str, NDArray[Any]]:
    """Return what is stored of a batch."""
    clip = batch["clip"]
    assert isinstance(clip, Tensor)
    with torch.inference_mode():
        tensors = {"features": step.features(clip)}
        if "decoder" in step.frozen:
            tensors[SCORES] = step.model.token_scores(tensors["features"])
        if step.clean_loss_weight:
            tensors[CLEAN_FEATURES] = step.clean(batch)
    arrays = {name: values.half().cpu().numpy() for name, values in tensors.items()}
    for name in (*LABELS, *([OFFSETS] if step.clean_loss_weight else [])):
        values = batch[name]
        assert isinstance(values, Tensor)
        arrays[name] = values.cpu().numpy()
    return arrays
