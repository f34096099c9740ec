"""What kept results depend on: which differences are found, and how they are said."""

from pathlib import Path
from typing import Any

import pytest

from tarvitpose.config import vit_small
from tarvitpose.errors import ConfigError, OutputError
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import as_json, differences, read_facts, require_same

BEFORE: dict[str, Any] = {"model": vit_small().model_dump(), "optim": {"lr": 1e-3}, "boxes": None}


def test_each_key_of_a_model_that_differs_is_named_with_old_and_new() -> None:
    for key, value in (("mask_threshold", 0.3), ("mask_rule", "none"), ("offsets", (-1, 1))):
        now = {**BEFORE, "model": vit_small(**{key: value}).model_dump()}
        (line,) = differences(BEFORE, now)
        assert line.startswith(f"model.{key}: ")
    assert line == "model.offsets: -2,-1,1,2 -> -1,1"


def test_what_came_or_went_is_a_difference() -> None:
    assert differences({"a": 1}, {"a": 1, "b": True}) == ["b: not noted -> true"]
    assert differences({"a": 1, "c": None}, {"a": 1}) == ["c: not given -> not noted"]
    assert differences({"videos": {"x": 1}}, {"videos": {}}) != []


def test_facts_survive_json(tmp_path: Path) -> None:
    facts = {"offsets": (-2, 1), "path": tmp_path, "nested": {"kinds": ("clean",), "rate": 5e-6}}
    write_json(tmp_path / "facts.json", facts)
    known = read_facts(tmp_path / "facts.json")
    assert known == as_json(facts)
    assert differences(known or {}, facts) == []
    assert read_facts(tmp_path / "none.json") is None
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(OutputError, match=r"list\.json: expected an object, found a list"):
        read_facts(tmp_path / "list.json")


def test_a_message_names_what_is_kept_what_differs_and_what_to_do() -> None:
    now = {**BEFORE, "optim": {"lr": 5e-4}, "boxes": "0123456789ab" + 52 * "c"}
    with pytest.raises(ConfigError) as caught:
        require_same("runs/s/last.ckpt", BEFORE, now, "pass --fresh", ConfigError)
    assert str(caught.value) == (
        "runs/s/last.ckpt: made with other settings or data (optim.lr: 0.001 -> 0.0005; "
        "boxes: not given -> 0123456789ab...); pass --fresh"
    )
    many = {f"key{number}": number for number in range(9)}
    with pytest.raises(OutputError, match=r"key2: not noted -> 2 and 6 more\); wait$"):
        require_same("x", {}, many, "wait")
    with pytest.raises(OutputError) as caught_old:
        require_same("x", None, many, "wait")
    assert str(caught_old.value) == "x: an earlier version made it without noting from what; wait"
    require_same("x", many, dict(reversed(many.items())), "wait")
