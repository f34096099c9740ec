"""Draw poses on an image: in a colour for each person, or for each side of the body."""

from tarvitpose.drawing.skeletons import RIGHT_SHADE, draw_poses
from tarvitpose.drawing.style import (
    DARK,
    LIGHT,
    PALETTE,
    SIDE_COLOURS,
    Colour,
    colour_of,
    is_dotted,
)
from tarvitpose.drawing.text import draw_text, fit_width, shown_time, text_width

__all__ = [
    "DARK",
    "LIGHT",
    "PALETTE",
    "RIGHT_SHADE",
    "SIDE_COLOURS",
    "Colour",
    "colour_of",
    "draw_poses",
    "draw_text",
    "fit_width",
    "is_dotted",
    "shown_time",
    "text_width",
]
