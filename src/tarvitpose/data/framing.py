"""Where the crops of a training clip come from: random transforms of the window and its area.

Axes: T frames, J joints, h w the size of a crop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.data.augment import (
    SMALLEST_HALF,
    AugmentConfig,
    CropArea,
    ShownPart,
    clipped_normal,
    cut_off,
    half_body_area,
    inference_area,
    jitter_boxes,
    whole_person,
)
from tarvitpose.data.records import Record, read_image
from tarvitpose.data.windows import is_symmetric, random_offsets
from tarvitpose.utils.arrays import Float64, Generator, UInt8

State = TypeVar("State")
Next = TypeVar("Next")


@dataclass(frozen=True, eq=False)
class ClipSettings:
    """What all clips of a data set share."""

    model: ModelConfig
    augment: AugmentConfig
    records: Sequence[Record]  # other people, for occluders and crowds, are drawn from these

    def random_record(self, rng: Generator) -> Record:
        """Draw one of the records."""
        return self.records[int(rng.integers(len(self.records)))]

    def random_image(self, rng: Generator) -> UInt8:
        """Draw the labelled image of one of the records, RGB."""
        record = self.random_record(rng)
        return read_image(record.frames[record.current], record.name)


@dataclass(frozen=True, eq=False)
class Framing:
    """Which area of which frames a clip shows; decided before any image is read."""

    record: Record
    shown: ShownPart  # what the frame shows of the record's person
    area: CropArea  # of the current frame
    offsets: tuple[int, ...]  # (T,), which frame each one is, counted from the current one
    moves: Float64  # (T, 2, 3), from the common crop to that of each frame


@dataclass(frozen=True)
class Transform(Generic[State, Next]):
    """A random change of a framing or a clip.

    It draws from random numbers of its own, so switching it on changes no other's draws.
    """

    name: str
    stream: int  # which random numbers it draws; seeded clips depend on it, so it never changes
    apply: Callable[[State, ClipSettings, Generator], Next]


def inference_framing(record: Record, model: ModelConfig) -> Framing:
    """Return the window and the crop of a record as inference shows them."""
    offsets, _ = window_offsets(model.offsets)
    area = inference_area(record.box, model.input_size, model.box_padding)
    moves = np.tile(np.eye(2, 3), (len(offsets), 1, 1))
    return Framing(record, whole_person(record), area, offsets, moves)


def truncate(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Let the frame of a still end within the person."""
    if len(framing.record.frames) > 1 or rng.uniform() >= settings.augment.truncate:
        return framing
    shown, model = cut_off(framing.record, rng), settings.model
    area = inference_area(shown.record.box, model.input_size, model.box_padding)
    return replace(framing, shown=shown, area=area)


def half_body(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Show the upper or the lower half of the body."""
    if rng.uniform() >= settings.augment.half_body:
        return framing
    record, model = framing.shown.record, settings.model
    half = half_body_area(record.keypoints, record.visible, model.joints, model.input_size, rng)
    if half is None or (np.abs(half.centre - framing.area.centre) > framing.area.size / 2).any():
        return framing  # few joints, or joints labelled as outside of what is shown
    smallest = framing.area.size * np.float32(SMALLEST_HALF)
    return replace(framing, area=CropArea(half.centre, np.maximum(half.size, smallest)))


def shift(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Move the crop."""
    area = framing.area
    moved = settings.augment.shift * rng.uniform(-1, 1, 2).astype(np.float32) * area.size
    return replace(framing, area=replace(area, centre=np.asarray(area.centre + moved, np.float32)))


def scale(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Make the crop larger or smaller."""
    change = clipped_normal(rng, settings.augment.scale, settings.augment.scale_sigma)
    area = replace(framing.area, size=framing.area.size * np.float32(1 + change))
    return replace(framing, area=area)


def rotate(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Turn the crop."""
    config = settings.augment
    if rng.uniform() >= config.rotate:
        return framing
    rotation = clipped_normal(rng, config.rotation, config.rotation_sigma)
    return replace(framing, area=replace(framing.area, rotation=rotation))


def flip(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Mirror the crop."""
    is_flipped = rng.uniform() < settings.augment.flip
    return replace(framing, area=replace(framing.area, flip=bool(is_flipped)))


def draw_offsets(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Draw the auxiliary frames within a span."""
    span = settings.augment.offset_span
    if not span:
        return framing
    drawn = random_offsets(settings.model.offsets, span, rng)
    return replace(framing, offsets=window_offsets(drawn)[0])


def reverse(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Let time run backwards, if the configured offsets are symmetric."""
    is_reversed = rng.uniform() < settings.augment.reverse and is_symmetric(settings.model.offsets)
    if not is_reversed:
        return framing
    return replace(framing, offsets=tuple(-offset for offset in framing.offsets))


def box_jitter(framing: Framing, settings: ClipSettings, rng: Generator) -> Framing:
    """Give each frame a box of its own."""
    if rng.uniform() >= settings.augment.box_jitter:
        return framing
    size, amount = settings.model.input_size, settings.augment.box_noise
    return replace(framing, moves=jitter_boxes(len(framing.offsets), size, amount, rng))


FRAMING = (
    Transform("truncate", 1, truncate),
    Transform("half_body", 2, half_body),
    Transform("shift", 3, shift),
    Transform("scale", 4, scale),
    Transform("rotate", 5, rotate),
    Transform("flip", 6, flip),
    Transform("offset_span", 7, draw_offsets),
    Transform("reverse", 8, reverse),
    Transform("box_jitter", 9, box_jitter),
)
