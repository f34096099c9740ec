"""SHA-256: the values of `sha256sum`, and changed files are read again."""

import hashlib
from pathlib import Path

import pytest

from tarvitpose.errors import ConfigError
from tarvitpose.utils.hashing import file_digest, files_digest, files_in, sample_digest


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    first, second = tmp_path / "a.bin", tmp_path / "b" / "b.bin"
    second.parent.mkdir()
    first.write_bytes(b"one")
    second.write_bytes(b"other")
    expected = [hashlib.sha256(content).hexdigest() for content in (b"one", b"other")]
    assert file_digest(first) == files_digest([first]) == expected[0]
    lines = f"{expected[0]}  a.bin\n{expected[1]}  b.bin\n"
    assert files_digest(files_in(tmp_path)) == hashlib.sha256(lines.encode()).hexdigest()
    first.write_bytes(b"two")  # of the same length
    assert file_digest(first) == hashlib.sha256(b"two").hexdigest()
    with pytest.raises(ConfigError, match=r"none: cannot be read \(No such file"):
        file_digest(tmp_path / "none", ConfigError)


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
    assert sample_digest(files) == files_digest([files[3], files[6]])
    assert sample_digest([]) == files_digest([])
