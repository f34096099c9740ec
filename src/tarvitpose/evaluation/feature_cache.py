"""Encoded crops on disk, so that a frozen encoder encodes each only once."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from tarvitpose.errors import ConfigError
from tarvitpose.utils.atomic import cannot_write
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, read_facts, require_same
from tarvitpose.utils.reading import reason_of, require_file
from tarvitpose.utils.source_names import short

ABOUT = "about.json"  # facts, names and arrays; written last: only named rows count
REMEDY = "remove that folder, it is filled again"


class FeatureCache:
    """A folder of arrays with one row for each name, and the facts that they depend on."""

    def __init__(self, folder: Path) -> None:
        """Read what the folder says of itself. Raises OutputError or ConfigError."""
        self.folder = folder
        about = read_facts(folder / ABOUT) or {}
        facts, names, arrays = about.get("facts"), about.get("names", []), about.get("arrays", {})
        if not (isinstance(names, list) and isinstance(arrays, dict)):
            raise ConfigError(f"{folder / ABOUT}: expected names and arrays; {REMEDY}")
        self.facts: Facts | None = facts if isinstance(facts, dict) else None
        self.names = [str(name) for name in names]
        self.arrays: dict[str, str] = arrays  # shape and type of each, as text

    def require_same(self, facts: Facts, remedy: str) -> None:
        """Raise ConfigError if the folder holds what depends on other facts."""
        if (self.folder / ABOUT).exists():
            require_same(self.folder, self.facts, facts, remedy, ConfigError)

    def append(
        self, arrays: Mapping[str, NDArray[Any]], names: Sequence[str], *, length: int, facts: Facts
    ) -> None:
        """Write rows behind the stored ones; files are made for `length` rows in all.

        Raises OutputError where the disk has no room for them, ConfigError for damaged files.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in () if self.names else self.folder.glob("*.npy"):
            leftover.unlink()  # of a run that was stopped before it had written any name
        start = len(self.names)
        for name, rows in arrays.items():
            path = self.folder / f"{name}.npy"
            if path.exists():
                file = self._opened(path, "r+")
            else:
                file = open_memmap(path, "w+", rows.dtype, (length, *rows.shape[1:]))
            reserve(path)
            self.arrays[name] = _described(file)
            file[start : start + len(rows)] = rows
            file.flush()
        self.names += names
        self.facts = facts
        about = {"facts": facts, "names": self.names, "arrays": self.arrays}
        write_json(self.folder / ABOUT, about)

    def load(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, read from the disk where they are looked at.

        Raises ConfigError where one is missing or damaged.
        """
        names = self.arrays or [path.stem for path in sorted(self.folder.glob("*.npy"))]
        return {name: self._opened(self.folder / f"{name}.npy", "r") for name in sorted(names)}

    def _opened(self, path: Path, mode: Any) -> np.memmap[Any, Any]:
        """Map an array of the folder, if it is as it was written."""
        require_file(path, ConfigError, f"no such file; {REMEDY}")
        try:
            array = open_memmap(path, mode)
        except Exception as error:  # NumPy raises whatever a damaged header makes of its parts
            reason = reason_of(error)
            raise ConfigError(f"{path}: not a readable array ({reason}); {REMEDY}") from None
        described, written = _described(array), self.arrays.get(path.stem)
        expected = short(str(written)) if written else f"{len(self.names)} rows"
        if len(array) < len(self.names) or written not in (None, described):
            raise ConfigError(f"{path}: expected {expected}, found {described}; {REMEDY}")
        return array


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype.name} {' x '.join(map(str, array.shape))}"


def reserve(path: Path) -> None:
    """Give a file all the space that its length asks for. Raises OutputError on a full disk.

    A process that writes through a memory map to a file with holes ends by a signal where the disk
    is full.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink()
        raise cannot_write(path, error) from error
