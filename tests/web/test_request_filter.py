"""The filter before Gradio's server: only the page's own requests, and only visitors' files."""

import errno
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from async_calls import finished

from tarvitpose.web.request_filter import (
    API,
    HEADERS,
    JOIN,
    MAX_BODY,
    UPLOAD,
    RequestFilter,
    is_same_origin,
)

Headers = list[tuple[bytes, bytes]]
HOST = (b"host", b"127.0.0.1:7860")


class Reply(NamedTuple):
    """What a request got."""

    status: int
    headers: dict[str, str]
    body: bytes | None  # as Gradio read it; None: the request did not reach Gradio


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return the folder of visitors' files, with one of them, beside a secret."""
    folder = tmp_path / "files"
    (folder / "visitor-a").mkdir(parents=True)
    (folder / "visitor-a" / "dance.mp4").write_text("video")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


def ask(
    path: str,
    *,
    files: Path = Path("/files"),
    method: str = "POST",
    headers: Headers | None = None,
    chunks: list[bytes] | None = None,
    error: Exception | None = None,
) -> Reply:
    """Send a request through the filter to a server that reads its body and answers 200."""
    bodies: list[bytes] = []
    sent: list[Any] = []
    parts = chunks or [b""]
    waiting = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]

    async def gradio(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        bodies.append(body)
        if error is not None:
            raise error
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers or []}
    finished(RequestFilter(gradio, files)(scope, receive, send))
    added = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], added, bodies[0] if bodies else None)


# ------------------------------------------------------------------------------ paths and methods


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/assets/index.js"),
        ("GET", f"{API}/queue/data"),
        ("GET", f"{API}/heartbeat/abc"),
        ("POST", f"{API}/cancel"),
        ("POST", f"{API}/reset"),
    ],
)
def test_requests_of_the_page_pass(method: str, path: str) -> None:
    assert ask(path, method=method).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{API}/info"),  # describes the functions
        ("GET", f"{API}/proxy=http://intranet/"),
        ("GET", f"{API}/stream/a/b/c/playlist.m3u8"),
        ("GET", "/monitoring"),
        ("GET", JOIN),
        ("POST", "/"),
        ("POST", f"{API}/run/predict"),
        ("POST", f"{API}/call/find_poses"),
        ("POST", f"{API}/component_server"),
        ("PUT", UPLOAD),
        ("DELETE", f"{API}/cancel"),
    ],
)
def test_everything_else_of_gradio_is_closed(method: str, path: str) -> None:
    reply = ask(path, method=method)
    assert (reply.status, reply.body) == (404, None)


@pytest.mark.parametrize("path", ["/", f"{API}/info"])
def test_every_answer_tells_the_browser_to_load_nothing_from_elsewhere(path: str) -> None:
    assert ask(path, method="GET").headers.items() >= HEADERS.items()


def test_websockets_are_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def unreachable(*_: Any) -> Any:
        raise AssertionError

    finished(RequestFilter(unreachable, Path("/files"))({"type": "websocket"}, unreachable, send))
    assert sent == [{"type": "websocket.close"}]


# ----------------------------------------------------------------------------------------- files


def test_a_visitors_file_is_readable(files: Path) -> None:
    path = f"{API}/file={files}/visitor-a/dance.mp4"
    assert ask(path, files=files, method="GET").status == 200


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "visitor-a/../../secret.txt", "link.txt", "a\0b", "x" * 5000, ""],
)
def test_no_other_file_is_readable(files: Path, name: str) -> None:
    reply = ask(f"{API}/file={files}/{name}", files=files, method="GET")
    assert (reply.status, reply.body) == (404, None)


@pytest.mark.parametrize("path", ["visitor-a/dance.mp4", "http://intranet/", "/etc/passwd"])
def test_only_absolute_paths_below_the_folder_are_files(files: Path, path: str) -> None:
    assert ask(f"{API}/file={path}", files=files, method="GET").status == 404


def event(*paths: object) -> bytes:
    """Return the body of an event that names files, each deeper than the last."""
    value: Any = []
    for path in paths:
        value = [{"path": str(path), "meta": {"_type": "gradio.FileData"}}, {"more": value}]
    return json.dumps({"data": value, "session_hash": "a"}).encode()


