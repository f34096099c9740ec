"""What a kept result depends on: noted beside it, and compared before it is used again.

Everything that keeps something for later (a training's state, encoded clips, predictions, the rows
of an ablation, an interrupted `predict`, prepared data) notes its facts and asks `require_same`
before it goes on. Of files the content counts, never the path: data may move.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tarvitpose.errors import OutputError, UserError
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.json_file import read_json

Facts = dict[str, Any]  # by name, nested or not, as JSON can hold them
NAMED = 3  # differences that a message names
DIGITS = 12  # of a SHA-256 that a message shows
LONGEST = 60  # characters of a value that a message shows


def require_same(
    kept: object,
    before: Facts | None,
    now: Facts,
    remedy: str,
    error: type[UserError] = OutputError,
) -> None:
    """Raise `error` unless what is kept was made of the facts of now.

    `kept` is named first, usually a path; `before` is what it was made of, None if it does not
    say. `remedy` tells what to do. The message names each fact that differs: key, old, new.
    """
    if before is None:
        raise error(f"{kept}: an earlier version made it and did not note of what; {remedy}")
    changed = differences(before, now)
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        named = "; ".join(changed[:NAMED])
        raise error(f"{kept}: made with other settings or data ({named}{more}); {remedy}")


def differences(before: Facts, now: Facts) -> list[str]:
    """Return what differs, a text for each key; nested keys are joined by dots.

    >>> differences({"optim": {"lr": 0.1}, "seed": 0}, {"optim": {"lr": 0.2}, "seed": 0})
    ['optim.lr: 0.1 -> 0.2']
    """
    old, new = dict(_flat(as_json(before))), dict(_flat(as_json(now)))
    return [
        f"{key}: {_shown(old, key)} -> {_shown(new, key)}"
        for key in dict.fromkeys([*new, *old])
        if key not in old or key not in new or old[key] != new[key]
    ]


def as_json(facts: Facts) -> Facts:
    """Return facts as they come back from a JSON file: tuples as lists, paths as text."""
    loaded: Facts = json.loads(json.dumps(facts, default=str))
    return loaded


def read_facts(path: Path) -> Facts | None:
    """Return the facts that a JSON file notes, None without the file. Raises OutputError."""
    if not path.exists():
        return None
    values = read_json(path, OutputError)
    if not isinstance(values, dict):
        raise OutputError(f"{path}: expected an object, found {type(values).__name__}")
    return values


def write_facts(path: Path, facts: Facts) -> None:
    """Note facts in a JSON file, whole or not at all. Raises OutputError."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")


def digest(path: Path, error: type[UserError] = OutputError) -> str:
    """Return the SHA-256 of a file, as `sha256sum` prints it; read once while it stays as it is.

    Raises `error` if it cannot be read.
    """
    try:
        state = path.stat()
        return _digest(path.absolute(), state.st_size, state.st_mtime_ns)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None


def digest_of(files: Iterable[Path], error: type[UserError] = OutputError) -> str:
    """Return the SHA-256 of one file, or of a list of the names and SHA-256 of several."""
    files = list(files)
    if len(files) == 1:
        return digest(files[0], error)
    lines = "".join(f"{digest(path, error)}  {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def files_in(path: Path) -> list[Path]:
    """Return the file itself, or all files in a folder and below it."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def sample_digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the first, the middle and the last file: they stand for thousands.

    Those that are not there are left out; whoever reads them says so.
    """
    some = dict.fromkeys(files[at] for at in (0, len(files) // 2, -1)) if files else {}
    return digest_of(path for path in some if path.is_file())


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _shown(values: Mapping[str, Any], key: str) -> str:
    """Return a value in words, a SHA-256 by its first digits.

    >>> _shown({"flip": True, "offsets": [-2, 1]}, "flip"), _shown({"offsets": [-2, 1]}, "offsets")
    ('true', '-2,1')
    """
    if key not in values:
        return "not noted"
    value = values[key]
    if value is None:
        return "not given"
    if isinstance(value, list):
        value = ",".join(map(str, value)) or "none"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = re.sub(rf"\b([0-9a-f]{{{DIGITS}}})[0-9a-f]{{{64 - DIGITS}}}\b", r"\1...", text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
