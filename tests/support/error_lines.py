"""The single line that an error says to a user."""

from collections.abc import Callable
from typing import Any

import pytest

from tarvitpose.errors import UserError


def error_line(kind: type[UserError], call: Callable[..., Any], *values: Any, **more: Any) -> str:
    """Call a function that must raise this error, and return its message, a single line."""
    with pytest.raises(kind) as caught:
        call(*values, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message
