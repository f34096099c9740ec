"""A small server with repositories as the Hugging Face hub serves them, and with plain files."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def commit_of(revision: str) -> str:
    """Return the commit of a branch, or a commit as it is."""
    return revision if len(revision) == len(COMMIT) else COMMIT


class HubReplica:
    """Serve ROOT/OWNER/NAME as repositories, and every path below ROOT as a plain file.

    `requests` notes what was asked; `damaged` are names of files of which the last byte is wrong.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.damaged: set[str] = set()
        self.address = ""

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers."""
        self.requests.append(path)
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            folder = self.root / parts[2] / parts[3]
            if not folder.is_dir():
                return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
            return (
                200,
                json.dumps(self._listing(folder, "/".join(parts[2:4]), parts[4:])).encode(),
                {},
            )
        commit = COMMIT
        if len(parts) > 4 and parts[2] == "resolve":
            commit = commit_of(parts[3])
            parts = [*parts[:2], *parts[4:]]
        file = self.root.joinpath(*parts)
        if not file.is_file():
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        content = file.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        if file.name in self.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        return 200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit}

    def _listing(self, folder: Path, name: str, rest: list[str]) -> Any:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in files]
        if rest[:1] == ["tree"]:
            return [
                {"type": "file", "oid": COMMIT, "path": name, "size": path.stat().st_size}
                for name, path in zip(names, files, strict=True)
            ]
        return {
            "id": name,
            "sha": commit_of(rest[-1]),
            "siblings": [{"rfilename": each} for each in names],
        }


@contextmanager
def serving(root: Path) -> Iterator[HubReplica]:
    """Yield a replica that serves a folder until the end."""
    replica = HubReplica(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def _send(self, *, with_body: bool) -> None:
            status, body, headers = replica.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    replica.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield replica
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
