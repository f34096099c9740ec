"""HTML that its contents cannot break: text is escaped unless it was made here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

import cv2

from tarvitpose.utils.arrays import UInt8

UNCLOSED = ("img", "meta")
QUALITY = 82  # of JPEG


class Html(str):
    """What is HTML already."""

    __slots__ = ()


def tag(name: str, /, *content: str, **attributes: object) -> Html:
    """Return an element; what is not `Html` among its content is escaped.

    `class_` is the attribute class, and `stroke_width` is stroke-width.

    >>> tag("p", "1 < 2, ", tag("b", "so"), class_="note")
    '<p class="note">1 &lt; 2, <b>so</b></p>'
    """
    names = {key: key.rstrip("_").replace("_", "-") for key in attributes}
    start = "".join(f' {names[key]}="{escape(str(value))}"' for key, value in attributes.items())
    end = "" if name in UNCLOSED else f"{join(content)}</{name}>"
    return Html(f"<{name}{start}>{end}")


def join(parts: Iterable[str]) -> Html:
    """Return parts behind each other; what is not `Html` is escaped.

    >>> join(["a & b", Html("<br>")])
    'a &amp; b<br>'
    """
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table that scrolls sideways where it is too wide; the first column names the row."""
    top = tag("tr", *(tag("th", name, scope="col") for name in head))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    return tag("div", tag("table", tag("thead", top), tag("tbody", *body)), class_="wide")


def image(picture: UInt8, alt: str) -> Html:
    """Return an image that stands in the page itself, of an RGB picture (height, width, 3)."""
    data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    address = f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
    height, width = picture.shape[:2]
    return tag("img", src=address, alt=alt, width=width, height=height)


def drawing(*shapes: Html, width: int, height: int, label: str, stretched: bool = False) -> Html:
    """Return an SVG of shapes in a space of `width` by `height`; `stretched` fills its place."""
    how = {"preserveAspectRatio": "none"} if stretched else {}
    return tag("svg", *shapes, viewBox=f"0 0 {width} {height}", role="img", aria_label=label, **how)


def bar(share: float, label: str) -> Html:
    """Return a horizontal bar that is filled to a share, 0..1."""
    ground = tag("rect", width=100, height=10, class_="ground")
    filled = tag("rect", width=f"{100 * min(max(share, 0.0), 1.0):.2f}", height=10, class_="filled")
    return drawing(ground, filled, width=100, height=10, label=label, stretched=True)
