"""Every number of every configuration, and of every option of a verb, has a range."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError, create_model
from typer.main import get_command

import tarvitpose
from tarvitpose.cli import app
from tarvitpose.utils.config_base import Config

NUMBERS = ("integer", "number")
LOWEST, HIGHEST = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
HOSTILE = (1e300, -1e300, float("nan"), float("inf"), 10**400, -(10**400), "1e300", "nan")


def configurations() -> list[type[Config]]:
    for module in pkgutil.walk_packages(tarvitpose.__path__, "tarvitpose."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds, waiting = [], [Config]
    while waiting:
        below = [kind for kind in waiting.pop().__subclasses__() if kind.__module__[:4] == "tarv"]
        kinds += below
        waiting += below
    return sorted(set(kinds), key=lambda kind: kind.__name__)


KINDS = configurations()


@cache
def alone(kind: type[Config], name: str) -> Any:
    """Return a configuration with a single field of another."""
    field: Any = kind.model_fields[name]
    return create_model("Alone", __base__=Config, **{name: (field.annotation, field)})


def schema(kind: type[Config], name: str) -> dict[str, Any]:
    """Return what JSON may stand in a field; sections are looked at as configurations."""
    whole: dict[str, Any] = alone(kind, name).model_json_schema()
    return dict(whole["properties"][name])


def numbers(node: Any) -> Iterator[dict[str, Any]]:
    """Walk a JSON schema to the numbers in it."""
    if isinstance(node, dict):
        if node.get("type") in NUMBERS:
            yield node
        for part in node.values():
            yield from numbers(part)
    elif isinstance(node, list):
        for part in node:
            yield from numbers(part)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_number_has_a_least_and_a_largest_value(kind: type[Config]) -> None:
    for name in kind.model_fields:
        for number in numbers(schema(kind, name)):
            low = [number[key] for key in LOWEST if key in number]
            high = [number[key] for key in HIGHEST if key in number]
            assert low, (name, number)
            assert high, (name, number)
            assert max(map(abs, (*low, *high))) <= 2**63


def shaped(node: dict[str, Any], value: Any) -> Iterator[Any]:
    """Yield values of the form of a field, with a hostile number where one belongs."""
    if node.get("type") in NUMBERS:
        yield value
    for part in node.get("anyOf", ()):
        yield from shaped(part, value)
    if node.get("type") == "array" and "prefixItems" in node:
        forms = [next(shaped(part, value), None) for part in node["prefixItems"]]
        if None not in forms:
            yield forms
    elif node.get("type") == "array" and isinstance(node.get("items"), dict):
        yield from ([form] for form in shaped(node["items"], value))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: str(value)[:6])
def test_numbers_out_of_all_range_are_refused(value: Any) -> None:
    fields = [(kind, name) for kind in KINDS for name in kind.model_fields]
    forms = [(*field, form) for field in fields for form in shaped(schema(*field), value)]
    assert len(forms) > 100
    for kind, name, form in forms:
        with pytest.raises(ValidationError):  # else this field takes it
            alone(kind, name)(**{name: form})


def options(command: Any, verb: str = "") -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from options(inner, f"{verb} {name}".strip())
        return
    for option in command.params:
        annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
        if annotation in (int, float):
            yield f"{verb} {option.opts[0]}", option


def test_an_option_that_is_a_number_has_a_range() -> None:
    fields = {name for kind in KINDS for name in kind.model_fields}  # which are looked at above
    for name, option in options(get_command(app)):
        if option.name not in {*fields, "track"}:  # of tracks, those that there are are told
            assert option.min is not None, name
            assert option.max is not None, name
