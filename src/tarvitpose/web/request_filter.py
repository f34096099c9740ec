"""A filter before Gradio's server: it lets pass the requests of the page, and nothing else.

Gradio's server also describes its functions, plays streams, and fetches web addresses on request;
the page needs none of that, and a server on a private machine should not reach others.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tarvitpose.utils.atomic import DISK_IS_FULL

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOCAL = ("127.0.0.1", "localhost")  # names under which only this machine can be reached
API = "/gradio_api"
FILE, JOIN, UPLOAD = f"{API}/file=", f"{API}/queue/join", f"{API}/upload"
READABLE = {"/", "/config", "/theme.css", "/favicon.ico", "/robots.txt"}
READABLE |= {
    f"{API}/{name}" for name in ("queue/data", "startup-events", "upload_progress", "app_id")
}
READABLE_BELOW = ("/assets/", "/static/", f"{API}/heartbeat/")
WRITABLE = {JOIN, UPLOAD, f"{API}/cancel", f"{API}/reset"}
MAX_BODY = 1_000_000  # bytes of the JSON of an event; uploads have a path of their own
HEADERS = {
    # The browser refuses to load anything from elsewhere. Gradio needs what is unsafe.
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; "
    "form-action 'self'; frame-ancestors 'self'; object-src 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

log = logging.getLogger(__name__)


class RequestFilter:
    """ASGI middleware that answers 404 to everything but the page's own requests."""

    def __init__(self, app: App, files: Path) -> None:
        """Only what lies in the folder `files` can be read or named."""
        self._app, self._files = app, files.resolve()
        self._uploads = 0  # that go on

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "lifespan":
            send = _with_headers(send)
            if scope["type"] != "http" or not self.is_open(scope["method"], scope["path"]):
                await _refuse(scope, send)
                return
            if scope["method"] == "POST" and not is_same_origin(scope["headers"]):
                await _answer(send, 403, b"request of another page")
                return
            if scope["path"].rstrip("/") == UPLOAD:
                await self._upload(scope, receive, send)
                return
            if scope["path"].rstrip("/") == JOIN:
                body = await _read(receive)
                if not self.names_only_visitors_files(body):
                    await _refuse(scope, send)
                    return
                receive = _replayed(body, receive)
            await self._answered(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _upload(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass an upload on, and leave nothing of one that breaks off or is malformed.

        Gradio writes into plain files, and renames each into a folder once it is complete.
        """
        self._uploads += 1
        try:
            await self._answered(scope, receive, send)
        finally:
            self._uploads -= 1
            if not self._uploads:  # else the last one removes it, or the sweep of sessions
                remove_plain_files(self._files)

    async def _answered(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer 400 where Gradio stumbles over it, 507 over a full disk."""
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            if has_begun:
                raise
            log.info("a request could not be read", exc_info=True)
            if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
                await _answer(send, 507, b"the server's disk is full")
            else:
                await _answer(send, 400, b"the request could not be read")

    def is_open(self, method: str, path: str) -> bool:
        """Tell whether the page makes requests of this method and path."""
        if method == "POST":
            return path.rstrip("/") in WRITABLE
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(FILE):
            return self.is_visitors_file(path.removeprefix(FILE))
        return path in READABLE or path.startswith(READABLE_BELOW)

    def is_visitors_file(self, path: str) -> bool:
        """Tell whether a path is one of the visitors' files, wherever its links lead."""
        try:
            with suppress(FileNotFoundError):
                Path(path).lstat()
            return Path(path).is_absolute() and self._files in Path(path).resolve().parents
        except (OSError, ValueError):  # a name that is too long, or with a NUL in it
            return False

    def names_only_visitors_files(self, body: bytes) -> bool:
        """Tell whether all files that the JSON of an event names are the visitors'."""
        try:
            return all(map(self.is_visitors_file, _paths(json.loads(body))))
        except (ValueError, RecursionError):
            return False


def remove_plain_files(folder: Path) -> None:
    """Remove the files in a folder, but none in the folders in it."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_file() or path.is_symlink():
                path.unlink(missing_ok=True)


def is_same_origin(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a request comes from the page itself, or from no page at all.

    A header that is there twice must say the same each time.

    >>> is_same_origin([(b"origin", b"http://evil.example"), (b"host", b"localhost:7860")])
    False
    """
    values: dict[bytes, set[str]] = defaultdict(set)
    for name, value in headers:
        values[name.lower()].add(value.decode("latin-1").strip().lower())
    sites, origins, hosts = values[b"sec-fetch-site"], values[b"origin"], values[b"host"]
    if sites:
        return sites in ({"same-origin"}, {"none"})
    (own,) = hosts if len(hosts) == 1 else ("",)
    return origins <= {f"http://{own}", f"https://{own}"} if own else not origins


def _paths(value: Any) -> Iterator[str]:
    """Yield what Gradio takes for paths; it would fetch those that are web addresses."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)


async def _read(receive: Receive) -> bytes:
    """Return the body of a request, nothing where it is too long or cut off."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if message["type"] != "http.request" or len(body) > MAX_BODY:
            return b""
    return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body once more, and then goes on."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return parts.pop() if parts else await receive()

    return receive_again


def _with_headers(send: Send) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return add


async def _refuse(scope: Message, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    await _answer(send, 404, b"not found")


async def _answer(send: Send, status: int, text: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": text})
