"""Attention maps as a picture: frames side by side, with and without the mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tarvitpose.drawing import Colour, draw_text, shown_time, text_width
from tarvitpose.utils.arrays import Bools, Float32, UInt8

if TYPE_CHECKING:  # what it is made by needs PyTorch
    from tarvitpose.visualization.attention_maps import AttentionMaps

PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
REGION, CURRENT = (255, 255, 255), (0, 110, 230)
TILE = 200  # pixels, width of a crop
NAMES = 200  # pixels, width of the first column
GAP, TITLE, TEXT = 8, 14.0, 10.5  # pixels; the latter two are heights of capitals
LINE = round(2 * TEXT)
HOW_TO_READ = (
    "Each picture is what the network sees of one frame of the window: the crop that the person's "
    "box in the current frame cuts. Colour: how much of the joint's attention a place gets, from "
    "nothing (the plain grey picture) to the brightest place of the row. Below each picture: the "
    "frame's share of the joint's whole attention. White line: where the mask lets the joint look. "
    "Ring: where the joint was found."
)
WITHOUT = (
    "Without the mask: the same weights, which were trained with the mask, run without it. Weights "
    "trained without one would look elsewhere."
)
NO_MASK = "These weights have no mask: every joint looks everywhere."


def draw_attention_maps(maps: AttentionMaps, joints: Sequence[int], name: str) -> UInt8:
    """Return an RGB picture (height, width, 3) of some joints' attention, in two rows each.

    `joints` are their positions in `joint_names`, `name` is the video's.
    """
    width = NAMES + max(len(maps.frames), 4) * (TILE + GAP) + GAP
    rows = [_heading(maps, title_of(maps, name), width)]
    for joint in joints:
        rows += [_row(maps, joint, width, masked=way) for way in ways(maps)]
    notes = (HOW_TO_READ, WITHOUT if maps.has_mask else NO_MASK)
    return np.concatenate([*rows, _scale(width), *_paragraphs(notes, width)])


def ways(maps: AttentionMaps) -> tuple[bool, ...]:
    """Return whether each row is with the mask: one with and one without it, if there is one."""
    return (True, False) if maps.has_mask else (False,)


def title_of(maps: AttentionMaps, name: str) -> str:
    """Return whose attention at which moment of which video the picture shows."""
    now = maps.current
    when = f"{shown_time(maps.times[now])} (frame {maps.frames[now]})"
    return f"Where the joints look: {name}, person {maps.track_id}, {when}"


def region_share(shares: Float32, regions: Bools) -> float:
    """Return how much of a joint's attention (T, h, w) lies where the mask lets it look."""
    return float(shares[regions].sum())


def _heading(maps: AttentionMaps, title: str, width: int) -> UInt8:
    """Return the title, and above each column which frame it is."""
    canvas = _blank(round(3 * TITLE) + 2 * LINE + GAP, width)
    draw_text(canvas, title, (GAP, round(2 * TITLE)), TITLE, INK)
    about = f"layer {maps.layer} of {maps.layers},"
    for line, text in enumerate((about, "mean over its heads")):
        draw_text(canvas, text, (GAP, round(3 * TITLE) + (line + 1) * LINE - 4), TEXT, FAINT)
    for column, (frame, time) in enumerate(zip(maps.frames, maps.times, strict=True)):
        is_current = column == maps.current
        name = f"current: {frame}" if is_current else f"frame {frame}"
        for line, text in enumerate((name, shown_time(time))):
            origin = _left(column), round(3 * TITLE) + (line + 1) * LINE - 4
            draw_text(canvas, text, origin, TEXT, CURRENT if is_current else INK)
    return canvas


