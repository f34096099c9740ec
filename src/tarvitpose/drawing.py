"""Draw poses on an image: a colour for each person, their right side darker than their left."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tarvitpose.geometry import UInt8
from tarvitpose.results import Float32, FramePoses
from tarvitpose.skeleton import JOINT_SETS

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (  # RGB; neighbours differ most, because ids are given in order
    (255, 196, 0),  # amber
    (0, 190, 255),  # sky
    (255, 75, 75),  # red
    (90, 225, 70),  # green
    (225, 90, 255),  # violet
    (235, 235, 235),  # white
    (255, 135, 30),  # orange
    (60, 240, 210),  # turquoise
    (255, 120, 185),  # pink
    (225, 240, 90),  # lime
    (110, 135, 255),  # blue
    (190, 150, 110),  # sand
)
DARK, LIGHT = (15, 15, 15), (245, 245, 245)
OPACITY = 0.85  # of skeletons and boxes
RIGHT_SHADE = 0.6  # how much of the colour is left on the right side
FONT = cv2.FONT_HERSHEY_DUPLEX
FONT_HEIGHT = 22  # pixels of a capital at scale 1
SUBPIXEL_BITS = 4  # OpenCV's fixed point
FARTHEST = 100_000  # pixels; what lies farther outside the image is drawn no farther


@dataclass(frozen=True)
class _Sizes:
    """Widths in pixels, fit for one image."""

    line: int  # of limbs
    rim: int  # of the dark edge around limbs and joints
    joint: float  # radius
    box: int
    text: float  # height of a capital letter


@dataclass(frozen=True)
class _Body:
    """One person, ready to be drawn."""

    points: list[tuple[int, int]]  # one for each joint, in OpenCV's fixed point
    drawn: frozenset[int]  # the joints that score high enough
    names: tuple[str, ...]
    colour: Colour
    sizes: _Sizes

    def shade(self, first: int, second: int) -> Colour:
        """Darken what belongs to the right side alone: not the line from shoulder to shoulder."""
        sides = {self.names[joint].partition("_")[0] for joint in (first, second)}
        if "right" not in sides or "left" in sides:
            return self.colour
        red, green, blue = (round(RIGHT_SHADE * value) for value in self.colour)
        return red, green, blue


def draw_poses(
    image: UInt8, poses: FramePoses, *, keypoint_threshold: float = 0.3, legend: bool = True
) -> UInt8:
    """Return a copy of an RGB image (height, width, 3) with the poses drawn on it.

    Joints that score below `keypoint_threshold` are left out, with their limbs. The legend, top
    left, shows the time and who is in the frame.
    """
    image = np.ascontiguousarray(image)
    canvas = image.copy()
    order = poses.boxes[:, 3].argsort(kind="stable")  # who stands nearer is drawn over the others
    for person in order:
        _draw_person(canvas, poses, int(person), keypoint_threshold)
    canvas = np.asarray(cv2.addWeighted(canvas, OPACITY, image, 1 - OPACITY, 0), np.uint8)
    for person in order:
        _draw_label(canvas, poses, int(person))
    if legend:
        _draw_legend(canvas, poses)
    return canvas


def colour_of(track_id: int) -> Colour:
    """Return the colour of a person; ids that differ by less than the palette differ in it.

    >>> colour_of(1) == colour_of(1 + len(PALETTE)) != colour_of(2)
    True
    """
    return PALETTE[(track_id - 1) % len(PALETTE)]


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
    line = max(round(min(side / 270 + 1, person_height / 50)), 1)
    rim = 0 if line == 1 else 1 + line // 6  # an edge would drown the colour of a thin line
    return _Sizes(line, rim, 0.7 * line + 1, max(side // 540, 1), max(side / 54, 8.5))


def _draw_person(canvas: UInt8, poses: FramePoses, person: int, threshold: float) -> None:
    box, points = poses.boxes[person], poses.keypoints[person]
    is_drawn = (poses.scores[person] >= threshold) & np.isfinite(points).all(-1)  # (J,)
    body = _Body(
        points=_fixed(points),
        drawn=frozenset(np.flatnonzero(is_drawn).tolist()),
        names=poses.joint_names,
        colour=colour_of(int(poses.track_ids[person])),
        sizes=_sizes(canvas.shape, float(box[3] - box[1])),
    )
    first, last = _fixed(box.reshape(2, 2))
    cv2.rectangle(canvas, first, last, body.colour, body.sizes.box, cv2.LINE_AA, SUBPIXEL_BITS)
    _draw_limbs(canvas, body)
    _draw_joints(canvas, body)


def _draw_limbs(canvas: UInt8, body: _Body) -> None:
    """Draw all dark edges first, so that limbs that meet stay joined."""
    limbs = [limb for limb in _limbs(body.names) if body.drawn.issuperset(limb)]
    width, edge = body.sizes.line, body.sizes.line + 2 * body.sizes.rim
    for a, b in limbs:
        ends = body.points[a], body.points[b]
        cv2.line(canvas, *ends, DARK, edge, cv2.LINE_AA, SUBPIXEL_BITS)
    for a, b in limbs:
        ends, shade = (body.points[a], body.points[b]), body.shade(a, b)
        cv2.line(canvas, *ends, shade, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_joints(canvas: UInt8, body: _Body) -> None:
    radius = round(body.sizes.joint * 2**SUBPIXEL_BITS)
    edge = radius + (body.sizes.rim << SUBPIXEL_BITS)
    for joint in sorted(body.drawn):
        for size, colour in ((edge, DARK), (radius, body.shade(joint, joint))):
            centre = body.points[joint]
            cv2.circle(canvas, centre, size, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _limbs(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the limbs of the joint set with these joints, none if there is no such set."""
    sets = {joints.joints: joints for joints in JOINT_SETS.values()}
    return sets[names].limb_indices if names in sets else ()


