"""What the server answers: the requests that the page itself makes, and nothing else.

Gradio's server also describes its functions, plays streams, and fetches addresses for whoever
asks; none of that is needed here, and a page for the own machine should not reach others.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOCAL = ("127.0.0.1", "localhost")  # names under which only this machine can be reached
API = "/gradio_api"
FILE, JOIN = f"{API}/file=", f"{API}/queue/join"
READ = {"/", "/config", "/theme.css", "/favicon.ico", "/robots.txt"}
READ |= {f"{API}/{name}" for name in ("queue/data", "startup-events", "upload_progress", "app_id")}
READ_BELOW = ("/assets/", "/static/", f"{API}/heartbeat/")
WRITTEN = {JOIN, f"{API}/upload", f"{API}/cancel", f"{API}/reset"}
LARGEST = 1_000_000  # bytes of what a click says; uploads go elsewhere
HEADERS = {
    # The browser itself refuses to load anything from elsewhere. Gradio needs what is unsafe.
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; "
    "form-action 'self'; frame-ancestors 'self'; object-src 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """ASGI middleware that answers 404 to everything but the page's own requests."""

    def __init__(self, app: App, files: Path) -> None:
        """Only what lies in the folder `files` can be read or named."""
        self._app, self._files = app, files.resolve()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "lifespan":
            send = _with_headers(send)
            if scope["type"] != "http" or not self.is_open(scope["method"], scope["path"]):
                await _refuse(scope, send)
                return
            if scope["path"].rstrip("/") == JOIN:
                body = await _read(receive)
                if not self.names_only_own(body):
                    await _refuse(scope, send)
                    return
                receive = _again(body, receive)
        await self._app(scope, receive, send)

    def is_open(self, method: str, path: str) -> bool:
        """Tell whether the page makes such a request."""
        if method == "POST":
            return path.rstrip("/") in WRITTEN
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(FILE):
            return self.is_own(path.removeprefix(FILE))
        return path in READ or path.startswith(READ_BELOW)

    def is_own(self, path: str) -> bool:
        """Tell whether a path is one of the visitors' files, wherever its links lead."""
        return Path(path).is_absolute() and self._files in Path(path).resolve().parents

    def names_only_own(self, body: bytes) -> bool:
        """Tell whether all files that a click names, in JSON, are the visitors'."""
        try:
            return all(map(self.is_own, _paths(json.loads(body))))
        except (ValueError, RecursionError):
            return False


def _paths(value: Any) -> Iterator[str]:
    """Yield what Gradio takes for paths: it would fetch an address from elsewhere."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _paths(one)


async def _read(receive: Receive) -> bytes:
    """Return the body of a request, nothing where it is too long or cut off."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if message["type"] != "http.request" or len(body) > LARGEST:
            return b""
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then goes on."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def once_more() -> Message:
        return parts.pop() if parts else await receive()

    return once_more


def _with_headers(send: Send) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await send(message)

    return add


async def _refuse(scope: Message, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"not found"})
