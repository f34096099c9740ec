"""Numbers as messages have them."""

from __future__ import annotations


def counted(number: int, singular: str, plural: str | None = None, form: str = "") -> str:
    """Return a number with its noun; `form` is how the number is written.

    >>> counted(1, "frame"), counted(2, "person", "people"), counted(1200, "frame", form=",")
    ('1 frame', '2 people', '1,200 frames')
    """
    return f"{number:{form}} {singular if number == 1 else plural or singular + 's'}"
