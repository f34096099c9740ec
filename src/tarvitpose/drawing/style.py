"""What is drawn, in which colours and how thick: shared by skeletons, labels and legend."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from tarvitpose.utils.arrays import Float32, Int64

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
SUBPIXEL_BITS = 4  # OpenCV's fixed point
FARTHEST = 100_000  # pixels; what lies farther outside the image is drawn no farther


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


class Stroke(NamedTuple):
    """Widths of a skeleton in pixels."""

    line: int  # of limbs
    joint: float  # radius

    @property
    def rim(self) -> int:
        """The dark edge around limbs and joints; it would drown the colour of a thin line."""
        return 0 if self.line == 1 else 1 + self.line // 6


@dataclass(frozen=True)
class Sizes:
    """Widths in pixels, fit for one image."""

    body: Stroke
    fine: Stroke  # of face and hands
    box: int
    text: float  # height of a capital letter


def colour_of(track_id: int) -> Colour:
    """Return the colour of a person; ids that differ by less than the palette differ in it.

    >>> colour_of(1) == colour_of(1 + len(PALETTE)) != colour_of(2)
    True
    """
    return PALETTE[(track_id - 1) % len(PALETTE)]


def from_hex(text: str) -> Colour:
    """Return a colour such as "#ff8000".

    >>> from_hex("#ff8000")
    (255, 128, 0)
    """
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def is_dotted(track_id: int) -> bool:
    """Tell whether a person's joints are light dots: every second round through the palette.

    >>> is_dotted(1), is_dotted(1 + len(PALETTE)), is_dotted(1 + 2 * len(PALETTE))
    (False, True, False)
    """
    return (track_id - 1) // len(PALETTE) % 2 == 1


def sizes_for(shape: tuple[int, ...], person_height: float = np.inf) -> Sizes:
    """Fit widths to the shorter side of the image, and lines also to the person."""
    side = min(shape[:2])
    line = max(round(min(max(side / 270 + 1, side / 180), person_height / 50)), 1)
    dot = 0.7 * line + min(1, person_height / 90)
    fine = Stroke(max(line // 3, 1), max(dot / 3, 0.6))
    return Sizes(Stroke(line, dot), fine, max(side // 540, 1), max(side / 54, 8.5))


def fixed_point(points: Float32) -> list[tuple[int, int]]:
    """Turn pixels (K, 2) into OpenCV's fixed point."""
    return [
        (round(x * 2**SUBPIXEL_BITS), round(y * 2**SUBPIXEL_BITS))
        for x, y in drawable_points(points)
    ]


def drawable_points(points: Float32) -> list[list[float]]:
    """Return points (K, 2) that OpenCV's integers can hold."""
    near: list[list[float]] = np.nan_to_num(points).clip(-FARTHEST, FARTHEST).tolist()
    return near
