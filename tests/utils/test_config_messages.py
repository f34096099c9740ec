"""What is wrong with a value, in words: of every check that a configuration makes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tarvitpose.errors import ConfigError
from tarvitpose.utils.config_base import Config
from tarvitpose.utils.config_files import OPTIONS, parse_config
from tarvitpose.utils.config_messages import of_options


class Inner(Config):
    """A section."""

    side: Annotated[int, Field(multiple_of=16)] = 32


class Everything(Config):
    """A field for each kind of check."""

    needed: int = 1
    above: float = Field(default=1, gt=0)
    below: float = Field(default=1, lt=2.5)
    least: int = Field(default=2, ge=1)
    most: int = Field(default=2, le=9)
    choice: Literal["left", "right"] = "left"
    flag: bool = False
    path: Path = Path()
    text: str = ""
    numbers: tuple[int, ...] = ()
    inner: Inner = Inner()


class Needy(Config):
    """A field without a default."""

    det_every: int


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"above": 0}, "above: must be above 0, got 0"),
        ({"above": -0.5}, "above: must be above 0, got -0.5"),
        ({"above": float("nan")}, "above: must be a number, got nan"),
        ({"above": "fast"}, "above: must be a number, got 'fast'"),
        ({"below": 2.5}, "below: must be below 2.5, got 2.5"),
        ({"least": 0}, "least: must be 1 or more, got 0"),
        ({"most": "10"}, "most: must be 9 or less, got 10"),  # a text of a number is a number
        ({"needed": 1.5}, "needed: must be a whole number, got 1.5"),
        ({"needed": "k"}, "needed: must be a whole number, got 'k'"),
        ({"choice": "up"}, "choice: must be 'left' or 'right', got 'up'"),
        ({"flag": "perhaps"}, "flag: must be true or false, got 'perhaps'"),
        ({"path": 7}, "path: must be a path, got 7"),
        ({"text": 7}, "text: must be a text, got 7"),
        ({"numbers": 7}, "numbers: must be a list, got 7"),
        ({"numbers": [1, "x"]}, "numbers.1: must be a whole number, got 'x'"),
        ({"inner": 7}, "inner: must be a section with keys, got 7"),
        ({"inner": {"side": 20}}, "inner.side: must be a multiple of 16, got 20"),
        ({"inner": {"sied": 32}}, "unknown key inner.sied; did you mean side?"),
    ],
)
def test_every_check_names_the_limit_and_what_came(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(Everything, values, "a.yaml")
    assert str(raised.value) == f"a.yaml: {message}"


def test_a_field_that_is_missing_is_named_as_the_file_or_the_command_line_has_it() -> None:
    with pytest.raises(ConfigError, match=r"^a\.yaml: det_every: is missing$"):
        parse_config(Needy, {}, "a.yaml")
    with pytest.raises(ConfigError, match=r"^--det-every is missing$"):
        parse_config(Needy, {}, OPTIONS)


def test_a_value_of_any_length_leaves_a_line_that_can_be_read() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(Everything, {"choice": "x" * 10_000}, "a.yaml")
    assert len(str(raised.value)) < 150


def test_only_whole_names_of_fields_become_options() -> None:
    message = "end 2 must come after start 3, as a restart does"
    assert of_options(["end", "start"], "", message) == (
        "--end 2 must come after --start 3, as a restart does"
    )
