"""The store of encoded crops: what is damaged, missing or without room is one line."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tarvitpose.errors import ConfigError, OutputError
from tarvitpose.evaluation.feature_cache import ABOUT, FeatureCache

FACTS = {"seed": 0}
LENGTH = 5


def stored(folder: Path, count: int = 3) -> FeatureCache:
    """Return a store with `count` of five rows."""
    cache = FeatureCache(folder)
    rows = {"features": np.ones((count, 2, 4), np.float16), "visible": np.ones((count, 3))}
    cache.append(rows, [str(at) for at in range(count)], length=LENGTH, facts=FACTS)
    return cache


def test_rows_come_back_and_others_follow_them(tmp_path: Path) -> None:
    stored(tmp_path / "store")
    again = FeatureCache(tmp_path / "store")
    assert (again.names, again.facts) == (["0", "1", "2"], FACTS)
    rows = {"features": np.full((2, 2, 4), 7, np.float16), "visible": np.zeros((2, 3))}
    again.append(rows, ["a", "b"], length=LENGTH, facts=FACTS)
    arrays = FeatureCache(tmp_path / "store").load()
    assert arrays["features"][:, 0, 0].tolist() == [1, 1, 1, 7, 7]
    assert arrays["visible"].shape == (LENGTH, 3)


def test_files_have_all_their_space_before_a_row_is_written(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.append({"features": np.ones((1, 4096))}, ["a"], length=100, facts=FACTS)
    size = (tmp_path / "features.npy").stat()
    assert size.st_blocks * 512 >= size.st_size > 100 * 4096 * 8


def test_a_full_disk_is_one_line_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"features.npy: cannot be written \(No space left"):
        stored(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable array"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'shape': (", "not a readable array"),
        (b"no array at all", "not a readable array"),
        (None, "no such file"),
    ],
)
def test_damaged_arrays_are_refused_in_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    stored(tmp_path)
    path = tmp_path / "features.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"features\.npy: {message}.*; remove that folder") as e:
        FeatureCache(tmp_path).load()
    assert "\n" not in str(e.value)


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    stored(tmp_path)
    path = tmp_path / "features.npy"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ConfigError, match=r"features\.npy: not a readable array"):
        FeatureCache(tmp_path).load()


def test_arrays_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    stored(tmp_path)
    for other in (np.ones((LENGTH, 2, 4), np.float32), np.ones((2, 2, 4), np.float16)):
        np.save(tmp_path / "features.npy", other)
        with pytest.raises(ConfigError, match=r"expected float16 5 x 2 x 4, found float(32|16) "):
            FeatureCache(tmp_path).load()


@pytest.mark.parametrize("about", ["{", "[1]", '{"names": 5}', '{"names": [], "arrays": 3}'])
def test_a_damaged_note_is_refused_in_one_line(tmp_path: Path, about: str) -> None:
    stored(tmp_path)
    (tmp_path / ABOUT).write_text(about, encoding="utf-8")
    with pytest.raises((ConfigError, OutputError), match=r"about\.json: ") as caught:
        FeatureCache(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_store_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    stored(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text(encoding="utf-8"))
    del about["arrays"]
    (tmp_path / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    assert set(FeatureCache(tmp_path).load()) == {"features", "visible"}