def _draw_label(canvas: UInt8, poses: FramePoses, person: int) -> None:
    """Write the id on the upper edge of the box, inside the image where the box leaves it."""
    track_id = int(poses.track_ids[person])
    size = _sizes(canvas.shape).text
    width, height = _chip_size(str(track_id), size)
    left, top = map(round, _near(poses.boxes[person, None, :2])[0])
    left = max(min(left, canvas.shape[1] - width), 0)
    top = max(min(top - height, canvas.shape[0] - height), 0)
    _draw_chip(canvas, track_id, (left, top), size)


def _draw_legend(canvas: UInt8, poses: FramePoses) -> None:
    """Show the time and a chip for everybody who fits into one line."""
    size = _sizes(canvas.shape).text
    gap = round(size * 0.6)
    time = shown_time(poses.time)
    left, height = text_width(time, size) + 2 * gap, _chip_size("0", size)[1]
    chips, hidden = _chips_that_fit(poses, size, gap, canvas.shape[1] - left)
    right = left + sum(_chip_size(str(i), size)[0] + gap for i in chips)
    panel = canvas[: height + 2 * gap, : right + (text_width(hidden, size) + gap) * bool(hidden)]
    panel[:] = panel // 4
    baseline = gap + round(height / 2 + size / 2)
    draw_text(canvas, time, (gap, baseline), size, LIGHT)
    for track_id in chips:
        _draw_chip(canvas, track_id, (left, gap), size)
        left += _chip_size(str(track_id), size)[0] + gap
    draw_text(canvas, hidden, (left, baseline), size, LIGHT)


def _chips_that_fit(poses: FramePoses, size: float, gap: int, width: int) -> tuple[list[int], str]:
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
    canvas[top : top + height, left : left + width] = colour_of(track_id)
    origin = left + round(size * 0.4), top + round(height / 2 + size / 2)
    draw_text(canvas, str(track_id), origin, size, DARK)


def _fixed(points: Float32) -> list[tuple[int, int]]:
    """Turn pixels (K, 2) into OpenCV's fixed point."""
    return [(round(x * 2**SUBPIXEL_BITS), round(y * 2**SUBPIXEL_BITS)) for x, y in _near(points)]


def _near(points: Float32) -> list[list[float]]:
    """Return points (K, 2) that OpenCV's integers can hold."""
    near: list[list[float]] = np.nan_to_num(points).clip(-FARTHEST, FARTHEST).tolist()
    return near
