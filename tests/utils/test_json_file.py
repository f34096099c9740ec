"""JSON files: one reader for all, and errors that name file, entry and field."""

import json
from pathlib import Path
from typing import Any

import pytest

from tarvitpose.errors import BoxesError, DataError, UserError
from tarvitpose.utils.json_file import Entry, read_entry, read_json, write_json


@pytest.mark.parametrize("error", [DataError, BoxesError])
def test_what_cannot_be_read_names_the_file_in_one_line(
    error: type[UserError], tmp_path: Path
) -> None:
    broken, binary = tmp_path / "broken.json", tmp_path / "binary.json"
    broken.write_text('{"a": [1,\n', encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, message in (
        (tmp_path / "none.json", "no such file"),
        (tmp_path, "is a folder, expected a file"),
        (broken, "not readable JSON"),
        (binary, "not readable JSON"),
    ):
        with pytest.raises(error) as caught:
            read_json(path, error)
        assert str(caught.value).startswith(f"{path}: {message}")
        assert "\n" not in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "windows.json"
    path.write_text(json.dumps({"ä": 1}), encoding="utf-8-sig")
    assert read_json(path) == {"ä": 1}


def test_places_are_told_down_to_the_field(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"people": [{}, {"box": [1, 2], "id": null}]}', encoding="utf-8")
    person = read_entry(path)["people"].items()[1]
    assert person.position == "1"
    assert person["box"].where == f"{path}: people[1].box"
    assert person["box"].numbers(2).tolist() == [1, 2]
    with pytest.raises(DataError) as caught:
        _ = person["id"]
    assert str(caught.value) == f"{path}: people[1]: id is missing"


@pytest.mark.parametrize(("value", "filled"), [([], False), (None, False), ([0], True), (3, True)])
def test_fields_that_hold_nothing_are_not_filled(value: Any, filled: bool) -> None:
    assert (Entry("a", {"k": value}).non_empty("k") is not None) == filled


def test_whole_numbers_may_stand_in_a_list() -> None:
    assert Entry("a", 3).integer() == Entry("a", [3]).integer() == 3
    for wrong in (True, 1.5, "3", [], None):
        with pytest.raises(DataError, match="a: expected a whole number"):
            Entry("a", wrong).integer()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    content = {"name": "ä", "path": tmp_path, "scores": (1.5, float("nan")), "top": float("inf")}
    for indent in (None, 2):
        write_json(tmp_path / "new" / "a.json", content, indent=indent)
        assert read_json(tmp_path / "new" / "a.json") == {
            "name": "ä",
            "path": str(tmp_path),
            "scores": [1.5, None],
            "top": None,
        }


def test_what_is_no_json_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError, match="set cannot be written as JSON"):
        write_json(tmp_path / "a.json", {"value": {1, 2}})
    assert read_json(tmp_path / "a.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
