"""Output files and folders that are either whole or not there."""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from tarvitpose.errors import OutputError

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CAN_ASK = os.name == "posix"  # a process whether it runs: Windows would end it
ABANDONED = 86_400  # seconds without a change, which decide where processes cannot be asked
# Of `files_together`: temporary paths, and what they become at the end of the block.
_waiting: ContextVar[dict[Path, Path] | None] = ContextVar("_waiting", default=None)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` on success and vanishes on an error.

    Missing parent folders are created, and what killed processes left of the same file is removed.
    Raises OutputError where the file cannot be written.
    """
    temporary, waiting = _start_temporary(path), _waiting.get()
    try:
        with _refusal_of(path, temporary):
            yield temporary
            if waiting is None:
                temporary.replace(path)
            else:
                waiting[temporary] = path
    finally:
        if waiting is None or temporary not in waiting:
            temporary.unlink(missing_ok=True)


@contextmanager
def files_together() -> Iterator[None]:
    """Let all files of the block's `atomic_file` appear at its end, and none after an error.

    Raises OutputError where a file cannot be renamed.
    """
    waiting: dict[Path, Path] = {}
    token = _waiting.set(waiting)
    try:
        yield
        for temporary, path in waiting.items():
            with _refusal_of(path, temporary):
                temporary.replace(path)
    finally:
        _waiting.reset(token)
        for temporary in waiting:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, errors: str = "strict") -> None:
    """Write a UTF-8 file, whole or not at all. Raises OutputError."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors)


@contextmanager
def atomic_folder(path: Path, keep: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """Yield a new folder beside `path`; it takes its place on success and vanishes on an error.

    What came to stand there meanwhile stays if it passes `keep`. What killed processes left of the
    same folder is removed, but with `keep`: then machines may share it. Raises OutputError where
    it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if keep is None:
            _remove_leftovers(path, path.name, "")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield temporary
        if keep is None or not keep(path):
            _put(temporary, path)
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise cannot_write(path, error) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_writable(folder: Path) -> None:
    """Raise OutputError where no file could be written into a folder, which need not exist yet."""
    candidates = (folder, *folder.absolute().parents)
    nearest = next(path for path in candidates if os.path.lexists(path))
    if not nearest.is_dir():
        raise cannot_write(folder, OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise cannot_write(folder, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def _put(new: Path, path: Path) -> None:
    """Rename a folder to `path`, what stood there vanishing."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        with suppress(FileNotFoundError):
            path.rename(old)
        new.rename(path)
    except OSError as error:
        if not path.exists() and old.exists():
            old.rename(path)
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _refusal_of(path: Path, temporary: Path) -> Iterator[None]:
    """Raise OutputError for what the system says of a file that is being written."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_IS_FULL or _same_file(error.filename, temporary):
            raise cannot_write(path, error) from error
        raise


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
        _remove_leftovers(path, path.stem, path.suffix)
        temporary.touch()
    except OSError as error:
        raise cannot_write(path, error) from error
    return temporary


def _remove_leftovers(path: Path, name: str, suffix: str) -> None:
    """Remove what killed processes left that wrote `path`: temporaries of none that runs."""
    if not path.parent.is_dir():
        return
    form = re.compile(rf"\.{re.escape(name)}\.(\d{{1,9}})\.tmp{re.escape(suffix)}")
    for entry in os.listdir(path.parent):  # noqa: PTH208 - paths take twice as long
        match = form.fullmatch(entry)
        other = path.with_name(entry)
        with suppress(OSError):
            if match and not _is_in_use(other, int(match[1])):
                shutil.rmtree(other) if other.is_dir() else other.unlink()


def _is_in_use(temporary: Path, process: int) -> bool:
    if not CAN_ASK:
        return time.time() - temporary.stat().st_mtime < ABANDONED
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def _same_file(filename: object, path: Path) -> bool:
    return isinstance(filename, str | bytes | Path) and Path(os.fsdecode(filename)) == path
