"""What pydantic finds wrong with a value, in words, and fields under the names of options."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tarvitpose.utils.source_names import short

FLAGS = {  # fields that have another name on the command line
    "formats": "format",
    "layout": "format",
    "set_name": "set",
    "json_file": "json",
    "samples": "bootstrap",
    "batches": "batch",
}
WHOLE, NUMBER, TRUTH = "must be a whole number", "must be a number", "must be true or false"
LIMITS = {  # what pydantic checks, in words
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), NUMBER),
    "path_type": "must be a path",
    "string_type": "must be a text",
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
    **dict.fromkeys(("dict_type", "model_type"), "must be a section with keys"),
    **dict.fromkeys(("bool_type", "bool_parsing"), TRUTH),
}


def in_words(error: Mapping[str, Any]) -> str:
    """Return what pydantic says of a value, in words that name the limit and what came.

    >>> in_words({"type": "greater_than", "ctx": {"gt": 0.0}, "input": -1.0, "msg": "..."})
    'must be above 0, got -1'
    """
    if error["type"] == "missing":
        return "is missing"
    known = LIMITS.get(error["type"])
    if known is None:
        return str(error["msg"]).removeprefix("Value error, ")
    limits = {key: f"{value}".removesuffix(".0") for key, value in error.get("ctx", {}).items()}
    return f"{known.format(**limits)}, got {_shown(error['input'])}"


def _shown(value: Any) -> str:
    """Return a value as people write it: 0 for 0.0, -1 also for a text of it."""
    if isinstance(value, float):
        return f"{value:g}"
    is_number = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
    return short(str(value) if is_number else repr(value))


def option_name(key: str) -> str:
    """Return how the command line calls a field.

    >>> option_name("det_every"), option_name("samples")
    ('--det-every', '--bootstrap')
    """
    return f"--{FLAGS.get(key, key).replace('_', '-')}"


def of_options(fields: Iterable[str], key: str, message: str) -> str:
    """Return a message about a field, or about several without a key, as one about options.

    >>> of_options(["end"], "end", "must be above 0, got 0")
    '--end must be above 0, got 0'
    >>> of_options(["end", "start"], "", "end 2 must come after start 3")
    '--end 2 must come after --start 3'
    """
    if key:
        return f"{option_name(key.partition('.')[0])} {message}"
    return re.sub(rf"\b({'|'.join(fields)})\b", lambda match: option_name(match[0]), message)
