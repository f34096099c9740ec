"""Records to training clips.   Axes: T frames, J joints, h w the size of a crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.data.augment import (
    AugmentConfig,
    Shown,
    augment_box,
    blackened,
    cut_off,
    jitter_boxes,
    jitter_colour,
    plain_box,
    shrink,
    whole,
)
from tarvitpose.data.crowd import add_person, can_be_cut_out
from tarvitpose.data.degrade import (
    Kind,
    degrade_current,
    degrade_everywhere,
    degrade_others,
    occlude_window,
)
from tarvitpose.data.records import Record, read_image
from tarvitpose.data.stills import MotionConfig, compose, still_clip
from tarvitpose.data.windows import check_span, shown_frames, window_clip
from tarvitpose.errors import DataError
from tarvitpose.geometry import transform_points
from tarvitpose.heatmaps import encode
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32, UInt8

Generator = np.random.Generator
Moves = NDArray[np.float64]  # transforms (2, 3) or (T, 2, 3)
Key = tuple[int, int]  # epoch and index: all that a clip's randomness depends on, with the seed

JOINT_WEIGHTS = {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}  # as the authors' code
OUTSIDE = -1e4  # pixels of a crop, where a joint is put that the frame has cut off
VALIDATION_MOTION = MotionConfig(still=0, fast=0)


class ClipItem(TypedDict):
    """One clip and what is to be found in its current frame; a loader adds the axis B in front."""

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
    `augment.absent`. A label that is trusted less, `visible` below 1, weighs so much less. Without
    `augment` the defaults count.
    """
    config = augment or AugmentConfig()
    targets, weights = encode(keypoints, visible, model.input_size, model.codec)
    trusted = np.asarray(visible, np.float32)
    weights[(trusted > 0) & (weights == 0)] = config.absent
    weights = weights * trusted
    return targets, weights * joint_weights(model.joints) if config.joint_weights else weights


