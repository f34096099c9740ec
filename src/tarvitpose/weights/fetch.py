"""Fetch other projects' weights, from the hub or an address, and check their SHA-256."""

import hashlib
import http.client
import logging
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tarvitpose import __version__
from tarvitpose.errors import WeightsError
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.hashing import file_digest
from tarvitpose.utils.offline import is_offline
from tarvitpose.utils.terminal import open_bars
from tarvitpose.weights.hub import HubOptions, download
from tarvitpose.weights.named import HUB_FILES, NamedWeights

log = logging.getLogger(__name__)

CHUNK, TIMEOUT = 1 << 20, 30  # bytes, seconds without an answer


@contextmanager
def fetched(named: NamedWeights, scratch: Path) -> Iterator[Path]:
    """Yield the file or folder of named weights, with a SHA-256 as its source states.

    What has an address of its own is written below `scratch`, and is gone afterwards. Raises
    WeightsError.
    """
    if is_offline():
        raise WeightsError(
            f"{named.name}: offline, and not on this machine yet; run 'tarvitpose models "
            f"{named.name} --download' once with a network"
        )
    log.info("%s: fetching %d MB from %s", named.name, named.megabytes, named.source)
    if named.hub_id:
        folder = from_hub(named.hub_id, named.file, {"revision": named.revision})
        yield folder / named.file if named.file else folder
        return
    check_writable(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix=".fetch-") as folder_name:
        path = Path(folder_name) / named.file.rpartition("/")[2]
        digest = _from_address(named, path)
        if not digest.startswith(named.sha256):
            raise WeightsError(
                f"{named.name}: the file of {named.file} has the SHA-256 {digest[:16]}..., not "
                f"{named.sha256}...: it is damaged or not the file that was published; try again"
            )
        yield path


def from_hub(hub_id: str, file: str, options: HubOptions) -> Path:
    """Return the folder of a repository with weights, or of one file of it. Raises WeightsError.

    The hub's cache calls large files by their SHA-256, which is compared.
    """
    files = [file] if file else [*HUB_FILES]
    folder = download(hub_id, files, options)
    for name in files:
        if not (folder / name).is_file():
            raise WeightsError(f"{hub_id}: the hub has no file {name} there")
    path = folder / files[0]
    expected = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", expected) and file_digest(path, WeightsError) != expected:
        raise WeightsError(
            f"{hub_id}: {path} has another SHA-256 than the hub says, it is damaged; delete "
            f"{path.resolve()} and try again"
        )
    return folder


def _from_address(named: NamedWeights, path: Path) -> str:
    """Write a file from its address, and return its SHA-256. Raises WeightsError."""
    digest = hashlib.sha256()
    request = urllib.request.Request(
        named.file, headers={"User-Agent": f"tarvitpose/{__version__}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, path.open("wb") as file:
            length = int(answer.headers.get("Content-Length") or 0)
            with progress(named.name, length or None, in_bytes=True) as on_progress:
                while part := answer.read(CHUNK):
                    digest.update(part)
                    file.write(part)
                    on_progress(len(part))
            if file.tell() < length:
                raise ConnectionError(f"{file.tell()} of {length} bytes came")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{named.name}: {named.file} was not delivered ({' '.join(str(reason).split())}); is "
            "there a network?"
        ) from None
    return digest.hexdigest()


@contextmanager
def progress(title: str, total: int | None, *, in_bytes: bool) -> Iterator[Callable[[int], None]]:
    """Yield what to call with each step that is done; a terminal shows a bar where notes are."""
    if not (sys.stderr.isatty() and log.isEnabledFor(logging.INFO)):
        yield lambda step: None
        return
    with open_bars(in_bytes=in_bytes) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda step: bar.advance(task, step)
