"""Draw poses on an image: in a colour for each person, or for each side of the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from tarvitpose.config import Colors
from tarvitpose.drawing.labels import draw_label, draw_legend, plan_legend
from tarvitpose.drawing.style import (
    DARK,
    LIGHT,
    SIDE_COLOURS,
    SUBPIXEL_BITS,
    Colour,
    Drawable,
    Sizes,
    Stroke,
    colour_of,
    drawable_points,
    fixed_point,
    from_hex,
    is_dotted,
    sizes_for,
)
from tarvitpose.skeleton import limbs_of, set_of, sides_of
from tarvitpose.utils.arrays import Float32, UInt8

OPACITY = 0.85  # of skeletons and boxes
PANEL_SHADE = 0.4  # how much of the image is left behind the legend
RIGHT_SHADE = 0.65  # how much of the colour is left on the right side


@dataclass(frozen=True)
class _Skeleton:
    """What all people of a frame share."""

    limbs: tuple[tuple[int, int], ...]
    fine: frozenset[int]  # the joints of face and hands
    sides: tuple[str, ...]  # of each joint: "left", "right" or ""
    own_colours: Mapping[int, Colour]  # of joints, where those of the joint set are asked for
    by_track: bool  # whether each person has a colour of their own

    @classmethod
    def of(cls, names: tuple[str, ...], colors: Colors) -> _Skeleton:
        """Return that of people with these joints."""
        joint_set = set_of(names)
        own = joint_set.colors if joint_set and colors == "joints" else {}
        return cls(
            limbs=limbs_of(names),
            fine=frozenset(map(names.index, joint_set.fine if joint_set else ())),
            sides=sides_of(names),
            own_colours={names.index(name): from_hex(text) for name, text in own.items()},
            by_track=colors == "track",
        )


@dataclass(frozen=True)
class _Body:
    """One person, ready to be drawn."""

    skeleton: _Skeleton
    points: list[tuple[int, int]]  # one for each joint, in OpenCV's fixed point
    drawn: frozenset[int]  # the joints that score high enough
    colour: Colour
    dots: Colour | None  # of the joints, where it is not the limbs' colour
    sizes: Sizes

    def stroke(self, first: int, second: int) -> Stroke:
        """Return the widths of a joint or limb."""
        is_fine = self.skeleton.fine.issuperset((first, second))
        return self.sizes.fine if is_fine else self.sizes.body

    def shade(self, first: int, second: int) -> Colour:
        """Return the colour of a joint or limb; the line between the shoulders has no side."""
        if second in self.skeleton.own_colours:
            return self.skeleton.own_colours[second]
        sides = {self.skeleton.sides[joint] for joint in (first, second)} - {""}
        side = sides.pop() if len(sides) == 1 else ""
        if not self.skeleton.by_track:
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
    labels: bool = True,
    colors: Colors = "track",
) -> UInt8:
    """Return a copy of an RGB image (height, width, 3) with the poses drawn on it.

    Joints that score below `keypoint_threshold` are left out, with their limbs. The legend, top
    left, shows the time and who is in the frame. Someone without a box, in files of others, has
    one around the joints that is not drawn. Without `labels` nobody has a number. With
    `colors="side"` skeletons are amber on the left and blue on the right, and only boxes and
    numbers have the person's colour; with "joints", joints and limbs have the colours of their
    joint set, where it has some.
    """
    boxes = _boxes_of(poses)
    canvas = np.array(image, order="C")  # a copy
    plan = plan_legend(poses, image.shape) if legend else None
    taken = [] if plan is None else [plan.area]
    for area in taken:  # poses are drawn over the legend's ground, its text over poses
        ground = canvas[: area.bottom, : area.right]
        ground[:] = ground * np.float32(PANEL_SHADE)
    order = boxes[:, 3].argsort(kind="stable")  # who stands nearer is drawn over the others
    skeleton = _Skeleton.of(poses.joint_names, colors)
    drawn = canvas[_area_of(poses, boxes, canvas.shape)]
    below = drawn.copy()
    for person in order:
        _draw_person(
            canvas, poses, int(person), boxes[person], skeleton, threshold=keypoint_threshold
        )
    drawn[:] = cv2.addWeighted(drawn, OPACITY, below, 1 - OPACITY, 0) if drawn.size else drawn
    for person in order[::-1] if labels else ():
        taken.append(draw_label(canvas, int(poses.track_ids[person]), int(person), boxes, taken))
    if plan is not None:
        draw_legend(canvas, plan)
    return canvas


def _boxes_of(poses: Drawable) -> Float32:
    """Boxes (N, 4), around the joints of those who have none."""
    boxes = poses.boxes.copy()
    for person in np.flatnonzero(~np.isfinite(boxes).all(1)):
        points = poses.keypoints[person]
        known = points[np.isfinite(points).all(1)]
        boxes[person] = np.concatenate([known.min(0), known.max(0)]) if len(known) else 0
    return boxes


def _area_of(poses: Drawable, boxes: Float32, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns that hold everything that is drawn of people."""
    body = sizes_for(shape).body
    reach = body.line + 2 * body.rim + body.joint + 2
    corners = np.concatenate([boxes.reshape(-1, 2), poses.keypoints.reshape(-1, 2)])
    near = np.array(drawable_points(corners[np.isfinite(corners).all(1)])).reshape(-1, 2)
    if not len(near):
        return slice(0, 0), slice(0, 0)
    left, top = np.maximum(near.min(0) - reach, 0).astype(int).tolist()
    right, bottom = np.maximum(near.max(0) + reach + 1, 0).astype(int).tolist()
    return slice(top, bottom), slice(left, right)


def _draw_person(
    canvas: UInt8,
    poses: Drawable,
    person: int,
    box: Float32,
    skeleton: _Skeleton,
    *,
    threshold: float,
) -> None:
    points = poses.keypoints[person]
    track_id = int(poses.track_ids[person])
    is_drawn = (poses.scores[person] >= threshold) & np.isfinite(points).all(-1)  # (J,)
    body = _Body(
        skeleton=skeleton,
        points=fixed_point(points),
        drawn=frozenset(np.flatnonzero(is_drawn).tolist()),
        colour=colour_of(track_id),
        dots=LIGHT if is_dotted(track_id) and skeleton.by_track else None,
        sizes=sizes_for(canvas.shape, float(box[3] - box[1])),
    )
    if np.isfinite(poses.boxes[person]).all():
        first, last = fixed_point(box.reshape(2, 2))
        cv2.rectangle(canvas, first, last, body.colour, body.sizes.box, cv2.LINE_AA, SUBPIXEL_BITS)
    _draw_limbs(canvas, body)
    _draw_joints(canvas, body)


def _draw_limbs(canvas: UInt8, body: _Body) -> None:
    """Draw all dark edges first, so that limbs that meet stay joined."""
    limbs = [limb for limb in body.skeleton.limbs if body.drawn.issuperset(limb)]
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
