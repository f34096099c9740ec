"""Reading files that others made: what cannot be opened or understood is an error of one line."""

import errno
import re
import stat
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tarvitpose.errors import DataError, UserError
from tarvitpose.utils.source_names import short

MOST_PACKED, ALWAYS_UNPACKED = 200, 10**8  # times its size, and bytes, that a file may unpack to
LARGEST_FILE = 2**29  # bytes of a picture or a log, which are read in one piece
LONGEST_REASON = 200  # characters of it
ADVICE = r"\. If you trust | when allow_pickle|: <"  # of NumPy, to run code; and objects of Python


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, also for one that no file system takes."""
    try:
        return path.is_dir()
    except OSError:  # a name that is too long
        return False


def require_file(
    path: Path, error: type[UserError] = DataError, missing: str = "no such file"
) -> None:
    """Raise `error` unless a path is a file: opening a pipe would wait for its writer."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise error(f"{path}: {missing}") from None
    except (OSError, ValueError) as cause:  # such as a name that is too long, or has a NUL
        raise error(f"{path}: cannot be read ({reason_of(cause)})") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise error(f"{path}: is {kind}, expected a file")


def file_bytes(path: Path, most: int = -1) -> bytes:
    """Return the content of a file, or its first bytes.

    Raises OSError, also for a pipe, which is not waited for, and for a file of more bytes than any
    picture has.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "not a file", str(path))
    if most < 0 and state.st_size > LARGEST_FILE:
        size = f"has {state.st_size:,} bytes, {LARGEST_FILE:,} are the limit"
        raise OSError(errno.EFBIG, size, str(path))
    with path.open("rb") as file:
        return file.read(most)


def reason_of(error: Exception) -> str:
    """Return in one line why something could not be read, without a library's advice or words."""
    if isinstance(error, AttributeError | TypeError):  # of code that met what it did not expect
        return "its content is damaged"
    said = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return short(re.split(ADVICE, said.splitlines()[0])[0], LONGEST_REASON)


def check_unpacked_size(path: Path, size: int) -> None:
    """Raise ValueError for a small file that unpacks to more bytes than a result can."""
    if size > MOST_PACKED * path.stat().st_size + ALWAYS_UNPACKED:
        raise ValueError(f"{size:,} bytes in a file of {path.stat().st_size:,}")


def check_zip(path: Path, parts: zipfile.ZipFile) -> None:
    """Raise ValueError for a small zip file that unpacks to more bytes than a result can."""
    check_unpacked_size(path, sum(part.file_size for part in parts.infolist()))


@contextmanager
def readable(path: Path, kind: str, error: type[UserError] = DataError) -> Iterator[None]:
    """Raise `error` for whatever a library raises over the bytes of a file.

    A damaged file can bring a library to raise nearly anything, so that no list of exceptions is
    complete. Only calls of libraries belong into the block.
    """
    require_file(path, error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as cause:
        raise error(f"{path}: not readable {kind} ({reason_of(cause)})") from None
