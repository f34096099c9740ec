"""Angles drawn at the joints of people: an arc from zero to the limb, and the number."""

from collections.abc import Sequence

import cv2
import numpy as np

from tarvitpose.angles.definitions import ANGLES, Angle
from tarvitpose.angles.landmarks import Points, landmarks
from tarvitpose.angles.series import joint_angles
from tarvitpose.drawing import DARK, LIGHT, Colour, colour_of, draw_text, text_width
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float64, UInt8

LEAST_SHOWN = 8.0  # degrees: a smaller arc is a smudge, only its number is written
SMALLEST = 120.0  # pixels of a person's height; nobody could read the numbers of a smaller one
DRAWN = [angle for angle in ANGLES if angle.kind in ("bend", "flexion", "abduction")]


def draw_angles(
    canvas: UInt8,
    poses: FramePoses,
    before: Sequence[FramePoses] = (),
    *,
    keypoint_threshold: float = 0.3,
    only: str = "",
) -> None:
    """Draw the angles of everybody in a frame onto an RGB image (height, width, 3), in place.

    They are those of knees, hips, elbows and shoulders. The frames `before`, half a second of them,
    help to tell where a person faces, without which hips and shoulders have no angle. `only` is the
    name of one angle.
    """
    for series in joint_angles([*before, poses], threshold=keypoint_threshold):
        if series.frames[-1] != poses.index:
            continue
        person = int(np.flatnonzero(poses.track_ids == series.track_id)[0])
        points = landmarks(
            poses.joint_names,
            poses.keypoints[person, None],
            poses.scores[person, None],
            keypoint_threshold,
        )
        height = _height(points)
        if height < SMALLEST * min(canvas.shape[:2]) / 720:
            continue
        colour = colour_of(series.track_id)
        for angle in DRAWN:
            degrees = (
                float(series.degrees[angle.name][-1]) if angle.name in series.degrees else np.nan
            )
            if np.isfinite(degrees) and only in ("", angle.name):
                _draw(canvas, angle, degrees, points, (height, colour))


def _height(points: Points) -> float:
    known = np.array([point[0] for point in points.values() if np.isfinite(point[0]).all()])
    return float(np.ptp(known, axis=0).max()) if len(known) else 0.0


def _draw(
    canvas: UInt8, angle: Angle, degrees: float, points: Points, look: tuple[float, Colour]
) -> None:
    """Draw one arc, from the line that counts as zero to the limb, and its number outside."""
    height, colour = look
    centre, corners = points[angle.joint][0], [points[name][0] for name in angle.points]
    start = _direction(corners[1] - corners[0])
    turn = (_direction(corners[-1] - corners[-2]) - start + 180) % 360 - 180
    if abs(degrees) > 180:
        turn -= 360 * np.sign(turn)
    radius = height / 14
    side = min(canvas.shape[:2])
    line, size = max(round(side / 360), 1), max(min(side / 36, height / 16), 8.0)
    if abs(degrees) >= LEAST_SHOWN:
        arc = centre + radius * _unit(np.linspace(start, start + turn, 24))
        zero = np.stack([centre, centre + 1.25 * radius * _unit(np.array([start]))[0]])
        for part, width, shade in (
            (zero, line + 1, DARK),
            (zero, line, LIGHT),
            (arc, line + 3, DARK),
            (arc, line + 1, colour),
        ):
            line_points = np.round(part * 16).astype(np.int32)[:, None]
            cv2.polylines(canvas, [line_points], False, shade, width, cv2.LINE_AA, 4)
    if abs(degrees) >= LEAST_SHOWN:
        middle, distance = start + turn / 2, 1.9 * radius
    else:  # close to its joint: there is no arc that shows where it belongs
        middle, distance = start + 90, 1.6 * size
    centre = centre + distance * _unit(np.array([middle]))[0]
    _write(canvas, f"{round(degrees)}°", centre, size)


def _direction(vector: Float64) -> float:
    """Return where a vector points, in degrees clockwise from the right."""
    return float(np.degrees(np.arctan2(vector[1], vector[0])))


def _unit(degrees: Float64) -> Float64:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1)


def _write(canvas: UInt8, text: str, centre: Float64, size: float) -> None:
    """Write a number with a dark edge around a point."""
    width = text_width(text, size)
    x, y = round(float(centre[0]) - width / 2), round(float(centre[1]) + size / 2)
    if not (0 <= x < canvas.shape[1] and 0 <= y < canvas.shape[0] + size):
        return
    edge = max(round(size / 8), 1)
    for dx, dy in ((-edge, 0), (edge, 0), (0, -edge), (0, edge)):
        draw_text(canvas, text, (x + dx, y + dy), size, DARK)
    draw_text(canvas, text, (x, y), size, LIGHT)
