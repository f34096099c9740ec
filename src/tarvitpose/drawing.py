"""Draw poses on an image: in a colour for each person, or for each side of the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.config import Colors
from tarvitpose.geometry import shared_area
from tarvitpose.skeleton import limbs_of, set_of, sides_of
from tarvitpose.utils.arrays import Float32, Int64, UInt8

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (  # RGB; apart also for the colour-blind, most of all neighbours
    (255, 75, 120),  # raspberry
    (255, 210, 0),  # amber
    (75, 105, 255),  # blue
    (255, 150, 105),  # peach
    (195, 165, 255),  # lilac
    (60, 180, 150),  # teal
    (240, 255, 150),  # lemon
    (135, 120, 45),  # bronze
    (0, 255, 180),  # mint
    (180, 75, 195),  # purple
    (120, 165, 0),  # olive
    (195, 255, 255),  # ice
)
SIDE_COLOURS: dict[str, Colour] = {"left": (255, 196, 0), "right": (0, 150, 255)}
DARK, LIGHT = (15, 15, 15), (245, 245, 245)
OPACITY = 0.85  # of skeletons and boxes
PANEL_SHADE = 0.4  # how much of the image is left behind the legend
LEGEND_SHARE = 0.5  # of the image's width, at most: who is named there has a label as well
RIGHT_SHADE = 0.65  # how much of the colour is left on the right side
FONT = cv2.FONT_HERSHEY_DUPLEX
FONT_HEIGHT = 22  # pixels of a capital at scale 1
SUBPIXEL_BITS = 4  # OpenCV's fixed point
FARTHEST = 100_000  # pixels; what lies farther outside the image is drawn no farther


class Rectangle(NamedTuple):
    """A part of the image in pixels, right and bottom not included."""

    left: int
    top: int
    right: int
    bottom: int


class Drawable(Protocol):
    """What of the N people of a frame is drawn, as `FramePoses` has it."""

    @property
    def index(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def keypoints(self) -> Float32: ...
    @property
    def scores(self) -> Float32: ...
    @property
    def boxes(self) -> Float32: ...
    @property
    def track_ids(self) -> Int64: ...
    @property
    def joint_names(self) -> tuple[str, ...]: ...


class _Stroke(NamedTuple):
    """Widths of a skeleton in pixels."""

    line: int  # of limbs
    joint: float  # radius

    @property
    def rim(self) -> int:
        """The dark edge around limbs and joints; it would drown the colour of a thin line."""
        return 0 if self.line == 1 else 1 + self.line // 6


@dataclass(frozen=True)
class _Sizes:
    """Widths in pixels, fit for one image."""

    body: _Stroke
    fine: _Stroke  # of face and hands
    box: int
    text: float  # height of a capital letter


@dataclass(frozen=True)
class _Legend:
    """What stands top left."""

    time: str
    chips: list[int]  # ids
    hidden: str  # how many more people there are, such as "+3"
    area: Rectangle
    size: float  # height of the text
    gap: int  # pixels between the parts


@dataclass(frozen=True)
class _Body:
    """One person, ready to be drawn."""

    points: list[tuple[int, int]]  # one for each joint, in OpenCV's fixed point
    drawn: frozenset[int]  # the joints that score high enough
    limbs: tuple[tuple[int, int], ...]
    fine: frozenset[int]  # the joints of face and hands
    sides: tuple[str, ...]  # of each joint: "left", "right" or ""
    own_colours: Mapping[int, Colour]  # of joints, where those of the joint set are asked for
    colour: Colour
    dots: Colour | None  # of the joints, where it is not the limbs' colour
    by_side: bool
    sizes: _Sizes

    def stroke(self, first: int, second: int) -> _Stroke:
        """Return the widths of a joint or limb."""
        return self.sizes.fine if self.fine.issuperset((first, second)) else self.sizes.body

    def shade(self, first: int, second: int) -> Colour:
        """Return the colour of a joint or limb; the line between the shoulders has no side."""
        if second in self.own_colours:
            return self.own_colours[second]
        sides = {self.sides[joint] for joint in (first, second)} - {""}
        side = sides.pop() if len(sides) == 1 else ""
        if self.by_side:
            return SIDE_COLOURS.get(side, LIGHT)
        if side != "right":
            return self.colour
        red, green, blue = (round(RIGHT_SHADE * value) for value in self.colour)
        return red, green, blue


def draw_poses(
    image: UInt8,
    poses: Drawable,
    *,
    keypoint_threshold: float = 0.3,
    legend: bool = True,
    colors: Colors = "track",
) -> UInt8:
    """Return a copy of an RGB image (height, width, 3) with the poses drawn on it.

    Joints that score below `keypoint_threshold` are left out, with their limbs. The legend, top
    left, shows the time and who is in the frame. Someone without a box, in files of others, has
    one around the joints that is not drawn. With `colors="side"` skeletons are amber on the left
    and blue on the right, and only boxes and numbers have the person's colour; with
    "joints", joints and limbs have the colours of their joint set, where it has some.
    """
    boxes = _boxes_of(poses)
    below = np.array(image, order="C")  # a copy
    plan = _plan_legend(poses, image.shape) if legend else None
    taken = [] if plan is None else [plan.area]
    for area in taken:  # poses are drawn over the legend's ground, its text over poses
        ground = below[: area.bottom, : area.right]
        ground[:] = ground * np.float32(PANEL_SHADE)
    canvas = below.copy()
    order = boxes[:, 3].argsort(kind="stable")  # who stands nearer is drawn over the others
    for person in order:
        _draw_person(
            canvas, poses, int(person), boxes[person], threshold=keypoint_threshold, colors=colors
        )
    canvas = np.asarray(cv2.addWeighted(canvas, OPACITY, below, 1 - OPACITY, 0), np.uint8)
    for person in order[::-1]:
        taken.append(_draw_label(canvas, int(poses.track_ids[person]), int(person), boxes, taken))
    if plan is not None:
        _draw_legend(canvas, plan)
    return canvas


def colour_of(track_id: int) -> Colour:
    """Return the colour of a person; ids that differ by less than the palette differ in it.

    >>> colour_of(1) == colour_of(1 + len(PALETTE)) != colour_of(2)
    True
    """
    return PALETTE[(track_id - 1) % len(PALETTE)]


def is_dotted(track_id: int) -> bool:
    """Tell whether a person's joints are light dots: every second round through the palette.

    >>> is_dotted(1), is_dotted(1 + len(PALETTE)), is_dotted(1 + 2 * len(PALETTE))
    (False, True, False)
    """
    return (track_id - 1) // len(PALETTE) % 2 == 1


def fit_width(image: UInt8, width: int) -> UInt8:
    """Return the image `width` pixels wide, its aspect kept."""
    height = max(round(image.shape[0] * width / image.shape[1]), 1)
    smoothing = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    image = np.ascontiguousarray(image)
    return np.asarray(cv2.resize(image, (width, height), interpolation=smoothing), np.uint8)


def shown_time(seconds: float) -> str:
    """Return a time as players show it, to the hundredth.

    >>> shown_time(62.5), shown_time(3600)
    ('1:02.50', '1:00:00.00')
    """
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 100:02d}.{rest % 100:02d}"


def draw_text(
    canvas: UInt8, text: str, origin: tuple[int, int], height: float, colour: Colour
) -> None:
    """Write a line of text, `height` pixels tall, from its lower left corner on."""
    scale = height / FONT_HEIGHT
    cv2.putText(canvas, text, origin, FONT, scale, colour, _stroke(height), cv2.LINE_AA)


def text_width(text: str, height: float) -> int:
    """Return how many pixels wide a text of this height is."""
    return int(cv2.getTextSize(text, FONT, height / FONT_HEIGHT, _stroke(height))[0][0])


def _stroke(height: float) -> int:
    return max(round(height / 20), 1)


def _sizes(shape: tuple[int, ...], person_height: float = np.inf) -> _Sizes:
    """Fit widths to the shorter side of the image, and lines also to the person."""
    side = min(shape[:2])
    line = max(round(min(max(side / 270 + 1, side / 180), person_height / 50)), 1)
    dot = 0.7 * line + min(1, person_height / 90)
    fine = _Stroke(max(line // 3, 1), max(dot / 3, 0.6))
    return _Sizes(_Stroke(line, dot), fine, max(side // 540, 1), max(side / 54, 8.5))


def _boxes_of(poses: Drawable) -> Float32:
    """Boxes (N, 4), around the joints of those who have none."""
    boxes = poses.boxes.copy()
    for person in np.flatnonzero(~np.isfinite(boxes).all(1)):
        points = poses.keypoints[person]
        known = points[np.isfinite(points).all(1)]
        boxes[person] = np.concatenate([known.min(0), known.max(0)]) if len(known) else 0
    return boxes


def _draw_person(
    canvas: UInt8, poses: Drawable, person: int, box: Float32, *, threshold: float, colors: Colors
) -> None:
    points = poses.keypoints[person]
    track_id = int(poses.track_ids[person])
    is_drawn = (poses.scores[person] >= threshold) & np.isfinite(points).all(-1)  # (J,)
    names, joint_set = poses.joint_names, set_of(poses.joint_names)
    own = joint_set.colors if joint_set and colors == "joints" else {}
    body = _Body(
        points=_fixed(points),
        drawn=frozenset(np.flatnonzero(is_drawn).tolist()),
        limbs=limbs_of(names),
        fine=frozenset(map(names.index, joint_set.fine if joint_set else ())),
        sides=sides_of(names),
        own_colours={names.index(name): _from_hex(text) for name, text in own.items()},
        colour=colour_of(track_id),
        dots=LIGHT if is_dotted(track_id) and colors == "track" else None,
        by_side=colors != "track",
        sizes=_sizes(canvas.shape, float(box[3] - box[1])),
    )
    if np.isfinite(poses.boxes[person]).all():
        first, last = _fixed(box.reshape(2, 2))
        cv2.rectangle(canvas, first, last, body.colour, body.sizes.box, cv2.LINE_AA, SUBPIXEL_BITS)
    _draw_limbs(canvas, body)
    _draw_joints(canvas, body)


def _draw_limbs(canvas: UInt8, body: _Body) -> None:
    """Draw all dark edges first, so that limbs that meet stay joined."""
    limbs = [limb for limb in body.limbs if body.drawn.issuperset(limb)]
    for a, b in limbs:
        stroke, ends = body.stroke(a, b), (body.points[a], body.points[b])
        edge = stroke.line + 2 * stroke.rim
        cv2.line(canvas, *ends, DARK, edge, cv2.LINE_AA, SUBPIXEL_BITS)
    for a, b in limbs:
        ends, shade = (body.points[a], body.points[b]), body.shade(a, b)
        cv2.line(canvas, *ends, shade, body.stroke(a, b).line, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_joints(canvas: UInt8, body: _Body) -> None:
    for joint in sorted(body.drawn):
        stroke = body.stroke(joint, joint)
        radius = round(stroke.joint * 2**SUBPIXEL_BITS)
        edge = radius + (stroke.rim << SUBPIXEL_BITS)
        for size, colour in ((edge, DARK), (radius, body.dots or body.shade(joint, joint))):
            centre = body.points[joint]
            cv2.circle(canvas, centre, size, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _from_hex(text: str) -> Colour:
    """Return a colour such as "#ff8000"."""
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _draw_label(
    canvas: UInt8, track_id: int, person: int, boxes: Float32, taken: list[Rectangle]
) -> Rectangle:
    """Write the id beside a corner of the box, and return its area.

    Inside the image, off what is `taken` and off people where that can be; above on the left by
    choice, because a label that jumps about cannot be read.
    """
    size = _sizes(canvas.shape).text
    width, height = _chip_size(str(track_id), size)
    rectangles = np.array(_near(boxes.reshape(-1, 2))).reshape(-1, 4)
    left, top, right, bottom = map(round, rectangles[person])
    corners = [(x, y) for y in (top - height, bottom) for x in (left, right - width)]
    room = canvas.shape[1] - width, canvas.shape[0] - height
    inside = [(max(min(x, room[0]), 0), max(min(y, room[1]), 0)) for x, y in corners]
    areas = [Rectangle(x, y, x + width, y + height) for x, y in inside]
    later = np.arange(len(areas)) * width * height / 4
    best = areas[int(np.argmin(4 * _overlaps(areas, taken) + _overlaps(areas, rectangles) + later))]
    _draw_chip(canvas, track_id, best[:2], size)
    return best


def _overlaps(areas: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Return the pixels that each area (P, 4) shares with others (K, 4) xyxy, summed."""
    these = np.asarray(areas, np.float64)[:, None]  # (P, 1, 4)
    those = np.asarray(others, np.float64).reshape(-1, 4)
    return np.asarray(shared_area(these, those).sum(-1))  # (P,)


