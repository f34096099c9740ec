"""What the page takes: files that hold all they need, from itself, and nothing of the server's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from async_calls import finished
from video_files import make_video

from tarvitpose.errors import VideoError
from tarvitpose.web.limits import Limits
from tarvitpose.web.request_filter import API, UPLOAD, Guard, is_same_origin
from tarvitpose.web.sessions import BROKEN_OFF, Visitors

LIMITS = Limits(megabytes=50, seconds=60)


def others(secret: Path) -> dict[str, str]:
    """Return uploads that name another film, by their file names."""
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n"
    dash = f'<?xml version="1.0"?>\n<MPD><BaseURL>{secret}</BaseURL></MPD>'
    concat = f"ffconcat version 1.0\nfile '{secret}'\n"
    return {
        "list.m3u8": hls,
        "dance.mp4": hls,  # whatever it is called
        "clip.mpd": dash,
        "script.ffconcat": concat,
        "script.mkv": concat,
        "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "own.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nown.m3u8\n",
    }


@pytest.mark.parametrize("name", others(Path("x")))
def test_an_upload_opens_no_other_film_of_the_server(tmp_path: Path, name: str) -> None:
    secret = make_video(tmp_path / "secret.ts", 10)
    upload = tmp_path / "uploads" / name
    upload.parent.mkdir()
    upload.write_text(others(secret)[name])
    with pytest.raises(VideoError) as caught:
        LIMITS.check(upload)
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert "which names other files" in text
    assert str(tmp_path) not in text


def test_a_video_is_taken(tmp_path: Path) -> None:
    assert LIMITS.check(make_video(tmp_path / "dance.mp4", 25)).seconds == pytest.approx(1)


Headers = list[tuple[bytes, bytes]]
HOST = (b"host", b"127.0.0.1:7860")


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ([HOST], True),  # no browser
        ([HOST, (b"origin", b"http://127.0.0.1:7860")], True),
        ([HOST, (b"origin", b"http://evil.example")], False),
        ([HOST, (b"origin", b"http://127.0.0.1:8000")], False),
        ([HOST, (b"origin", b"null")], False),
        ([HOST, (b"sec-fetch-site", b"cross-site")], False),
        ([HOST, (b"sec-fetch-site", b"same-site")], False),
        # Behind a proxy that has another name, only the browser knows.
        ([HOST, (b"sec-fetch-site", b"same-origin"), (b"origin", b"https://poses.org")], True),
    ],
)
def test_uploads_come_from_the_page_itself(headers: Headers, is_taken: bool) -> None:
    assert is_same_origin(headers) == is_taken
    status, reached = ask(UPLOAD, headers)
    assert (status, reached) == ((200, True) if is_taken else (403, False))


def ask(
    path: str,
    headers: Headers | None = None,
    *,
    method: str = "POST",
    error: Exception | None = None,
) -> tuple[int, bool]:
    """Return the status that a request is answered with, and whether Gradio saw it."""
    reached, sent = [], []

    async def gradio(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        if error is not None:
            raise error
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers or []}
    finished(Guard(gradio, Path("/files"))(scope, receive, send))
    return sent[0]["status"], bool(reached)


def test_an_upload_that_cannot_be_read_is_no_error_of_the_server() -> None:
    assert ask(UPLOAD, error=TypeError("File is not an instance of UploadFile")) == (400, True)
    with pytest.raises(TypeError):
        ask(f"{API}/cancel", error=TypeError("a mistake of ours"))


@pytest.mark.parametrize("name", ["a\0b", "a\\b", ".b", "x" * 5000, "../../etc/passwd"])
def test_odd_names_of_files_are_answered(name: str) -> None:
    status, reached = ask(f"{API}/file=/files/{name}", method="GET")
    assert status == (200 if reached else 404)
    assert reached == (name in ("a\\b", ".b"))


def test_an_upload_that_broke_off_is_removed_and_one_that_goes_on_stays(tmp_path: Path) -> None:
    now = 1_000_000.0
    visitors = Visitors(3600, parent=tmp_path, clock=lambda: now)
    try:
        broken, going_on, whole = (visitors.files / name for name in ("tmp1", "tmp2", "abc"))
        for path, age in ((broken, BROKEN_OFF + 1), (going_on, 1)):
            path.write_bytes(b"half")
            os.utime(path, (now - age, now - age))
        whole.mkdir()
        os.utime(whole, (now - 2 * BROKEN_OFF, now - 2 * BROKEN_OFF))
        visitors.sweep()
        assert sorted(path.name for path in visitors.files.iterdir()) == ["abc", "tmp2"]
    finally:
        visitors.close()


def test_a_name_with_a_leading_dot_loses_it(tmp_path: Path) -> None:
    visitors = Visitors(3600, parent=tmp_path)
    try:
        own, _ = visitors.begin("session", make_video(tmp_path / ".dance.mp4", 2))
        assert own.name == "dance.mp4"
    finally:
        visitors.close()
