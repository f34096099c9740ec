"""SHA-256 of files, of folders and of other content, as `sha256sum` prints it."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from tarvitpose.errors import OutputError, UserError


def content_digest(parts: Iterable[bytes]) -> str:
    """Return the SHA-256 of bytes that follow each other.

    >>> content_digest([b"a", b"bc"])[:12]
    'ba7816bf8f01'
    """
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return content.hexdigest()


def file_digest(path: Path, error: type[UserError] = OutputError) -> str:
    """Return the SHA-256 of a file, which is read once as long as its size and date stay.

    Raises `error` if it cannot be read.
    """
    try:
        state = path.stat()
        return _file_digest(path.absolute(), state.st_size, state.st_mtime_ns)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None


def files_digest(files: Iterable[Path], error: type[UserError] = OutputError) -> str:
    """Return the SHA-256 of one file, or of a list of the names and SHA-256 of several."""
    files = list(files)
    if len(files) == 1:
        return file_digest(files[0], error)
    return content_digest(f"{file_digest(path, error)}  {path.name}\n".encode() for path in files)


def files_in(path: Path) -> list[Path]:
    """Return the file itself, or all files in a folder and below it."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def sample_digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the first, the middle and the last file, which stand for thousands.

    Missing ones are left out, because whoever reads the files reports them.
    """
    sample = dict.fromkeys(files[index] for index in (0, len(files) // 2, -1)) if files else {}
    return files_digest(path for path in sample if path.is_file())


@lru_cache(maxsize=4096)
def _file_digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
