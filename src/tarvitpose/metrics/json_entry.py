"""A JSON file whose every part knows where it stands, so that errors name file, entry and field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.metrics.posetrack_ap import Float64


@dataclass(frozen=True)
class Entry:
    """A part of a JSON file and its place in it: `dance.json: annotations[3].bbox`."""

    where: str
    value: Any

    def __getitem__(self, key: str) -> Entry:
        """Return a field. Raises DataError where it is missing or null, as all below do."""
        found = self.get(key)
        if found is None:
            raise DataError(f"{self.where}: {key} is missing")
        return found

    def get(self, key: str) -> Entry | None:
        """Return a field, or None if there is none."""
        if not isinstance(self.value, dict):
            kind = type(self.value).__name__
            raise DataError(f"{self.where}: expected an object with {key}, found {kind}")
        between = "." if self.where.endswith("]") else ": "
        value = self.value.get(key)
        return None if value is None else Entry(f"{self.where}{between}{key}", value)

    def items(self) -> list[Entry]:
        """Return the entries of a list."""
        if not isinstance(self.value, list):
            raise DataError(f"{self.where}: expected a list, found {type(self.value).__name__}")
        return [Entry(f"{self.where}[{at}]", value) for at, value in enumerate(self.value)]

    def only(self) -> Entry:
        """Return the first entry of a list, which PoseTrack17 puts around single values."""
        return Entry(self.where, self.value[0]) if _is_wrapped(self.value) else self

    def numbers(self, count: int | None = None) -> Float64:
        """Return a list of `count` numbers, or of any length."""
        try:
            values = np.array(self.value, np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{self.where}: expected numbers, found {self.value}") from None
        if values.ndim != 1 or (count is not None and len(values) != count):
            raise DataError(f"{self.where}: expected {count or 'a list of'} numbers")
        if not np.isfinite(values).all():
            raise DataError(f"{self.where}: a number is missing or not finite")
        return values

    def column(self, key: str, default: float | None = None) -> Float64:
        """Return one number of each object of a list, (P,)."""
        try:
            found = [
                point[key] if default is None else point.get(key, default) for point in self.value
            ]
        except (KeyError, TypeError, AttributeError):
            for point in self.items():
                _ = point[key]
            raise
        values = [value[0] if _is_wrapped(value) else value for value in found]
        return Entry(f"{self.where}: {key}", values).numbers()


def read_entry(path: Path) -> Entry:
    """Read a JSON file. Raises DataError naming the file."""
    try:
        return Entry(str(path), json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable JSON ({error})") from None


def _is_wrapped(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0
