"""JSON files, and parts of them that know where they stand: errors name file, entry and field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from tarvitpose.errors import DataError, UserError
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.atomic import write_text
from tarvitpose.utils.numeric import real_numbers, whole_number
from tarvitpose.utils.reading import readable
from tarvitpose.utils.source_names import short
from tarvitpose.utils.words import kind_of

LARGEST = 2**30  # bytes of a file; Python takes several times as many for its values
SMALL = 1_000_000  # bytes of one that only describes other files


def read_json(path: Path, error: type[UserError] = DataError, largest: int = LARGEST) -> Any:
    """Return the content of a JSON file. Raises `error`, naming the file in one line.

    A file of more than `largest` bytes is not read.

    NaN, which pandas and NumPy write where a value is missing, is None.
    """
    with readable(path, "JSON", error):
        if (size := path.stat().st_size) > largest:
            raise ValueError(f"{size:,} bytes, {largest:,} are the limit")
        return json.loads(
            path.read_text(encoding="utf-8-sig"),
            parse_constant=lambda name: None if name == "NaN" else float(name),
        )


def write_json(path: Path, content: object, *, indent: int | None = 2) -> None:
    """Write a JSON file, whole or not at all. Raises OutputError.

    Paths become text; NaN and infinity, which JSON does not have, become null.
    """
    text = json.dumps(_finite(content), indent=indent, allow_nan=False, default=_path_text)
    write_text(path, f"{text}\n")


def read_entry(path: Path) -> Entry:
    """Return the content of a JSON file as an entry. Raises DataError naming the file."""
    return Entry(str(path), read_json(path))


@dataclass(frozen=True)
class Entry:
    """A part of a JSON file and its place in it: `dance.json: annotations[3].bbox`."""

    where: str
    value: Any

    @property
    def position(self) -> str:
        """Where in its list the entry stands: "3" for annotations[3]."""
        return self.where.rpartition("[")[2].rstrip("]")

    def __getitem__(self, key: str) -> Entry:
        """Return a field. Raises DataError where it is missing or null, as all below do."""
        field = self.get(key)
        if field is None:
            raise DataError(f"{self.where}: {key} is missing")
        return field

    def get(self, key: str) -> Entry | None:
        """Return a field, or None if there is none."""
        if not isinstance(self.value, dict):
            came = kind_of(self.value)
            raise DataError(f"{self.where}: expected an object with {key}, found {came}")
        between = "." if self.where.endswith("]") else ": "
        value = self.value.get(key)
        return None if value is None else Entry(f"{self.where}{between}{key}", value)

    def non_empty(self, key: str) -> Entry | None:
        """Return a field, or None if there is none or it holds nothing."""
        field = self.get(key)
        return field if field and field.value else None

    def items(self) -> list[Entry]:
        """Return the entries of a list."""
        if not isinstance(self.value, list):
            raise DataError(f"{self.where}: expected a list, found {kind_of(self.value)}")
        return [Entry(f"{self.where}[{at}]", value) for at, value in enumerate(self.value)]

    def unwrap(self) -> Entry:
        """Return the first entry of a list, which PoseTrack17 puts around single values."""
        return Entry(self.where, self.value[0]) if _is_wrapped(self.value) else self

    def integer(self) -> int:
        """Return a whole number, which PoseTrack17 may have put into a list."""
        value = self.unwrap().value
        number = whole_number(value)
        if number is None:
            raise DataError(f"{self.where}: expected a whole number, found {short(repr(value))}")
        return number

    def identity(self) -> int | str:
        """Return an id: a whole number or a text."""
        number = whole_number(self.value)
        if number is None and not _is_text(self.value):
            raise DataError(
                f"{self.where}: expected a whole number, found {short(repr(self.value))}"
            )
        return self.value if number is None else number

    def text(self) -> str:
        """Return a text that can be printed and written."""
        if not _is_text(self.value):
            raise DataError(f"{self.where}: expected a text, found {short(repr(self.value))}")
        return str(self.value)

    def numbers(self, count: int | None = None) -> Float64:
        """Return a list of `count` numbers, or of any length, which are finite and in range."""
        numbers = real_numbers(self.value)
        kinds = {*map(type, self.value)} if isinstance(self.value, list) else {object}
        if numbers is None and not kinds <= {int, float, NoneType}:
            raise DataError(f"{self.where}: expected numbers, found {short(repr(self.value))}")
        if count is not None and len(self.value) != count:
            raise DataError(f"{self.where}: expected {count} numbers")
        if numbers is None:
            raise DataError(f"{self.where}: a number is missing or not finite, or beyond 1e18")
        return numbers

    def column(self, key: str, default: float | None = None) -> Float64:
        """Return one number of each object of a list, (P,)."""
        try:
            values = [
                point[key] if default is None else point.get(key, default) for point in self.value
            ]
        except (KeyError, TypeError, AttributeError):
            for point in self.items():
                _ = point[key]
            raise
        values = [value[0] if _is_wrapped(value) else value for value in values]
        return Entry(f"{self.where}: {key}", values).numbers()


def _finite(value: Any) -> Any:
    """Return a value with None in place of numbers that are not finite, at any depth."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _path_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_wrapped(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0
