"""Who is who: a numbered label at each person, and the legend top left."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.drawing.style import (
    DARK,
    LIGHT,
    Drawable,
    colour_of,
    drawable_points,
    is_dotted,
    sizes_for,
)
from tarvitpose.drawing.text import draw_text, shown_time, text_width
from tarvitpose.geometry import shared_area
from tarvitpose.utils.arrays import Float32, Float64, UInt8

LEGEND_SHARE = 0.5  # of the image's width, at most: who is named there has a label as well


class Rectangle(NamedTuple):
    """A part of the image in pixels, right and bottom not included."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Legend:
    """What stands top left."""

    time: str
    chips: list[int]  # ids
    hidden: str  # how many more people there are, such as "+3"
    area: Rectangle
    size: float  # height of the text
    gap: int  # pixels between the parts


def draw_label(
    canvas: UInt8, track_id: int, person: int, boxes: Float32, taken: list[Rectangle]
) -> Rectangle:
    """Write the id beside a corner of the box, and return its area.

    Inside the image, off what is `taken` and off people where that can be; above on the left by
    choice, because a label that jumps about cannot be read.
    """
    size = sizes_for(canvas.shape).text
    width, height = _chip_size(str(track_id), size)
    rectangles = np.array(drawable_points(boxes.reshape(-1, 2))).reshape(-1, 4)
    left, top, right, bottom = map(round, rectangles[person])
    corners = [(x, y) for y in (top - height, bottom) for x in (left, right - width)]
    room = canvas.shape[1] - width, canvas.shape[0] - height
    inside = [(max(min(x, room[0]), 0), max(min(y, room[1]), 0)) for x, y in corners]
    areas = [Rectangle(x, y, x + width, y + height) for x, y in inside]
    later = np.arange(len(areas)) * width * height / 4
    best = areas[int(np.argmin(4 * _overlaps(areas, taken) + _overlaps(areas, rectangles) + later))]
    _draw_chip(canvas, track_id, best[:2], size)
    return best


def _overlaps(areas: ArrayLike, others: ArrayLike) -> Float64:
    """Return the pixels that each area (P, 4) shares with others (K, 4) xyxy, summed."""
    these = np.asarray(areas, np.float64)[:, None]  # (P, 1, 4)
    those = np.asarray(others, np.float64).reshape(-1, 4)
    return np.asarray(shared_area(these, those).sum(-1))  # (P,)


def plan_legend(poses: Drawable, shape: tuple[int, ...]) -> Legend:
    """Show the time and a chip for everybody who fits."""
    size = sizes_for(shape).text
    gap = round(size * 0.6)
    time = shown_time(poses.time) if np.isfinite(poses.time) else f"frame {poses.index}"
    left = text_width(time, size) + 2 * gap
    room = max(round(LEGEND_SHARE * shape[1]) - left, 0)
    chips, hidden = _chips_that_fit(poses, size, gap, room)
    right = left + sum(_chip_size(str(i), size)[0] + gap for i in chips)
    right += (text_width(hidden, size) + gap) * bool(hidden)
    area = Rectangle(0, 0, right, _chip_size("0", size)[1] + 2 * gap)
    return Legend(time, chips, hidden, area, size, gap)


def draw_legend(canvas: UInt8, legend: Legend) -> None:
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
