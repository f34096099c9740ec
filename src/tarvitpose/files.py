"""Output files that are either whole or not there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tarvitpose.errors import OutputError

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replace_when_done(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` on success and vanishes on an error.

    Missing parent folders are created. Raises OutputError where the file cannot be written.
    """
    temporary = _start_temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in DISK_IS_FULL or _same_file(error.filename, temporary):
            raise cannot_write(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return the error that says in one line why `path` cannot be written."""
    return OutputError(f"{path}: cannot be written ({error.strerror or error})")


def _start_temporary(path: Path) -> Path:
    """Create the empty temporary file, so that what cannot be written shows before the work."""
    # The suffix stays last: encoders choose the container by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise OutputError(f"{path}: a folder stands where the file should be written")
        temporary.touch()
    except OSError as error:
        raise cannot_write(path, error) from error
    return temporary


def _same_file(filename: object, path: Path) -> bool:
    return isinstance(filename, str | bytes | Path) and Path(os.fsdecode(filename)) == path
