"""Lists with commas: what is read from them, and what is refused in a line."""

import pytest

from tarvitpose.errors import ConfigError
from tarvitpose.utils.lists import parse_choices, parse_sizes, parse_whole_numbers

JOINTS = ("nose", "left_wrist", "right_wrist")


def test_names_are_known_and_each_once() -> None:
    assert parse_choices("--joints", " nose,left_wrist, nose", JOINTS) == ("nose", "left_wrist")
    assert parse_choices("--joints", "nose,all", JOINTS, allow_all=True) == JOINTS


@pytest.mark.parametrize(
    ("text", "allow_all", "message"),
    [
        ("nose,rihgt_wrist", False, "unknown name 'rihgt_wrist'; did you mean right_wrist?"),
        ("tail", False, "unknown name 'tail'; expected some of nose, left_wrist, right_wrist"),
        ("tail", True, "unknown name 'tail'; expected all or some of nose, left_wrist"),
        ("all", False, "unknown name 'all'; "),
        ("all,tail", True, "unknown name 'tail'; "),
        ("", True, "unknown name ''; "),
        ("nose,", False, "unknown name ''; "),
    ],
)
def test_unknown_names_are_refused(text: str, allow_all: bool, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_choices("--joints", text, JOINTS, allow_all=allow_all)
    assert str(caught.value).startswith(f"--joints {text}: {message}")


def test_whole_numbers_may_have_a_least_value() -> None:
    assert parse_whole_numbers("--seeds", "3, 0,-1", "0,1") == (3, 0, -1)
    for wrong in ("", "a", "1,,2", "1.5", "1;2", "0", "3,0"):
        with pytest.raises(ConfigError) as caught:
            parse_whole_numbers("--batch", wrong, "1,16", least=1)
        assert str(caught.value) == (
            f"--batch={wrong}: expected whole numbers from 1 on, separated by commas, such as "
            "--batch=1,16"
        )


def test_sizes_are_height_and_width() -> None:
    assert parse_sizes("--inputs", "256x192, 384X288") == [(256, 192), (384, 288)]
    endless = f"{'9' * 5000}x1"
    for wrong in ("", "256", "256x", "x192", "256x192x3", "-256x192", "256x192,", endless):
        with pytest.raises(ConfigError, match="expected HEIGHTxWIDTH, such as --inputs 256x192"):
            parse_sizes("--inputs", wrong)
