"""Encoded crops on disk, so that a frozen encoder encodes each only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from tarvitpose.errors import ConfigError
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, read_facts, require_same

ABOUT = "about.json"  # facts and names; written last: only named rows count


class FeatureCache:
    """A folder of arrays with one row for each name, and the facts that they depend on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = read_facts(folder / ABOUT) or {}
        self.facts: Facts | None = about.get("facts")
        self.names: list[str] = list(about.get("names", ()))

    def require_same(self, facts: Facts, remedy: str) -> None:
        """Raise ConfigError if the folder holds what depends on other facts."""
        if (self.folder / ABOUT).exists():
            require_same(self.folder, self.facts, facts, remedy, ConfigError)

    def append(
        self,
        arrays: Mapping[str, NDArray[Any]],
        names: Sequence[str],
        *,
        length: int,
        facts: Facts,
    ) -> None:
        """Write rows behind the stored ones; files are made for `length` rows in all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in () if self.names else self.folder.glob("*.npy"):
            leftover.unlink()  # of a run that was stopped before it had written any name
        start = len(self.names)
        for name, rows in arrays.items():
            path = self.folder / f"{name}.npy"
            if path.exists():
                file = open_memmap(path, mode="r+")
            else:
                shape = (length, *rows.shape[1:])
                file = open_memmap(path, mode="w+", dtype=rows.dtype, shape=shape)
            file[start : start + len(rows)] = rows
            file.flush()
        self.names += names
        self.facts = facts
        write_json(self.folder / ABOUT, {"facts": facts, "names": self.names})

    def load(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, read from the disk where they are looked at."""
        paths = sorted(self.folder.glob("*.npy"))
        return {path.stem: np.load(path, mmap_mode="r") for path in paths}
