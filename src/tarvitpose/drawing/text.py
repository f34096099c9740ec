"""Lines of text on an image, and images fit to a width."""

import cv2
import numpy as np

from tarvitpose.drawing.style import SUBPIXEL_BITS, Colour, fixed_point
from tarvitpose.utils.arrays import UInt8

FONT = cv2.FONT_HERSHEY_DUPLEX
FONT_HEIGHT = 22  # pixels of a capital at scale 1


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
    """Write a line of text, `height` pixels tall, from its lower left corner on.

    The fonts of OpenCV 4 have no degree sign: one at the end is drawn as a ring.
    """
    plain, scale = text.removesuffix("°"), height / FONT_HEIGHT
    cv2.putText(canvas, plain, origin, FONT, scale, colour, _stroke(height), cv2.LINE_AA)
    if plain != text:
        x, y = origin[0] + text_width(plain, height) + 0.35 * height, origin[1] - 0.75 * height
        centre = fixed_point(np.array([[x, y]], np.float32))[0]
        radius = round(max(0.2 * height, 2) * 2**SUBPIXEL_BITS)
        width = max(round(height / 10), 1)
        cv2.circle(canvas, centre, radius, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def text_width(text: str, height: float) -> int:
    """Return how many pixels wide a text of this height is."""
    plain = text.removesuffix("°")
    width = cv2.getTextSize(plain, FONT, height / FONT_HEIGHT, _stroke(height))[0][0]
    return int(width) + round(0.7 * height * (plain != text))


def _stroke(height: float) -> int:
    return max(round(height / 20), 1)