def _row(maps: AttentionMaps, joint: int, width: int, *, masked: bool) -> UInt8:
    """Return one joint's pictures, with the name on the left."""
    shares = (maps.masked if masked else maps.free)[joint]  # (T, h, w)
    regions = maps.regions[joint]
    tall = round(TILE * maps.crops.shape[1] / maps.crops.shape[2])
    canvas = _blank(tall + LINE + 2 * GAP, width)
    name = maps.joint_names[joint].replace("_", " ")
    notes = [f"brightest: {shares.max():.1%}"]
    if masked or not maps.has_mask:
        notes.append(f"joint's score: {maps.scores[joint]:.2f}")
    if not regions.any():
        notes += ["the mask hides all:", "it looks everywhere"]
    elif not masked and maps.has_mask:
        notes.append(f"inside the line: {region_share(shares, regions):.0%}")
    draw_text(canvas, name, (GAP, LINE), 1.2 * TEXT, INK)
    for line, text in enumerate(["with the mask" if masked else "without the mask", *notes]):
        draw_text(canvas, text, (GAP, (line + 2) * LINE), TEXT, FAINT if line else INK)
    for column, crop in enumerate(maps.crops):
        left, is_current = _left(column), column == maps.current
        tile = _tile(crop, shares[column] / shares.max(), regions[column], tall)
        if is_current:
            _ring(tile, maps.points[joint] * np.float32(TILE / crop.shape[1]))
            canvas[: tall + GAP, left - 4 : left + TILE + 4] = CURRENT
        canvas[4 : tall + 4, left : left + TILE] = tile
        share = f"{shares[column].sum():.0%}"
        middle = left + (TILE - text_width(share, TEXT)) // 2
        origin = middle, tall + GAP + LINE - 4
        draw_text(canvas, share, origin, TEXT, CURRENT if is_current else INK)
    return canvas


def _tile(crop: UInt8, heat: Float32, region: Bools, tall: int) -> UInt8:
    """Return a crop with heat (h, w) in 0..1 over it and its region outlined."""
    size = (TILE, tall)
    grey = cv2.cvtColor(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    ground = np.repeat(40 + 0.75 * grey[:, :, None], 3, 2)  # pale, so that heat stands out
    heat = np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), np.float32)
    weight = np.sqrt(heat)[:, :, None]  # faint places show as well
    tile = np.asarray((1 - weight) * ground + weight * _colours(heat), np.uint8)
    _outline(tile, region)
    return tile


def _colours(heat: Float32) -> UInt8:
    """Return the colours (..., 3) of heat (h, w) in 0..1."""
    levels = (255 * heat.clip(0, 1)).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1], np.uint8)


def _outline(tile: UInt8, region: Bools) -> None:
    """Draw the border of the cells (h, w) that a joint may look at."""
    tall, wide = tile.shape[:2]
    cells = cv2.resize(region.astype(np.uint8), (wide, tall), interpolation=cv2.INTER_NEAREST)
    edges, _ = cv2.findContours(cells, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tile, edges, -1, INK, 3)
    cv2.drawContours(tile, edges, -1, REGION, 1)


def _ring(tile: UInt8, point: Float32) -> None:
    x, y = point.round().astype(int).tolist()
    for colour, line in ((INK, 4), (CURRENT, 2)):
        cv2.circle(tile, (x, y), 9, colour, line, cv2.LINE_AA)


def _scale(width: int) -> UInt8:
    """Return the bar that says what the colours mean."""
    canvas = _blank(2 * LINE + GAP, width)
    wide = 2 * TILE
    heat = np.linspace(0, 1, wide, dtype=np.float32)[None].repeat(LINE, 0)
    weight = np.sqrt(heat)[:, :, None]
    left = NAMES + text_width("no attention", TEXT) + GAP
    bar = (1 - weight) * 150 + weight * _colours(heat)
    canvas[GAP : GAP + LINE, left : left + wide] = bar.astype(np.uint8)
    draw_text(canvas, "no attention", (NAMES, GAP + LINE - 5), TEXT, INK)
    draw_text(canvas, "the row's brightest place", (left + wide + GAP, GAP + LINE - 5), TEXT, INK)
    return canvas


def _paragraphs(texts: Sequence[str], width: int) -> list[UInt8]:
    """Return texts in lines of the picture's width."""
    pieces = []
    for text in texts:
        lines = wrapped(text, width - 2 * GAP)
        canvas = _blank((len(lines) + 1) * LINE, width)
        for number, line in enumerate(lines):
            draw_text(canvas, line, (GAP, (number + 1) * LINE - 4), TEXT, INK)
        pieces.append(canvas)
    return pieces


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` pixels, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, TEXT) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _left(column: int) -> int:
    return NAMES + column * (TILE + GAP)


def _blank(height: int, width: int, colour: Colour = PAPER) -> UInt8:
    return np.full((height, width, 3), colour, np.uint8)
