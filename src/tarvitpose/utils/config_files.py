"""Configurations from YAML files and other values; every error is one line and names its field."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tarvitpose.errors import ConfigError
from tarvitpose.utils.config_messages import in_words, of_options

OPTIONS = "the command line"  # the source of values that are options
AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


def parse_config(kind: type[AnyConfig], values: dict[str, Any], source: str) -> AnyConfig:
    """Build a configuration, or raise ConfigError in one line that names source and field.

    Where `source` is `OPTIONS`, the fields are named as options of the command line.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key, message = ".".join(str(part) for part in first["loc"]), in_words(first)
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


def read_yaml(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a YAML file and apply `section.key=value` overrides. Raises ConfigError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not readable YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections with keys, found {type(values).__name__}")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"{override!r}: expected key=value, such as train.steps=100")
        _set(values, key.split("."), _yaml_value(override, value), key)
    return values


def _yaml_value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{override!r}: the value is not YAML") from None


def _set(values: dict[str, Any], keys: list[str], value: Any, whole: str) -> None:
    for key in keys[:-1]:
        if values.get(key) is None:  # an absent or an empty section
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise ConfigError(f"{whole}: {key} is a value, it has no keys")
    values[keys[-1]] = value
