"""Numbers from files are finite, in range and of their type, or refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tarvitpose.errors import DataError
from tarvitpose.utils.json_file import Entry, read_entry
from tarvitpose.utils.numeric import (
    in_range,
    parse_number,
    real_number,
    real_numbers,
    whole_number,
)

REFUSED = [math.nan, math.inf, -math.inf, 1e19, -1e300, 10**400, "1", True, None, [1], {}]


@pytest.mark.parametrize("value", REFUSED)
def test_what_is_no_number_in_range_is_refused(value: object) -> None:
    assert real_number(value) is None
    assert whole_number(value) is None
    assert real_numbers([0.5, value]) is None


@pytest.mark.parametrize("value", [0, -7, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_whole_numbers_of_64_bits_stay_exact(value: int) -> None:
    assert whole_number(value) == value
    assert np.int64(value) == value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 9.3e18])
def test_whole_numbers_beyond_64_bits_are_refused(value: float) -> None:
    assert whole_number(value) is None


def test_numbers_in_range_survive_float32_and_their_squares_too() -> None:
    numbers = real_numbers([1e18, -1e18, 0.1, 5])
    assert numbers is not None
    assert np.isfinite(np.square(numbers.astype(np.float32)).sum())


def test_arrays_are_checked_number_by_number() -> None:
    values = np.array([[1, np.nan], [np.inf, -2e18]], np.float32)
    assert in_range(values).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("text", ["", "x", "nan", "-inf", "1e999", "9" * 400, "1_000", "٣", "0x10"])
def test_texts_that_state_no_number_in_range_are_refused(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize("value", ["9" * 400, "1e400", "NaN", "-Infinity", "1e30", '"1"', "true"])
def test_a_wrong_number_in_json_is_one_short_line_with_its_field(
    value: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'{{"box": [1, 2, 3, {value}]}}', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_entry(path)["box"].numbers(4)
    assert str(caught.value).startswith(f"{path}: box: ")
    assert len(str(caught.value)) < len(str(path)) + 130


def test_ids_beyond_64_bits_are_no_whole_numbers() -> None:
    for read in (Entry.integer, Entry.identity):
        with pytest.raises(DataError, match=r"a: expected a whole number, found 9{57}\.\.\."):
            read(Entry("a", json.loads("9" * 400)))
