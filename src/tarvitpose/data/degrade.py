"""What degrades frames: blur, darkness, noise, things in the way.   Axes: T frames, h w of a crop.

Each function takes one RGB crop (h, w, 3) and a severity in 0..1, and returns a new crop.
Lengths are given for crops 256 pixels high and grow with the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from tarvitpose.config import Config
from tarvitpose.geometry import BOX_PADDING
from tarvitpose.utils.arrays import UInt8

Generator = np.random.Generator
Kind = Literal[
    "clean",
    "motion_blur",
    "defocus",
    "occluded",
    "dark",
    "noisy",
    "low_resolution",
    "compressed",
    "dropped",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
REFERENCE_HEIGHT = 256
STRONG, MILD = (0.5, 1.0), (0.05, 0.4)  # severities of the current frame, of the others


class DegradeConfig(Config):
    """How often, and how, the frames of a training clip are degraded."""

    current: float = Field(default=0.5, ge=0, le=1)  # probability that the current frame is
    auxiliary: float = Field(default=0.25, ge=0, le=1)  # mildly, for each other frame
    auxiliary_strong: float = Field(default=0.0, ge=0, le=1)  # as the current one, for each other
    kinds: tuple[Kind, ...] = Field(default=KINDS[1:], min_length=1)  # equally likely
    occluder: float = Field(default=0.0, ge=0, le=1)  # that a thing moves through all frames
    blurred: float = Field(default=0.0, ge=0, le=1)  # smeared strongly, for each other frame
    defocused: float = Field(default=0.0, ge=0, le=1)  # strongly, for each other frame
    dropped: float = Field(default=0.0, ge=0, le=1)  # black, grey or repeated, for each other frame
    everywhere: float = Field(default=0.0, ge=0, le=1)  # that all frames are, a little, each anew

    @property
    def touches_others(self) -> bool:
        """Whether other frames than the current one may be blurred or lost by keys of their own."""
        return max(self.blurred, self.defocused, self.dropped) > 0


def motion_blur(image: UInt8, rng: Generator, severity: float, angle: float | None = None) -> UInt8:
    """Smear along a line of 5 to 25 pixels, at `angle` in degrees or any."""
    length = (5 + 20 * severity) * image.shape[0] / REFERENCE_HEIGHT
    turn = np.deg2rad(rng.uniform(0, 180) if angle is None else angle)
    reach = int(np.ceil(length / 2))
    step = np.array([np.cos(turn), np.sin(turn)]) * (length - 1) / 2 * 16  # in 1/16 pixels
    first, last = (np.rint(reach * 16 + sign * step).astype(int).tolist() for sign in (-1, 1))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    cv2.line(kernel, first, last, 255, 1, cv2.LINE_AA, 4)
    return _filtered(image, kernel)


def defocus(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Spread every pixel over a disc of 2 to 7 pixels radius."""
    radius = (2 + 5 * severity) * image.shape[0] / REFERENCE_HEIGHT
    reach = int(np.ceil(radius))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    cv2.circle(kernel, (reach * 16, reach * 16), round(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return _filtered(image, kernel)


def _filtered(image: UInt8, kernel: UInt8) -> UInt8:
    weights = kernel.astype(np.float32) / max(int(kernel.sum()), 1)
    return np.asarray(cv2.filter2D(image, -1, weights, borderType=cv2.BORDER_REPLICATE))


def dark(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Turn the light down to a half or a twentieth, and add the noise of a sensor."""
    gain = 0.5 * 0.1**severity * rng.uniform(0.8, 1.2)
    light = 255 * gain * (np.arange(256) / 255) ** rng.uniform(1, 1 + 0.6 * severity)
    dimmed = np.asarray(cv2.LUT(image, light.astype(np.float32)), np.float32)
    spread = np.sqrt(2 + 6 * severity * gain * dimmed + 4 * severity)
    return _rounded(dimmed + spread * rng.standard_normal(image.shape, np.float32))


def noisy(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Add noise of 10 to 60 grey levels, the same everywhere or growing with the light."""
    sigma = np.float32(10 + 50 * severity)
    noise = rng.standard_normal(image.shape, np.float32) * sigma
    if rng.uniform() < 0.5:
        noise *= np.sqrt(image.astype(np.float32) / 128)
    return _rounded(image + noise)


def _rounded(values: NDArray[np.float32]) -> UInt8:
    return np.asarray(values.clip(0, 255) + np.float32(0.5)).astype(np.uint8)


def low_resolution(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Show the person as if it were 3 to 10 times smaller."""
    height, width = image.shape[:2]
    factor = 3 + 7 * severity
    small = (max(round(width / factor), 1), max(round(height / factor), 1))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    method = cv2.INTER_LINEAR if rng.uniform() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=method))


def compressed(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Store as JPEG of quality 20 down to 2 and read again."""
    quality = round(20 - 18 * severity)
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    content = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def dropped(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Lose the frame: all black, or one grey."""
    lost = np.zeros_like(image)
    lost[:] = 0 if rng.uniform() < 0.5 else rng.integers(0, 256)
    return lost


DEGRADE: dict[Kind, Callable[[UInt8, Generator, float], UInt8]] = {
    "motion_blur": motion_blur,
    "defocus": defocus,
    "dark": dark,
    "noisy": noisy,
    "low_resolution": low_resolution,
    "compressed": compressed,
    "dropped": dropped,
}
MILD_KINDS: tuple[Kind, ...] = ("motion_blur", "defocus", "dark", "noisy", "compressed")
EVERYWHERE_KINDS: tuple[Kind, ...] = ("dark", "noisy", "compressed")


def degrade_current(
    clip: UInt8,
    current: int,
    rng: Generator,
    kinds: Sequence[Kind],
    *,
    others: Sequence[UInt8] = (),
    points: ArrayLike | None = None,
    auxiliary: float = 0.0,
    strong: float = 0.0,
) -> tuple[UInt8, Kind]:
    """Spoil the current frame of a clip (T, h, w, 3) strongly, and tell by which of `kinds`.

    An occluder is cut from one of `others`, RGB images of any size, or made up, and hides one of
    `points`, (K, 2) crop pixels. Every other frame is degraded mildly with the probability
    `auxiliary`, or strongly with `strong`; an occluder goes on moving through all of them with the
    probability `auxiliary`.
    """
    degraded = clip.copy()
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind == "occluded":
        frames = range(len(clip)) if rng.uniform() < auxiliary else (current,)
        _occlude(degraded, current, rng, others=others, points=points, frames=frames)
    elif kind != "clean":
        degraded[current] = DEGRADE[kind](clip[current], rng, rng.uniform(*STRONG))
    for t in range(len(clip)):
        chance = rng.uniform()
        if t != current and chance < auxiliary + strong:
            severity = rng.uniform(*(STRONG if chance < strong else MILD))
            degradation = MILD_KINDS[rng.integers(len(MILD_KINDS))]
            degraded[t] = DEGRADE[degradation](degraded[t], rng, severity)
    return degraded, kind


def degrade_everywhere(clip: UInt8, rng: Generator) -> UInt8:
    """Spoil all frames of a clip (T, h, w, 3) a little, alike but not the same.

    This is what a camera and a codec do: one kind and severity for the clip, chance for each frame.
    """
    degrade = DEGRADE[EVERYWHERE_KINDS[int(rng.integers(len(EVERYWHERE_KINDS)))]]
    severity = rng.uniform(*MILD)
    return np.stack([degrade(frame, rng, severity) for frame in clip])


def occlude_window(
    clip: UInt8,
    current: int,
    rng: Generator,
    *,
    others: Sequence[UInt8] = (),
    points: ArrayLike | None = None,
) -> UInt8:
    """Let a thing move steadily through all frames of a clip (T, h, w, 3).

    It looks like those of `degrade_current`, and hides one of `points` in the current frame.
    """
    hidden = clip.copy()
    _occlude(hidden, current, rng, others=others, points=points, frames=range(len(clip)))
    return hidden


def degrade_others(
    clip: UInt8, current: int, rng: Generator, config: DegradeConfig
) -> tuple[UInt8, NDArray[np.bool_]]:
    """Blur or lose frames of a clip (T, h, w, 3) other than the current one.

    Returns the clip, and which frames are lost (T,): half of them show nothing, and half the frame
    before them again, as a frozen video does (the first frame has none before it).
    """
    degraded, lost = clip.copy(), np.zeros(len(clip), bool)
    blurs = (motion_blur, config.blurred), (defocus, config.defocused)
    for t in range(len(clip)):
        chances, repeated = rng.uniform(size=3), rng.uniform() < 0.5
        if t == current:
            continue
        for (blur, share), chance in zip(blurs, chances[:2], strict=True):
            if chance < share:
                degraded[t] = blur(degraded[t], rng, rng.uniform(*STRONG))
        if chances[2] < config.dropped:
            lost[t] = True
            degraded[t] = degraded[t - 1] if t and repeated else dropped(degraded[t], rng, 1.0)
    return degraded, lost


def _occlude(
    clip: UInt8,
    current: int,
    rng: Generator,
    *,
    others: Sequence[UInt8],
    points: ArrayLike | None,
    frames: Sequence[int],
) -> None:
    """Put a thing in front of the given frames of a clip, which is changed. It moves steadily."""
    height, width = clip.shape[1:3]
    shape, extent = _shape(rng, (height, width))
    texture = _texture(rng, others, (height, width))
    velocity = rng.uniform(-0.5, 0.5, 2) * extent
    centre = _hidden_point(rng, points, (height, width))
    for t in frames:
        outline = np.rint((shape + centre + velocity * (t - current)) * 16).astype(np.int32)
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [outline], 255, cv2.LINE_8, 4)
        cv2.copyTo(texture, mask, clip[t])


def _shape(rng: Generator, size: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    """An outline (K, 2) about 0, 0 that covers 15 to 40% of the person's box, and its extent."""
    area = rng.uniform(0.15, 0.40) * size[0] * size[1] / BOX_PADDING**2
    corners = int(rng.choice([4, 5, 6, 24]))
    turn, wobble = rng.uniform(0, 2 * np.pi), 0.0 if corners == 24 else 0.3
    angles = turn + 2 * np.pi * np.arange(corners) / corners
    radii = 1 + rng.uniform(-wobble, wobble, corners)
    stretch = np.exp(rng.uniform(-0.5, 0.5))
    outline = np.stack([np.cos(angles) * stretch, np.sin(angles) / stretch], -1) * radii[:, None]
    covered = cv2.contourArea(outline.astype(np.float32))
    extent = np.sqrt(area / covered)
    return outline * extent, float(extent)


def _texture(rng: Generator, others: Sequence[UInt8], size: tuple[int, int]) -> UInt8:
    """What an occluder looks like, (h, w, 3): a piece of another image, blotches or one colour."""
    choice = rng.uniform()
    if others and choice < 0.7:
        other = others[int(rng.integers(len(others)))]
        side = [max(1, int(length * rng.uniform(0.4, 1))) for length in other.shape[:2]]
        y, x = (rng.integers(0, other.shape[i] - side[i] + 1) for i in range(2))
        piece = other[y : y + side[0], x : x + side[1]]
    else:
        cells = 1 if choice > 0.85 else int(rng.integers(2, 48))
        piece = rng.integers(0, 256, (cells, cells, 3), np.uint8)
    return np.asarray(cv2.resize(piece, size[::-1], interpolation=cv2.INTER_LINEAR))


def _hidden_point(
    rng: Generator, points: ArrayLike | None, size: tuple[int, int]
) -> NDArray[np.float64]:
    """The middle of an occluder, (2,): near one of the points, or anywhere inside."""
    limit = np.array(size[::-1], np.float64)
    around = rng.uniform(0.2, 0.8, 2) * limit
    inside = np.zeros((0, 2)) if points is None else np.asarray(points, np.float64)
    inside = inside[((inside >= 0) & (inside < limit)).all(-1)]
    if not len(inside):
        return np.asarray(around)
    return np.asarray(inside[rng.integers(len(inside))] + rng.normal(0, 0.03 * size[0], 2))
