"""What happens to the frames of a training clip: named random transforms, in order.

Axes: T frames, J joints, h w the size of a crop.
"""

from dataclasses import dataclass, replace

import numpy as np

from tarvitpose.data.augment import black_outside, jitter_colour, shrink, swap_sides
from tarvitpose.data.crowd import add_person, can_be_cut_out
from tarvitpose.data.degrade import (
    DEGRADE,
    EVERYWHERE_DEGRADATIONS,
    MILD,
    MILD_DEGRADATIONS,
    STRONG,
    Degradation,
)
from tarvitpose.data.framing import ClipSettings, Framing, Transform
from tarvitpose.data.occluder import occlude
from tarvitpose.data.records import read_image
from tarvitpose.data.stills import compose, still_clip
from tarvitpose.data.windows import window_clip
from tarvitpose.geometry import transform_points
from tarvitpose.utils.arrays import Float32, Float64, Generator, UInt8

OUTSIDE = -1e4  # pixels of a crop, the position of a joint that the frame has cut off


@dataclass(frozen=True, eq=False)
class Clip:
    """The crops of a window and the joints in them. Transforms return a new one."""

    frames: UInt8  # (T, h, w, 3)
    keypoints: Float32  # (T, J, 2), in pixels of each crop
    visible: Float32  # (T, J), as in `Record`; 0 where the frame's joints are not known
    current: int  # position of the current frame
    matrix: Float64  # (2, 3), from pixels of the current frame to those of its crop

    @property
    def others(self) -> list[int]:
        """The positions of all frames but the current one."""
        return [t for t in range(len(self.frames)) if t != self.current]

    @property
    def labelled_points(self) -> Float32:
        """The labelled joints of the current frame, (K, 2)."""
        points, is_labelled = self.keypoints[self.current], self.visible[self.current] > 0
        return np.asarray(points[is_labelled])


def motion(framing: Framing, settings: ClipSettings, rng: Generator) -> Clip:
    """Cut the clip out of its video; a still is made to move."""
    model, shown = settings.model, framing.shown
    matrix = framing.area.matrix(model.input_size, model.codec)
    if len(framing.record.frames) > 1:
        frames, keypoints, visible = _video_frames(framing, matrix, settings)
    else:
        frames, keypoints = _still_frames(framing, matrix, settings, rng)
        visible = np.tile(framing.record.visible, (len(frames), 1))
    keypoints[:, shown.cut_joints] = OUTSIDE
    if framing.area.flip:
        keypoints, visible = (swap_sides(each, model.joints) for each in (keypoints, visible))
    current = framing.offsets.index(0)
    current_matrix = compose(framing.moves[current, None], matrix)[0]
    return Clip(frames, keypoints, visible, current, current_matrix)


def _video_frames(
    framing: Framing, matrix: Float64, settings: ClipSettings
) -> tuple[UInt8, Float32, Float32]:
    """The crops (T, h, w, 3), the joints (T, J, 2), and which are known (T, J)."""
    record, offsets = framing.record, framing.offsets
    matrices = compose(framing.moves, matrix)
    keypoints = transform_points(matrices, np.tile(record.keypoints, (len(offsets), 1, 1)))
    visible = np.zeros((len(offsets), len(record.visible)), np.float32)
    visible[offsets.index(0)] = record.visible
    frames = window_clip(record, matrices, offsets, settings.model.input_size)
    return frames, keypoints, visible


def _still_frames(
    framing: Framing, matrix: Float64, settings: ClipSettings, rng: Generator
) -> tuple[UInt8, Float32]:
    """The crops (T, h, w, 3) and the joints (T, J, 2) of a still that moves."""
    record, area = framing.shown.record, framing.shown.frame_area
    image = read_image(record.frames[0], record.name)
    return still_clip(
        image if area is None else black_outside(image, area),
        record.keypoints,
        record.visible,
        matrix,
        offsets=framing.offsets,
        input_size=settings.model.input_size,
        joints=settings.model.joints,
        motion=settings.augment.motion,
        rng=rng,
        moves=framing.moves,
    )