class ClipDataset(Dataset[ClipItem]):
    """Clips by key (epoch, index). The same seed and key always give the same clip.

    With `augment` clips vary as training wants it; without, every person is cropped as at
    inference. `kind` then says how each current frame is degraded.
    """

    def __init__(
        self,
        records: Sequence[Record],
        model: ModelConfig,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        kind: Kind = "clean",
    ) -> None:
        if not records:
            raise DataError("a data set needs at least one record, found none")
        if augment is not None:
            check_span(model.offsets, augment.offset_span)
        self.records, self.model, self.augment = records, model, augment
        self.seed, self.kind = seed, kind

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: Key | int) -> ClipItem:
        """Return the clip of (epoch, index); an index alone is of epoch 0."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} records")
        rng = np.random.default_rng((self.seed, epoch, index))
        # What was added later draws from its own numbers: it leaves earlier runs as they were.
        extra = np.random.default_rng((self.seed, epoch, index, 1))
        newest = np.random.default_rng((self.seed, epoch, index, 2))
        current = window_offsets(self.model.offsets)[1]
        shown = self._shown(self.records[index], newest)
        matrix, flip = self._crop(shown.record, rng)
        offsets, own = self._window(extra)
        clip, places, seen = self._frames(shown, matrix, offsets, own, rng)
        clip = self._join(clip, places, seen[current], newest)
        places[:, shown.gone] = OUTSIDE
        seen[:, shown.gone] = self.records[index].visible[shown.gone]
        if flip:
            order = list(self.model.joints.flip_order)
            places, seen = places[:, order], seen[:, order]
        keypoints, visible = places[current], seen[current]
        clip = self._pass_by(clip, keypoints[visible > 0], extra)
        clip, clean = self._degrade(clip, keypoints[visible > 0], rng, newest)
        if self.augment is not None and self.augment.degrade.touches_others:
            clip, lost = degrade_others(clip, current, extra, self.augment.degrade)
            seen[lost] = 0
        targets, weights = training_targets(keypoints, visible, self.model, self.augment)
        matrix = matrix if own is None else compose(own[current, None], matrix)[0]
        return {
            "clip": torch.from_numpy(clip),
            "clean": torch.from_numpy(clean),
            "targets": torch.from_numpy(targets),
            "weights": torch.from_numpy(weights),
            "keypoints": torch.from_numpy(keypoints),
            "visible": torch.from_numpy(visible),
            "frame_keypoints": torch.from_numpy(places),
            "frame_visible": torch.from_numpy(seen),
            "offsets": torch.tensor(offsets),
            "matrix": torch.from_numpy(matrix.astype(np.float32)),
            "name": shown.record.name,
        }

    def _shown(self, record: Record, rng: Generator) -> Shown:
        """What the frame shows of a person: part of it, at times, if this is a still."""
        if self.augment is None or len(record.frames) > 1 or rng.uniform() >= self.augment.truncate:
            return whole(record)
        return cut_off(record, rng)

    def _crop(self, record: Record, rng: Generator) -> tuple[Moves, bool]:
        """The transform of all frames, (2, 3), and whether it mirrors."""
        size, joints = self.model.input_size, self.model.joints
        if self.augment is None:
            crop = plain_box(record.box, size)
        else:
            crop = augment_box(
                record.box,
                record.keypoints,
                record.visible,
                joints=joints,
                input_size=size,
                config=self.augment,
                rng=rng,
            )
        return crop.matrix(size, self.model.codec), crop.flip

    def _window(self, rng: Generator) -> tuple[tuple[int, ...], Moves | None]:
        """Which frames are shown (T,), and what moves each crop from the common one, (T, 2, 3)."""
        if self.augment is None:
            return window_offsets(self.model.offsets)[0], None
        offsets = shown_frames(
            self.model.offsets,
            span=self.augment.offset_span,
            reverse=self.augment.reverse,
            rng=rng,
        )
        if rng.uniform() >= self.augment.box_jitter:
            return offsets, None
        size, amount = self.model.input_size, self.augment.box_noise
        return offsets, jitter_boxes(len(offsets), size, amount, rng)

    def _frames(
        self,
        shown: Shown,
        matrix: Moves,
        offsets: tuple[int, ...],
        own: Moves | None,
        rng: Generator,
    ) -> tuple[UInt8, Float32, Float32]:
        """The crops (T, h, w, 3), the joints (T, J, 2), and which are known (T, J)."""
        record, size = shown.record, self.model.input_size
        if len(record.frames) > 1:
            count, current = len(offsets), offsets.index(0)
            matrices = np.tile(matrix, (count, 1, 1)) if own is None else compose(own, matrix)
            points = transform_points(matrices, np.tile(record.keypoints, (count, 1, 1)))
            known = np.zeros((count, len(record.visible)), np.float32)
            known[current] = record.visible
            return window_clip(record, matrices, offsets, size), points, known
        image = read_image(record.frames[0], record.name)
        clip, places = still_clip(
            image if shown.area is None else blackened(image, shown.area),
            record.keypoints,
            record.visible,
            matrix,
            offsets=offsets,
            input_size=size,
            joints=self.model.joints,
            motion=self.augment.motion if self.augment else VALIDATION_MOTION,
            rng=rng,
            own=own,
        )
        return clip, places, np.tile(record.visible, (len(offsets), 1))

    def _join(self, clip: UInt8, places: Float32, visible: Float32, rng: Generator) -> UInt8:
        """Put another person beside the one of a clip (T, h, w, 3), at times."""
        if self.augment is None or rng.uniform() >= self.augment.crowd:
            return clip
        other = self.records[int(rng.integers(len(self.records)))]
        if not can_be_cut_out(other):
            return clip
        return add_person(
            clip,
            places,
            visible,
            current=window_offsets(self.model.offsets)[1],
            image=read_image(other.frames[other.current], other.name),
            other=other,
            joints=self.model.joints,
            rng=rng,
        )

    def _pass_by(self, clip: UInt8, points: Float32, rng: Generator) -> UInt8:
        """Let a thing move through the whole clip (T, h, w, 3), at times."""
        if self.augment is None or rng.uniform() >= self.augment.degrade.occluder:
            return clip
        current = window_offsets(self.model.offsets)[1]
        others = [self._another_image(rng)]
        return occlude_window(clip, current, rng, others=others, points=points)

    def _degrade(
        self, clip: UInt8, points: Float32, rng: Generator, newest: Generator
    ) -> tuple[UInt8, UInt8]:
        """Vary the colours of a clip (T, h, w, 3) and degrade frames, most of all the current one.

        Also returns that frame before it was degraded, (h, w, 3).
        """
        current = window_offsets(self.model.offsets)[1]
        if self.augment is None:
            kinds: tuple[Kind, ...] = (self.kind,)
            everywhere = auxiliary = strong = 0.0
        else:
            clip = jitter_colour(clip, rng, self.augment.colour)
            if self.augment.small and newest.uniform() < self.augment.small:
                clip = shrink(clip, newest)
            config = self.augment.degrade
            degraded = rng.uniform() < config.current
            kinds = (config.kinds[rng.integers(len(config.kinds))] if degraded else "clean",)
            auxiliary, strong = config.auxiliary, config.auxiliary_strong
            everywhere = config.everywhere
        poor = newest.uniform() < everywhere
        others = [self._another_image(rng)] if kinds == ("occluded",) else []
        window, _ = degrade_current(
            degrade_everywhere(clip, newest) if poor else clip,
            current,
            rng,
            kinds,
            others=others,
            points=points,
            auxiliary=auxiliary,
            strong=strong,
        )
        return window, clip[current]

    def _another_image(self, rng: Generator) -> UInt8:
        record = self.records[int(rng.integers(len(self.records)))]
        return read_image(record.frames[record.current], record.name)


def validation_clips(
    records: Sequence[Record], model: ModelConfig, kind: Kind = "clean", seed: int = 0
) -> ClipDataset:
    """Return a fixed benchmark: inference crops, moderate motion, one kind of degraded frames.

    Clips of one seed move alike whatever the kind.
    """
    return ClipDataset(records, model, None, seed, kind)


class KeySampler(Sampler[Key]):
    """Endless keys (epoch, index), shuffled anew in each epoch; can start at any step."""

    def __init__(self, length: int, seed: int, start_step: int = 0, batch_size: int = 1) -> None:
        self.length, self.seed, self.start = length, seed, start_step * batch_size

    def __iter__(self) -> Iterator[Key]:
        epoch, done = divmod(self.start, self.length)
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
            for index in order[done:].tolist():
                yield epoch, index
            epoch, done = epoch + 1, 0


def single_threaded(worker: int) -> None:
    """Keep OpenCV from starting threads in a loader's worker (`worker_init_fn`)."""
    cv2.setNumThreads(0)
