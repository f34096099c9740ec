"""The outermost handler: what the command line says of errors that nobody turned into a UserError.

An error of the system (a full disk, no memory, a file that cannot be opened) is told in a line, as
one that the user can put right. Anything else is a defect of this package: its traceback goes to
a file, since it helps nobody but those who mend it.
"""

import errno
import os
import platform
import shlex
import sys
import tempfile
import traceback

from tarvitpose import __version__
from tarvitpose.cli import console
from tarvitpose.utils.atomic import DISK_IS_FULL
from tarvitpose.utils.source_names import short, without_secrets

DEFECT = 70  # EX_SOFTWARE of sysexits.h
OF_MACHINE = (*DISK_IS_FULL, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
NO_MEMORY = ("MemoryError", "_ArrayMemoryError", "OutOfMemoryError")  # Python's, NumPy's, torch's


def report(error: Exception) -> int:
    """Print one line about an unforeseen error, and return the exit code.

    Of a defect the line names the file with the traceback, which lies in the folder for temporary
    files.
    """
    reason = of_system(error)
    if reason is not None:
        console.fail(reason, kind=type(error).__name__)
        return console.BAD_INPUT
    summary = "".join(traceback.format_exception_only(error)).strip()
    line = f"a defect of tarvitpose ({summary}); please report it with {write_traceback(error)}"
    console.fail(line, kind=type(error).__name__, exit_code=DEFECT)
    return DEFECT


def of_system(error: Exception) -> str | None:
    """Return what is wrong with files, disk, memory or depth, None for an error of another kind."""
    if type(error).__name__ in NO_MEMORY:
        return f"not enough memory ({error}); give less at once, such as a smaller --batch-size"
    if isinstance(error, RecursionError):
        return "a file that was given is nested too deeply to be read"
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENAMETOOLONG:
        return f"{short(str(error.filename))}: the name is too long for this file system"
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return error.strerror if error.errno in OF_MACHINE else None


def write_traceback(error: Exception) -> str:
    """Write what a report of a defect needs into a new file, and return its path."""
    lines = [
        f"tarvitpose {__version__}, Python {platform.python_version()}, {platform.platform()}",
        without_secrets(shlex.join(sys.argv)),
        without_secrets("".join(traceback.format_exception(error))),
    ]
    try:
        descriptor, path = tempfile.mkstemp(prefix="tarvitpose-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines))
    except OSError as failure:
        return f"its traceback, which could not be written ({failure.strerror})"
    return path
