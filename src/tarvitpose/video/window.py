"""A window that shows the poses while they are found. Tk draws it, which comes with Python."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Self

import cv2

from tarvitpose.errors import OutputError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8

SHARE = 0.8  # of the screen's width and height that the picture may fill
COUNTED = 30  # frames over which their rate is taken
KEYS = ("q", "Q", "Escape")


def check_display() -> None:
    """Raise OutputError where no window can be opened."""
    _open_root().destroy()


class PoseWindow:
    """Shows frames with their poses; q, Escape or the cross of the window close it.

    A context manager, for the thread that opens it alone.
    """

    def __init__(
        self, title: str, image_size: tuple[int, int], draw: Callable[[UInt8, FramePoses], UInt8]
    ) -> None:
        """Open the window for images of (height, width), on which `draw` draws the poses.

        Raises OutputError without a display.
        """
        import tkinter  # noqa: PLC0415 - checked by `_open_root`, which some Pythons lack

        self._root = _open_root()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in KEYS:
            self._root.bind(f"<{key}>", lambda _: self._close())
        self._size = fit(
            image_size, (self._root.winfo_screenheight(), self._root.winfo_screenwidth())
        )
        height, width = self._size
        self._picture = tkinter.PhotoImage(master=self._root, width=width, height=height)
        tkinter.Label(self._root, image=self._picture, borderwidth=0).pack()
        self._line = tkinter.Label(self._root, anchor="w", padx=8, pady=4, text="starting ...")
        self._line.pack(fill="x")
        self._draw = draw
        self._shown: deque[float] = deque(maxlen=COUNTED)  # when the last frames came
        self.is_closed = False  # by the user
        self._root.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._root.destroy()

    def show(self, image: UInt8, poses: FramePoses, delay: float | None = None) -> None:
        """Show an RGB image (height, width, 3) with its poses, and look what keys were pressed.

        `delay` is how many seconds ago a live source saw it.
        """
        now = monotonic()
        self._shown.append(now)
        height, width = self._size
        smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        drawn = self._draw(smaller, poses.resized(smaller.shape))
        self._picture.configure(data=b"P6 %d %d 255\n" % (width, height) + drawn.tobytes())
        seconds = now - self._shown[0]
        rate = (len(self._shown) - 1) / seconds if seconds else 0.0
        self._line.configure(text=status(poses.index, rate, delay))
        self._root.update()

    def _close(self) -> None:
        self.is_closed = True


def status(index: int, rate: float, delay: float | None) -> str:
    """Return the line below the picture; a frame `rate` of 0 is not known yet.

    >>> status(7, 11.62, 0.314)
    'frame 7    11.6 frames/s    0.31 s behind    q ends and keeps the results'
    >>> status(0, 0.0, None)
    'frame 0    q ends and keeps the results'
    """
    parts = [f"frame {index}"]
    parts += [f"{rate:.1f} frames/s"] if rate else []
    parts += [] if delay is None else [f"{delay:.2f} s behind"]
    return "    ".join([*parts, "q ends and keeps the results"])


def fit(size: tuple[int, int], screen: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of an image that leaves some of the screen (height, width) free.

    >>> fit((2160, 3840), (1000, 1600)), fit((480, 640), (1000, 1600))
    ((720, 1280), (480, 640))
    """
    scale = min(1.0, *(SHARE * most / side for side, most in zip(size, screen, strict=True)))
    height, width = (max(1, round(scale * side)) for side in size)
    return height, width


def _open_root() -> Any:
    try:
        import tkinter  # noqa: PLC0415
    except ImportError:
        raise OutputError(
            "--show needs tkinter, which this Python lacks; install it (Debian and Ubuntu: "
            "python3-tk), or leave --show out"
        ) from None
    try:
        return tkinter.Tk(className="tarvitpose")
    except tkinter.TclError as error:
        raise OutputError(
            f"--show: no window can be opened here ({error}); run it on a desktop, or leave "
            "--show out"
        ) from None