def crowd(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Put another person beside the one of the clip."""
    if rng.uniform() >= settings.augment.crowd:
        return clip
    other = settings.random_record(rng)
    if not can_be_cut_out(other):
        return clip
    is_shown = (clip.keypoints[clip.current] > OUTSIDE).all(-1)  # (J,)
    frames = add_person(
        clip.frames,
        clip.keypoints,
        clip.visible[clip.current] * is_shown,
        current=clip.current,
        image=read_image(other.frames[other.current], other.name),
        other=other,
        joints=settings.model.joints,
        rng=rng,
    )
    return replace(clip, frames=frames)


def occluder(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Let a thing move through all frames."""
    if rng.uniform() >= settings.augment.degrade.occluder:
        return clip
    image = settings.random_image(rng)
    frames = occlude(clip.frames, clip.current, rng, image=image, points=clip.labelled_points)
    return replace(clip, frames=frames)


def colour(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Vary the colours of all frames alike."""
    if not settings.augment.colour:
        return clip
    return replace(clip, frames=jitter_colour(clip.frames, rng, settings.augment.colour))


def small(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Show the person with as few pixels as if it were far away."""
    if rng.uniform() >= settings.augment.small:
        return clip
    return replace(clip, frames=shrink(clip.frames, rng))


def everywhere(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Degrade all frames a little, as a poor camera or codec does.

    The degradation and its severity are the same in all frames, their noise is not.
    """
    if rng.uniform() >= settings.augment.degrade.everywhere:
        return clip
    degrade = DEGRADE[EVERYWHERE_DEGRADATIONS[int(rng.integers(len(EVERYWHERE_DEGRADATIONS)))]]
    severity = rng.uniform(*MILD)
    return replace(clip, frames=np.stack([degrade(frame, rng, severity) for frame in clip.frames]))


def current(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Degrade the current frame strongly; an occluder may go on through the others."""
    config = settings.augment.degrade
    if rng.uniform() >= config.current:
        return clip
    degradation = config.degradations[int(rng.integers(len(config.degradations)))]
    if degradation == "clean":
        return clip
    if degradation != "occluded":
        frames = clip.frames.copy()
        frame, severity = frames[clip.current], rng.uniform(*STRONG)
        frames[clip.current] = DEGRADE[degradation](frame, rng, severity)
        return replace(clip, frames=frames)
    frames = occlude(
        clip.frames,
        clip.current,
        rng,
        frames=None if rng.uniform() < config.auxiliary else (clip.current,),
        image=settings.random_image(rng),
        points=clip.labelled_points,
    )
    return replace(clip, frames=frames)


def auxiliary(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Degrade some of the other frames, mildly or strongly."""
    config, frames = settings.augment.degrade, clip.frames.copy()
    for t in clip.others:
        chance = rng.uniform()
        if chance < config.auxiliary + config.auxiliary_strong:
            severity = rng.uniform(*(STRONG if chance < config.auxiliary_strong else MILD))
            degradation = MILD_DEGRADATIONS[rng.integers(len(MILD_DEGRADATIONS))]
            frames[t] = DEGRADE[degradation](frames[t], rng, severity)
    return replace(clip, frames=frames)


def blurred(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Smear some of the other frames strongly."""
    return _blur(clip, "motion_blur", settings.augment.degrade.blurred, rng)


def defocused(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Defocus some of the other frames strongly."""
    return _blur(clip, "defocus", settings.augment.degrade.defocused, rng)


def _blur(clip: Clip, degradation: Degradation, share: float, rng: Generator) -> Clip:
    frames = clip.frames.copy()
    for t in clip.others:
        if rng.uniform() < share:
            frames[t] = DEGRADE[degradation](frames[t], rng, rng.uniform(*STRONG))
    return replace(clip, frames=frames)


def dropped(clip: Clip, settings: ClipSettings, rng: Generator) -> Clip:
    """Lose some of the other frames; their joints are no longer known.

    Half of them show nothing, and half repeat the frame before them, as a frozen video does; the
    first frame has none before it.
    """
    frames, visible = clip.frames.copy(), clip.visible.copy()
    for t in clip.others:
        chance, is_repeated = rng.uniform(), rng.uniform() < 0.5
        if chance < settings.augment.degrade.dropped:
            visible[t] = 0
            is_repeated = bool(t) and is_repeated
            frames[t] = frames[t - 1] if is_repeated else DEGRADE["dropped"](frames[t], rng, 1.0)
    return replace(clip, frames=frames, visible=visible)


MOTION = Transform("motion", 0, motion)
APPEARANCE = (
    Transform("crowd", 10, crowd),
    Transform("occluder", 11, occluder),
    Transform("colour", 12, colour),
    Transform("small", 13, small),
)
DEGRADATION = (
    Transform("everywhere", 14, everywhere),
    Transform("current", 15, current),
    Transform("auxiliary", 16, auxiliary),
    Transform("blurred", 17, blurred),
    Transform("defocused", 18, defocused),
    Transform("dropped", 19, dropped),
)
