"""The folder of this package in the system's cache."""

import os
import sys
from pathlib import Path


def cache_root() -> Path:
    """Return the folder of what is made once and used again; it need not exist."""
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "tarvitpose"
