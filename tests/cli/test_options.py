"""Options of the verbs: each is a field of a configuration, with its default, limits and help."""

from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from tarvitpose.cli.options import field_names, with_options
from tarvitpose.config import EstimatorConfig, PredictConfig
from tarvitpose.errors import ConfigError
from tarvitpose.utils.config_base import Config


class Base(Config):
    """What Clip inherits."""

    speed: float = Field(default=1.0, gt=0, description="How fast.")


class Clip(Base):
    """A configuration with options of several types."""

    end: float | None = Field(default=None, ge=0, le=9, description="Where to stop.")
    offsets: tuple[int, ...] | None = Field(default=None, description="Other frames.")
    output: Path = Field(default=Path("results"), description="Where results go.")


def call(*arguments: str, names: tuple[str, ...] = (), **helps: str) -> tuple[Any, list[Config]]:
    """Run a verb that takes a Clip, and return its result and the configurations it received."""
    received: list[Config] = []

    @with_options(Clip, *names, **helps)
    def verb(name: str, *, config: Clip, quiet: bool = False) -> None:
        assert (name, quiet) == ("dance", "--quiet" in arguments)
        received.append(config)

    app = typer.Typer(rich_markup_mode=None)
    app.command()(verb)
    return CliRunner().invoke(app, list(arguments)), received


def test_a_verb_receives_its_options_as_one_object() -> None:
    result, received = call("dance", "--offsets=-1,2", "-o", "there", "--speed", "2", "--quiet")
    assert result.exit_code == 0, result.output
    assert received == [Clip(offsets=(-1, 2), output=Path("there"), speed=2)]


def test_without_options_it_is_the_default_configuration() -> None:
    assert call("dance")[1] == [Clip()]


def test_help_shows_description_default_and_limits() -> None:
    text = call("--help", end="Where the clip ends.")[0].output
    assert "How fast." in text
    assert "[default: 1.0]" in text
    assert "Where the clip ends." in text
    assert "Where to stop." not in text
    assert "[0<=x<=9]" in text
    assert text.index("--offsets") < text.index("--speed")  # inherited fields come last


def test_a_verb_may_take_only_some_of_the_fields() -> None:
    assert call("dance", "--end", "3", names=("end",))[1] == [Clip(end=3)]
    assert call("dance", "--speed", "3", names=("end",))[0].exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "0"], "--speed must be above 0, got 0"),
        (["--offsets=1;2"], "--offsets=1;2: expected whole numbers, separated by commas"),
    ],
)
def test_a_wrong_value_names_its_option(arguments: list[str], message: str) -> None:
    result, received = call("dance", *arguments)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(message)
    assert not received


@pytest.mark.parametrize("kind", [EstimatorConfig, PredictConfig])
def test_every_field_is_listed_once(kind: type[Config]) -> None:
    names = field_names(kind)
    assert sorted(names) == sorted(kind.model_fields)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [*PredictConfig.model_fields])
def test_every_option_of_predict_has_a_sentence_of_help(name: str) -> None:
    description = PredictConfig.model_fields[name].description
    assert name == "anchor" or (description and description.endswith("."))