def _plan_legend(poses: Drawable, shape: tuple[int, ...]) -> _Legend:
    """Show the time and a chip for everybody who fits."""
    size = _sizes(shape).text
    gap = round(size * 0.6)
    time = shown_time(poses.time) if np.isfinite(poses.time) else f"frame {poses.index}"
    left = text_width(time, size) + 2 * gap
    room = max(round(LEGEND_SHARE * shape[1]) - left, 0)
    chips, hidden = _chips_that_fit(poses, size, gap, room)
    right = left + sum(_chip_size(str(i), size)[0] + gap for i in chips)
    right += (text_width(hidden, size) + gap) * bool(hidden)
    area = Rectangle(0, 0, right, _chip_size("0", size)[1] + 2 * gap)
    return _Legend(time, chips, hidden, area, size, gap)


def _draw_legend(canvas: UInt8, legend: _Legend) -> None:
    size, gap = legend.size, legend.gap
    baseline = round((legend.area.bottom + size) / 2)
    draw_text(canvas, legend.time, (gap, baseline), size, LIGHT)
    left = text_width(legend.time, size) + 2 * gap
    for track_id in legend.chips:
        _draw_chip(canvas, track_id, (left, gap), size)
        left += _chip_size(str(track_id), size)[0] + gap
    draw_text(canvas, legend.hidden, (left, baseline), size, LIGHT)


