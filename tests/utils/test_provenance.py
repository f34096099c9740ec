"""What kept results depend on: which differences are found, and how they are said."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tarvitpose.config import vit_small
from tarvitpose.errors import ConfigError, OutputError
from tarvitpose.utils.provenance import (
    as_json,
    differences,
    digest,
    digest_of,
    files_in,
    read_facts,
    require_same,
    sample_digest,
    write_facts,
)

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
    write_facts(tmp_path / "facts.json", facts)
    known = read_facts(tmp_path / "facts.json")
    assert known == as_json(facts)
    assert differences(known or {}, facts) == []
    assert read_facts(tmp_path / "none.json") is None
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(OutputError, match=r"list\.json: expected an object, found list"):
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
    assert str(caught_old.value) == "x: an earlier version made it and did not note of what; wait"
    require_same("x", many, dict(reversed(many.items())), "wait")


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    one, other = tmp_path / "a.bin", tmp_path / "b" / "b.bin"
    other.parent.mkdir()
    one.write_bytes(b"one")
    other.write_bytes(b"other")
    own = [hashlib.sha256(content).hexdigest() for content in (b"one", b"other")]
    assert digest(one) == digest_of([one]) == own[0]
    lines = f"{own[0]}  a.bin\n{own[1]}  b.bin\n"
    assert digest_of(files_in(tmp_path)) == hashlib.sha256(lines.encode()).hexdigest()
    one.write_bytes(b"two")  # of the same length
    assert digest(one) == hashlib.sha256(b"two").hexdigest()
    with pytest.raises(ConfigError, match=r"none: cannot be read \(No such file"):
        digest(tmp_path / "none", ConfigError)


def test_three_files_stand_for_many_and_missing_ones_are_left_out(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(7)]
    for path in files:
        path.write_bytes(path.name.encode())
    known = sample_digest(files)
    files[1].write_bytes(b"another")
    assert sample_digest(files) == known
    for at in (0, 3, 6):
        content = files[at].read_bytes()
        files[at].write_bytes(b"another")
        assert sample_digest(files) != known
        files[at].write_bytes(content)
    files[0].unlink()
    assert sample_digest(files) == digest_of([files[3], files[6]])
    assert sample_digest([]) == digest_of([])
