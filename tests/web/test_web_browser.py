"""The page as a visitor has it: a real server, used with the mouse in a real headless Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from video_files import make_video

from tarvitpose import load_poses
from tarvitpose.cli.demo import demo_clip

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # milliseconds; the machine may be busy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Server:
    """`tarvitpose web` in a process, with its files in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.files, self.log = folder / "tmp", folder / "log.txt"
        self.files.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        port = self.address.partition(":")[2]
        command = [sys.executable, "-m", "tarvitpose", "web", "--port", port, *options]
        variables = {**os.environ, "TMPDIR": str(self.files)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        deadline = time.monotonic() + PATIENCE / 1000
        while "The page is at" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def sessions(self) -> list[Path]:
        """Return the folders of open pages."""
        return [*self.files.glob("tarvitpose-web-*/files/visitor-*")]

    def end(self) -> int:
        """Ask for the end, as `kill` does, and return the exit code.

        Not by Ctrl-C, which what was started in the background ignores, these tests included.
        """
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), "--max-seconds", "20")
    yield server
    server.process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def open_page(browser: Any, server: Server) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"http://{server.address}/")
    page.get_by_role("heading", name="Poses from video").wait_for()
    return page


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """Open the page, and fail if the browser asked anybody else for anything or met an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    requests, errors = [], []
    page.on("request", lambda request: requests.append(urlsplit(request.url)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"http://{server.address}/")
    page.get_by_role("heading", name="Poses from video").wait_for()
    yield page
    context.close()
    assert {url.netloc for url in requests if url.scheme.startswith("http")} == {server.address}
    assert errors == []


def save_picture(page: Any, name: str) -> None:
    """Save a picture of the page where TARVITPOSE_SCREENSHOTS names a folder."""
    folder = os.environ.get("TARVITPOSE_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def upload(page: Any, path: Path) -> None:
    page.locator("#video input[type=file]").set_input_files(str(path))


def status(page: Any, words: str) -> str:
    """Wait until the status has some words, and return all of it."""
    page.locator("#status").get_by_text(words).first.wait_for()
    return str(page.locator("#status").inner_text())


def wait_until(is_true: Any) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_clip_comes_back_as_videos_data_and_a_look_at_the_attention(
    page: Any, server: Server, tmp_path: Path
) -> None:
    save_picture(page, "1-open")
    assert page.locator("#run").is_disabled()
    shutil.copy(demo_clip(), tmp_path / "dance.mp4")
    upload(page, tmp_path / "dance.mp4")
    assert "dance.mp4: " in status(page, "dance.mp4")
    page.locator("#options button").first.click()
    page.get_by_label("Single frames beside it").check()
    for kind in ("posetrack", "openpose"):
        page.get_by_label(kind, exact=True).check()
    page.get_by_label("csv", exact=True).uncheck()
    page.locator("#run button, button#run").first.click()
    status(page, "frames/s")
    save_picture(page, "2-working")
    assert "in all" in status(page, "Done: ")

    overlay = "document.querySelector('#overlay video')"
    page.wait_for_function(f"{overlay} && {overlay}.readyState >= 2 && {overlay}.videoWidth > 0")
    save_picture(page, "3-done")

    files = page.locator("#downloads a[download]")
    names = [files.nth(position).get_attribute("download") for position in range(files.count())]
    kinds = ("coco.json", "compare.mp4", "mp4", "openpose.zip", "posetrack.json")
    assert sorted(names) == [f"dance.{kind}" for kind in kinds]
    with page.expect_download() as waiting:
        page.locator("#downloads a[download='dance.coco.json']").click()
    waiting.value.save_as(tmp_path / "dance.coco.json")
    poses = load_poses(tmp_path / "dance.coco.json")
    assert sum(len(frame) for frame in poses) > 10
    assert np.isfinite(poses[0].keypoints).all()

    page.get_by_role("tab", name="Side by side").click()
    side = "document.querySelector('#comparison video')"
    page.wait_for_function(f"{side} && {side}.videoWidth > {overlay}.videoWidth")
    save_picture(page, "4-side-by-side")
    page.get_by_role("tab", name="Where a joint looks").click()
    picture = "document.querySelector('#attention img')"
    page.wait_for_function(f"{picture} && {picture}.naturalWidth > 300")
    save_picture(page, "5-attention")
    assert len(server.sessions()) >= 1


def test_what_is_not_taken_is_said_in_one_line(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    upload(page, tmp_path / "notes.mp4")
    assert status(page, "notes.mp4").count("\n") == 0
    assert "/" not in status(page, "notes.mp4")
    assert page.locator("#run").is_disabled()
    save_picture(page, "6-refused")
    page.reload()
    upload(page, make_video(tmp_path / "long.mp4", [i * 0.5 for i in range(50)]))
    assert "at most 20 s are taken" in status(page, "long.mp4")


def test_a_job_can_be_stopped_and_another_begun(page: Any) -> None:
    page.locator("#example").click()
    status(page, "demo.mp4")
    page.locator("#run").click()
    status(page, "frames/s")
    page.locator("#cancel").click()
    page.locator("#run:enabled").wait_for()
    status(page, "Stopped")
    page.locator("#run").click()
    status(page, "Done: ")


def test_who_waits_sees_the_place_in_the_queue_and_can_leave_it(
    browser: Any, server: Server
) -> None:
    with (
        closing(open_page(browser, server)) as first,
        closing(open_page(browser, server)) as second,
    ):
        for page in (first, second):
            page.locator("#example").click()
            status(page, "demo.mp4")
        for page in (first, second):  # at once: a fast computer is done within seconds
            page.locator("#run").click()
        assert "1/1" in status(second, "queue")
        second.locator("#cancel").click()
        # The place in the queue fades out for some tenths of a second.
        wait_until(lambda: status(second, "Stopped") == "Stopped. There are no results.")
        status(first, "frames/s")


def test_a_server_that_does_not_answer_leaves_no_frozen_page(page: Any) -> None:
    page.locator("#example").click()
    status(page, "demo.mp4")
    page.route("**/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "full"}))
    page.locator("#run").click()
    status(page, "too many jobs are waiting")
    page.locator("#run:enabled").wait_for()
    assert page.locator("#cancel").is_disabled()


def test_files_go_with_the_visitor_and_with_the_server(browser: Any, server: Server) -> None:
    wait_until(lambda: server.sessions() == [])
    other = browser.new_page()
    other.goto(f"http://{server.address}/")
    other.locator("#example").click()
    other.locator("#status").get_by_text("demo.mp4").first.wait_for()
    assert len(server.sessions()) == 1
    other.close()
    wait_until(lambda: server.sessions() == [])
    assert server.end() == 0
    assert [*server.files.glob("tarvitpose-web-*")] == []
    assert "its files are removed" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
