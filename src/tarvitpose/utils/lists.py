"""Values of options that are lists with commas, and sizes written as 256x192."""

import difflib
from collections.abc import Sequence
from typing import TypeVar

from tarvitpose.errors import ConfigError
from tarvitpose.utils.source_names import short

Name = TypeVar("Name", bound=str)
ALL = "all"
LONGEST_SIZE = 20  # characters


def split_list(text: str) -> list[str]:
    """Return the parts of a list with commas, each without the blanks around it.

    >>> split_list("csv, coco")
    ['csv', 'coco']
    """
    return [part.strip() for part in text.split(",")]


def parse_choices(
    option: str, text: str, known: Sequence[Name], *, allow_all: bool = False
) -> tuple[Name, ...]:
    """Return the names of a list, each once; with `allow_all`, "all" stands for every known name.

    Raises ConfigError for a name that is not known.

    >>> parse_choices("--modes", "single, windowed,single", ("windowed", "single"))
    ('single', 'windowed')
    >>> parse_choices("--modes", "all", ("windowed", "single"), allow_all=True)
    ('windowed', 'single')
    """
    by_name = {str(name): name for name in known}
    parts = split_list(text)
    names = [name for name in dict.fromkeys(parts) if not (allow_all and name == ALL)]
    for name in names:
        if name not in by_name:
            close = difflib.get_close_matches(name, by_name, n=1)
            expected = f"{f'{ALL} or ' if allow_all else ''}some of {', '.join(by_name)}"
            hint = f"did you mean {close[0]}?" if close else f"expected {expected}"
            raise ConfigError(f"{option} {text}: unknown name {name!r}; {hint}")
    return tuple(known) if allow_all and ALL in parts else tuple(by_name[name] for name in names)


def parse_whole_numbers(
    option: str, text: str, example: str, least: int | None = None
) -> tuple[int, ...]:
    """Return the whole numbers of a list, `least` or more each. Raises ConfigError.

    >>> parse_whole_numbers("--offsets", "-2,-1, 1", "-2,-1,1,2")
    (-2, -1, 1)
    """
    try:
        numbers = tuple(int(part) for part in split_list(text))
    except ValueError:
        numbers = ()
    if not numbers or (least is not None and min(numbers) < least):
        limit = "" if least is None else f" from {least} on"
        raise ConfigError(
            f"{option}={short(text)}: expected whole numbers{limit}, separated by commas, such as "
            f"{option}={example}"
        )
    return numbers


def parse_sizes(option: str, text: str) -> list[tuple[int, int]]:
    """Return the heights and widths of a list. Raises ConfigError.

    >>> parse_sizes("--inputs", "256x192,384x288")
    [(256, 192), (384, 288)]
    """
    sizes = []
    for part in split_list(text.lower()):
        height, _, width = part.partition("x")
        if not (height.isdecimal() and width.isdecimal() and len(part) <= LONGEST_SIZE):
            raise ConfigError(
                f"{option} {short(text)}: expected HEIGHTxWIDTH, such as {option} 256x192"
            )
        sizes.append((int(height), int(width)))
    return sizes


def parse_size(option: str, text: str) -> tuple[int, int]:
    """Return height and width. Raises ConfigError.

    >>> parse_size("--input-size", "256x192")
    (256, 192)
    """
    sizes = parse_sizes(option, text)
    if len(sizes) != 1:
        raise ConfigError(f"{option} {short(text)}: expected one size, such as 256x192")
    return sizes[0]
