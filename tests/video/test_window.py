"""The window of predict --show, on a virtual screen."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from some_poses import SIZE, some_poses

from tarvitpose.drawing import draw_poses
from tarvitpose.errors import OutputError
from tarvitpose.formats.overlay import draw_overlay
from tarvitpose.video.window import PoseWindow, check_display

HEIGHT, WIDTH = SIZE


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("tkinter")
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("Xvfb is not installed")
    reading, writing = os.pipe()
    command = [xvfb, "-displayfd", str(writing), "-screen", "0", "640x480x24"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as lines:
            monkeypatch.setenv("DISPLAY", f":{lines.readline().strip()}")
        yield
        server.terminate()


def pixel(window: PoseWindow, x: int, y: int) -> Any:
    return window._picture.get(x, y)


@pytest.mark.usefixtures("display")
def test_the_window_shows_each_frame_with_its_poses_until_q_is_pressed() -> None:
    check_display()
    poses = some_poses(0, 2, 0.0)
    grey = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    grey[-1, -1] = (10, 20, 30)
    with PoseWindow("walk", (HEIGHT, WIDTH), partial(draw_overlay, colors="side")) as window:
        window.show(grey, poses, delay=0.25)
        drawn = draw_poses(grey, poses, colors="side")
        assert (drawn != draw_poses(grey, poses)).any()
        for x, y in ((0, 0), (WIDTH // 2, HEIGHT // 2), (WIDTH - 1, HEIGHT - 1)):
            assert pixel(window, x, y) == tuple(drawn[y, x].tolist())
        assert "0.25 s behind" in window._line["text"]
        window.show(grey // 2, poses)
        assert "frames/s" in window._line["text"]
        assert "behind" not in window._line["text"]
        assert not window.is_closed
        window._root.focus_force()
        window._root.event_generate("<q>")
        window._root.update()
        assert window.is_closed


def test_without_a_display_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    if os.name != "posix" or os.uname().sysname == "Darwin":
        pytest.skip("only X11 can be absent")
    monkeypatch.setenv("DISPLAY", "")
    with pytest.raises(
        OutputError, match=r"--show: no window can be opened here .* leave --show out"
    ):
        check_display()


def test_without_tkinter_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(OutputError, match="--show needs tkinter"):
        check_display()
