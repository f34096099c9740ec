"""Numbers from files: finite, in range and of their type, or refused.

A reader of JSON, tables or arrays takes its numbers through these functions. They return None for
what is refused, so that the reader can say in its own error where the value stands.
"""

import numpy as np

from tarvitpose.utils.arrays import Bools, Float32, Float64

LARGEST = 1e18  # of a size; sums of its squares still fit in float32
INT64 = range(-(2**63), 2**63)


def whole_number(value: object) -> int | None:
    """Return a whole number of 64 bits, None for anything else.

    Tables and other languages write 7 as 7.0.

    >>> whole_number(7), whole_number(7.0), whole_number(7.5), whole_number(True)
    (7, 7, None, None)
    >>> whole_number(2**63 - 1), whole_number(2**63), whole_number(1e300)
    (9223372036854775807, None, None)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if value in INT64 else None


def real_number(value: object) -> float | None:
    """Return a number as a float, None for what is not finite, too large or no number.

    >>> real_number(7), real_number(-0.5), real_number("7"), real_number(True)
    (7.0, -0.5, None, None)
    >>> real_number(float("nan")), real_number(float("inf")), real_number(10**400)
    (None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None


def real_numbers(values: object) -> Float64 | None:
    """Return a list of numbers as an array (count,), None unless `real_number` takes each.

    >>> real_numbers([1, 2.5])
    array([1. , 2.5])
    >>> real_numbers([1, "2"]), real_numbers([1, None]), real_numbers([[1], [2]])
    (None, None, None)
    """
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        return None
    try:
        numbers = np.array(values, np.float64)
    except OverflowError:
        return None
    return numbers if in_range(numbers).all() else None


def in_range(values: Float32 | Float64) -> Bools:
    """Return for each number of an array whether `real_number` would take it.

    >>> in_range(np.array([1.0, -1e18, 1e19, np.inf, np.nan]))
    array([ True,  True, False, False, False])
    """
    inside: Bools = np.abs(values) <= LARGEST
    return inside


def parse_number(text: str) -> float | None:
    """Return the number that a text states, None for what `real_number` refuses.

    >>> parse_number(" 7.5 "), parse_number("1e3"), parse_number("inf"), parse_number("1_0")
    (7.5, 1000.0, None, None)
    """
    try:
        return real_number(float(text)) if text.isascii() and "_" not in text else None
    except ValueError:
        return None