def test_an_event_that_names_visitors_files_arrives_as_it_was_sent(files: Path) -> None:
    body = event(files / "visitor-a" / "dance.mp4")
    reply = ask(JOIN, files=files, chunks=[body[:7], body[7:20], body[20:]])
    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize(
    "path", ["../secret.txt", "link.txt", "/etc/passwd", "http://intranet/a.mp4"]
)
@pytest.mark.parametrize("is_nested", [True, False])
def test_an_event_that_names_another_file_is_refused(
    files: Path, path: str, is_nested: bool
) -> None:
    other = path if "://" in path else files / path  # an absolute path stays as it is
    body = event(other, files / "visitor-a" / "dance.mp4") if is_nested else event(other)
    reply = ask(JOIN, files=files, chunks=[body])
    assert (reply.status, reply.body) == (404, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[" * 100_000, b'{"data": "' + b"x" * MAX_BODY + b'"}'],
    ids=["empty", "text", "deep", "long"],
)
def test_an_event_that_cannot_be_read_is_refused(body: bytes) -> None:
    reply = ask(JOIN, chunks=[body])
    assert (reply.status, reply.body) == (404, None)


# --------------------------------------------------------------------------------------- uploads


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ([HOST], True),  # no browser
        ([HOST, (b"origin", b"http://127.0.0.1:7860")], True),
        ([HOST, (b"origin", b"http://evil.example")], False),
        ([HOST, (b"origin", b"http://127.0.0.1:8000")], False),
        ([HOST, (b"origin", b"null")], False),
        ([HOST, (b"origin", b"http://evil.example@127.0.0.1:7860")], False),
        ([HOST, (b"origin", b"http://127.0.0.1:7860.evil.example")], False),
        ([HOST, (b"origin", b"http://[")], False),
        ([HOST, (b"origin", b"")], False),
        ([(b"origin", b"http://")], False),
        ([(b"host", b""), (b"origin", b"http://")], False),
        ([HOST, (b"origin", b"http://evil.example"), (b"Origin", b"http://127.0.0.1:7860")], False),
        ([HOST, (b"host", b"evil.example"), (b"origin", b"http://evil.example")], False),
        ([HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-site", b"same-origin")], False),
        ([HOST, (b"sec-fetch-site", b"")], False),
        ([HOST, (b"Origin", b"HTTP://127.0.0.1:7860")], True),
        ([HOST, (b"sec-fetch-site", b"cross-site")], False),
        ([HOST, (b"sec-fetch-site", b"same-site")], False),
        # Behind a proxy that has another name, only the browser knows.
        ([HOST, (b"sec-fetch-site", b"same-origin"), (b"origin", b"https://poses.org")], True),
    ],
)
def test_uploads_and_events_come_from_the_page_itself(headers: Headers, is_taken: bool) -> None:
    assert is_same_origin(headers) == is_taken
    for path, chunks in ((UPLOAD, [b"video"]), (JOIN, [b"{}"])):
        reply = ask(path, headers=headers, chunks=chunks)
        assert (reply.status, reply.body) == ((200, chunks[0]) if is_taken else (403, None))


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", UPLOAD), ("POST", f"{API}/cancel"), ("GET", f"/assets/{'a' * 5000}")],
)
def test_a_request_that_cannot_be_read_is_no_error_of_the_server(method: str, path: str) -> None:
    assert ask(path, method=method, error=OSError("File name too long")).status == 400


def test_an_upload_that_fills_the_disk_is_told_so() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert ask(UPLOAD, method="POST", error=error).status == 507


def test_uploads_that_break_off_leave_nothing(files: Path) -> None:
    going_on = files / "tmp1"

    async def gradio(scope: Any, receive: Any, send: Any) -> None:
        going_on.write_text("half")
        if scope["number"] == 1:  # while a second one goes on
            await upload(2)
            assert going_on.exists()
        raise ConnectionError

    async def send(message: Any) -> None:
        assert message["type"].startswith("http.response")

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def upload(number: int) -> None:
        scope = {"type": "http", "method": "POST", "path": UPLOAD, "headers": [HOST]}
        await request_filter(scope | {"number": number}, receive, send)

    request_filter = RequestFilter(gradio, files)
    finished(upload(1))
    assert sorted(path.name for path in files.iterdir()) == ["visitor-a"]
    assert (files / "visitor-a" / "dance.mp4").exists()
