"""Configurations from YAML files and other values; every error is one line and names its field."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tarvitpose.errors import ConfigError
from tarvitpose.utils.config_messages import in_words, of_options
from tarvitpose.utils.reading import readable, reason_of, require_file
from tarvitpose.utils.source_names import short
from tarvitpose.utils.words import kind_of

OPTIONS = "the command line"  # the source of values that are options
LARGEST = 1_000_000  # bytes of a file
MOST_VALUES, DEEPEST = 20_000, 20
AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


def parse_config(kind: type[AnyConfig], values: dict[str, Any], source: str) -> AnyConfig:
    """Build a configuration, or raise ConfigError in one line that names source and field.

    Where `source` is `OPTIONS`, the fields are named as options of the command line.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key, message = ".".join(short(str(part)) for part in first["loc"]), in_words(first)
        if source == OPTIONS:
            raise ConfigError(of_options(kind.model_fields, key, message)) from None
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{source}: unknown key {key}{_hint(kind, first['loc'])}") from None
        where = f"{key}: " if key else ""
        raise ConfigError(f"{source}: {where}{message}") from None


def _hint(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Name the key that was probably meant."""
    for part in location[:-1]:
        inner = kind.model_fields[str(part)].annotation if part in kind.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        kind = inner
    close = difflib.get_close_matches(str(location[-1]), kind.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""


class _Loader(yaml.SafeLoader):
    """Reads dates as the texts that they are: no configuration has any."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (as PyYAML declares it)
        first: [(tag, form) for tag, form in forms if not tag.endswith(":timestamp")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def shipped_configs() -> Path:
    """Return the folder of the configurations that come with the package."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parents[1] / "configs"  # of a working copy


def find_config(path: Path) -> Path:
    """Return the file, or if there is none the one of that name that comes with the package.

    "posetrack17/s" and "configs/posetrack17/s.yaml" are the same there.
    """
    if path.exists() or path.is_absolute():
        return path
    parts = path.parts[1:] if path.parts[:1] == ("configs",) else path.parts
    shipped = shipped_configs().joinpath(*parts)
    named = shipped if shipped.suffix == ".yaml" else shipped.with_name(f"{shipped.name}.yaml")
    return named if parts and ".." not in parts and named.is_file() else path


def read_yaml(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML file and apply `section.key=value` overrides. Raises ConfigError."""
    file = find_config(path)
    require_file(file, ConfigError, "no such configuration file")
    with readable(file, "YAML", ConfigError), file.open("rb") as opened:
        data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ConfigError(f"{path}: larger than {LARGEST // 1000} kB, so not a configuration")
    values = _parse(data, str(path))
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections with keys, found {kind_of(values)}")
    for override in overrides:
        key, equals, value = override.partition("=")
        source = repr(short(override))
        if not equals or not key:
            raise ConfigError(f"{source}: expected key=value, such as train.steps=100")
        _set(values, key.split("."), _parse(value, source), key)
    return values


def _parse(text: bytes | str, source: str) -> Any:
    """Return the value that YAML stands for. Raises ConfigError."""
    try:
        value = yaml.load(text, _Loader)
        _check_plain(value, [MOST_VALUES], 0)
    except Exception as error:  # PyYAML raises whatever an odd tag or number makes of its parts
        reason = reason_of(error) if str(error) else "nested too deeply"
        raise ConfigError(f"{source}: not readable YAML ({short(reason)})") from None
    return value


def _check_plain(value: Any, left: list[int], depth: int) -> None:
    """Raise ValueError for what JSON does not have, for sections in themselves, and for too much.

    `left` holds how many values there may still be; a value that is named twice counts twice.
    """
    left[0] -= 1
    if depth > DEEPEST:
        raise ValueError(f"sections within sections, more than {DEEPEST} deep")
    if left[0] < 0:
        raise ValueError(f"more than {MOST_VALUES} values")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {short(repr(key))} is no text; write it in quotes")
            _check_plain(item, left, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, left, depth + 1)
    elif isinstance(value, str) and "\0" in value:
        raise ValueError(f"a text with a NUL: {short(repr(value))}")
    elif not isinstance(value, str | int | float | None):
        raise ValueError(f"a value of the type {type(value).__name__}")


def _set(values: dict[str, Any], keys: list[str], value: Any, whole: str) -> None:
    for key in keys[:-1]:
        if values.get(key) is None:  # an absent or an empty section
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise ConfigError(f"{short(whole)}: {short(key)} is a value, it has no keys")
    values[keys[-1]] = value