def _chips_that_fit(poses: Drawable, size: float, gap: int, width: int) -> tuple[list[int], str]:
    """Return the ids to show in `width` pixels, and how many more there are, such as "+3"."""
    ids = sorted(poses.track_ids.tolist())
    ends = np.cumsum([_chip_size(str(i), size)[0] + gap for i in ids])
    if not ids or ends[-1] <= width:
        return ids, ""
    fitting = int(np.searchsorted(ends, width - text_width(f"+{len(ids)}", size) - gap, "right"))
    return ids[:fitting], f"+{len(ids) - fitting}"


def _chip_size(text: str, size: float) -> tuple[int, int]:
    return text_width(text, size) + round(size * 0.8), round(size * 1.8)


def _draw_chip(canvas: UInt8, track_id: int, corner: tuple[int, int], size: float) -> None:
    """Draw a filled tag with an id."""
    left, top = corner
    width, height = _chip_size(str(track_id), size)
    chip = canvas[top : top + height, left : left + width]
    if is_dotted(track_id):
        chip[:] = LIGHT
        frame = max(round(size / 9), 1)
        chip = chip[frame:-frame, frame:-frame]
    chip[:] = colour_of(track_id)
    origin = left + round(size * 0.4), top + round(height / 2 + size / 2)
    draw_text(canvas, str(track_id), origin, size, DARK)


def _fixed(points: Float32) -> list[tuple[int, int]]:
    """Turn pixels (K, 2) into OpenCV's fixed point."""
    return [(round(x * 2**SUBPIXEL_BITS), round(y * 2**SUBPIXEL_BITS)) for x, y in _near(points)]


def _near(points: Float32) -> list[list[float]]:
    """Return points (K, 2) that OpenCV's integers can hold."""
    near: list[list[float]] = np.nan_to_num(points).clip(-FARTHEST, FARTHEST).tolist()
    return near
