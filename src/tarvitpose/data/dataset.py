"""Records to training clips.   Axes: T frames, J joints, h w the size of a crop."""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from tarvitpose.config import ModelConfig
from tarvitpose.data.augment import NO_AUGMENTATION, AugmentConfig
from tarvitpose.data.degrade import Degradation, DegradeConfig
from tarvitpose.data.framing import FRAMING, ClipSettings, State, Transform, inference_framing
from tarvitpose.data.records import Record
from tarvitpose.data.stills import MotionConfig
from tarvitpose.data.transforms import APPEARANCE, DEGRADATION, MOTION
from tarvitpose.data.windows import check_span
from tarvitpose.errors import DataError
from tarvitpose.heatmaps import encode
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32, Generator

ClipKey = tuple[int, int]  # epoch and index

DRAWING = 1  # counts up where the same records, settings and seed come to give other clips
JOINT_WEIGHTS = {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}  # as the authors' code
VALIDATION = NO_AUGMENTATION.model_copy(update={"motion": MotionConfig(still=0, fast=0)})


class ClipItem(TypedDict):
    """One clip and the joints in it; a loader adds the axis B in front."""

    clip: Tensor  # (T, h, w, 3) uint8, RGB, not normalised
    clean: Tensor  # (h, w, 3) uint8, the current frame before it alone was degraded
    targets: Tensor  # (J, h / 4, w / 4) float32
    weights: Tensor  # (J,) float32, of the loss; 0 where a joint is not labelled or outside
    keypoints: Tensor  # (J, 2) float32, pixels of the crop
    visible: Tensor  # (J,) float32, 1 where a joint is labelled, also outside the crop
    frame_keypoints: Tensor  # (T, J, 2) float32, of every frame, pixels of its crop
    frame_visible: Tensor  # (T, J) float32, all 0 for a frame that is lost or has no known joints
    offsets: Tensor  # (T,) int64, which frame each one shows, counted from the current one
    matrix: Tensor  # (2, 3) float32, of the current frame, from its pixels to those of the crop
    name: str  # of the record


def joint_weights(joints: JointSet) -> Float32:
    """Return the loss weight of each joint, (J,)."""
    parts = (name.partition("_")[2] for name in joints.joints)
    return np.array([JOINT_WEIGHTS.get(part, 1.0) for part in parts], np.float32)


def training_targets(
    keypoints: ArrayLike, visible: ArrayLike, model: ModelConfig, augment: AugmentConfig | None
) -> tuple[Float32, Float32]:
    """Return target heatmaps (J, h, w) and loss weights (J,) of points (J, 2) in crop pixels.

    A labelled joint that lies outside the crop has an empty target and the weight
    `augment.absent`. A label that is trusted less, `visible` below 1, weighs less by that factor.
    Without `augment` the defaults apply.
    """
    config = augment or AugmentConfig()
    targets, weights = encode(keypoints, visible, model.input_size, model.codec)
    trusted = np.asarray(visible, np.float32)
    weights[(trusted > 0) & (weights == 0)] = config.absent
    weights = weights * trusted
    return targets, weights * joint_weights(model.joints) if config.joint_weights else weights


class ClipDataset(Dataset[ClipItem]):
    """Clips by key (epoch, index). The same seed and key always give the same clip.

    `augment` says how clips vary, by default as in validation: crops are those of inference, and
    stills move moderately.
    """

    def __init__(
        self,
        records: Sequence[Record],
        model: ModelConfig,
        augment: AugmentConfig = VALIDATION,
        seed: int = 0,
    ) -> None:
        if not records:
            raise DataError("a data set needs at least one record, found none")
        check_span(model.offsets, augment.offset_span)
        self.settings, self.seed = ClipSettings(model, augment, records), seed

    def __len__(self) -> int:
        return len(self.settings.records)

    def __getitem__(self, key: ClipKey | int) -> ClipItem:
        """Return the clip of (epoch, index); an index alone is of epoch 0."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} records")
        record, model = self.settings.records[index], self.settings.model
        seeds = (self.seed, epoch, index)
        framing = self._transformed(inference_framing(record, model), FRAMING, seeds)
        clip = MOTION.apply(framing, self.settings, _stream(MOTION, seeds))
        clip = self._transformed(clip, APPEARANCE, seeds)
        clean = clip.frames[clip.current].copy()
        clip = self._transformed(clip, DEGRADATION, seeds)
        keypoints, visible = clip.keypoints[clip.current], clip.visible[clip.current]
        targets, weights = training_targets(keypoints, visible, model, self.settings.augment)
        return {
            "clip": torch.from_numpy(clip.frames),
            "clean": torch.from_numpy(clean),
            "targets": torch.from_numpy(targets),
            "weights": torch.from_numpy(weights),
            "keypoints": torch.from_numpy(keypoints),
            "visible": torch.from_numpy(visible),
            "frame_keypoints": torch.from_numpy(clip.keypoints),
            "frame_visible": torch.from_numpy(clip.visible),
            "offsets": torch.tensor(framing.offsets),
            "matrix": torch.from_numpy(clip.matrix.astype(np.float32)),
            "name": record.name,
        }

    def _transformed(
        self, state: State, transforms: Sequence[Transform[State, State]], seeds: tuple[int, ...]
    ) -> State:
        for transform in transforms:
            state = transform.apply(state, self.settings, _stream(transform, seeds))
        return state


def _stream(transform: Transform[Any, Any], seeds: tuple[int, ...]) -> Generator:
    """The random numbers that a transform draws from in one clip."""
    return np.random.default_rng((*seeds, transform.stream))


def validation_clips(
    records: Sequence[Record], model: ModelConfig, degradation: Degradation = "clean", seed: int = 0
) -> ClipDataset:
    """Return a fixed benchmark: inference crops, moderate motion, current frames all degraded.

    Clips of one seed move alike whatever the degradation.
    """
    degrade = DegradeConfig(current=1, auxiliary=0, degradations=(degradation,))
    return ClipDataset(records, model, VALIDATION.model_copy(update={"degrade": degrade}), seed)


class KeySampler(Sampler[ClipKey]):
    """Endless keys (epoch, index), shuffled anew in each epoch; can start at any step."""

    def __init__(self, length: int, seed: int, start_step: int = 0, batch_size: int = 1) -> None:
        self.length, self.seed, self.start = length, seed, start_step * batch_size

    def __iter__(self) -> Iterator[ClipKey]:
        epoch, done = divmod(self.start, self.length)
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
            for index in order[done:].tolist():
                yield epoch, index
            epoch, done = epoch + 1, 0


def single_threaded(worker: int) -> None:
    """Keep OpenCV from starting threads in a loader's worker (`worker_init_fn`)."""
    cv2.setNumThreads(0)
