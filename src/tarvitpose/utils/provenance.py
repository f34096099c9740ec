"""What a stored result depends on: written beside it, and compared before it is used again.

Everything that is stored for later (the state of a training, encoded clips, predictions, the rows
of an ablation, an interrupted `predict`, prepared data) has its facts beside it, and is checked by
`require_same` before it is used. Files are compared by content, never by path, because data may
move.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tarvitpose.errors import OutputError, UserError
from tarvitpose.utils.json_file import read_json
from tarvitpose.utils.source_names import short
from tarvitpose.utils.words import kind_of

Facts = dict[str, Any]  # by name, nested or not, as JSON can hold them
NAMED = 3  # differences that a message names
DIGITS = 12  # of a SHA-256 that a message shows


def require_same(
    result: object,
    before: Facts | None,
    now: Facts,
    remedy: str,
    error: type[UserError] = OutputError,
) -> None:
    """Raise `error` unless a stored result was made from the facts of now.

    The message begins with `result`, usually a path, and names the facts that differ: key, old,
    new. `before` are the facts it was made from, None if it does not state them. `remedy` tells the
    user what to do.
    """
    if before is None:
        raise error(f"{result}: an earlier version made it without noting from what; {remedy}")
    changed = differences(before, now)
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        named = "; ".join(changed[:NAMED])
        raise error(f"{result}: made with other settings or data ({named}{more}); {remedy}")


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
    """Return the facts in a JSON file, None without the file. Raises OutputError."""
    if not path.exists():
        return None
    values = read_json(path, OutputError)
    if not isinstance(values, dict):
        raise OutputError(f"{path}: expected an object, found {kind_of(values)}")
    return values


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
    return short(re.sub(rf"\b([0-9a-f]{{{DIGITS}}})[0-9a-f]{{{64 - DIGITS}}}\b", r"\1...", text))
