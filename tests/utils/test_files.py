"""Output files: whole or not there, and one line where they cannot be written."""

import errno
import os
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from video_files import without_rights

from tarvitpose.errors import OutputError
from tarvitpose.utils import atomic
from tarvitpose.utils.atomic import atomic_file, atomic_folder, files_together


def write(path: Path, text: str = "new") -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text)


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "poses.coco.json"
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.name == f".poses.coco.{os.getpid()}.tmp.json"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_parent_folders_are_created(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "poses.csv")
    assert (tmp_path / "a" / "b" / "poses.csv").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "poses.csv"
    path.write_text("old")

    def fail() -> None:
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        write(tmp_path)
    assert str(caught.value) == f"{tmp_path}: a folder stands where the file should be written"


def test_a_file_instead_of_the_parent_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    path = tmp_path / "out" / "poses.csv"
    with pytest.raises(OutputError) as caught:
        write(path)
    assert str(caught.value) == f"{path}: cannot be written (File exists)"


def test_a_folder_without_permission_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "poses.csv"
    with without_rights(tmp_path), pytest.raises(OutputError) as caught:
        write(path)
    assert str(caught.value) == f"{path}: cannot be written (Permission denied)"


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "poses.csv"

    def fill_the_disk() -> None:
        with atomic_file(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError) as caught:
        fill_the_disk()
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_passes_unchanged(tmp_path: Path) -> None:
    def read_something_missing() -> None:
        with atomic_file(tmp_path / "poses.csv"):
            (tmp_path / "missing.csv").read_text()

    with pytest.raises(FileNotFoundError):
        read_something_missing()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_killed_processes_left_of_a_file_is_removed(is_folder: bool, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    suffix = "" if is_folder else ".json"
    path = tmp_path / f"poses[1]{suffix}"
    left = tmp_path / f".poses[1].{ended.pid}.tmp{suffix}"
    others = [  # of a process that runs, of another file, and none of ours
        tmp_path / f".poses[1].{os.getppid()}.tmp{suffix}",
        tmp_path / f".poses.{ended.pid}.tmp{suffix}",
        tmp_path / f".poses[1].draft.tmp{suffix}",
    ]
    for other in (left, *others):
        other.mkdir() if is_folder else other.touch()
    with (atomic_folder if is_folder else atomic_file)(path):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_where_no_process_can_be_asked_age_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "CAN_ASK", False)
    old, new = (tmp_path / f".a.{process}.tmp.csv" for process in (4711, 4712))
    for leftover in (old, new):
        leftover.touch()
    os.utime(old, (0, old.stat().st_mtime - 86_401))
    write(tmp_path / "a.csv")
    assert sorted(tmp_path.iterdir()) == [new, tmp_path / "a.csv"]


@pytest.mark.parametrize("fails", [False, True])
def test_files_that_belong_together_appear_together(fails: bool, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")

    def write_all() -> None:
        with files_together():
            write(tmp_path / "a.csv")
            assert (tmp_path / "a.csv").read_text() == "old"
            with suppress(ValueError), atomic_file(tmp_path / "never.csv"):
                raise ValueError
            with atomic_file(tmp_path / "b.csv") as temporary:
                temporary.write_text("half")
                if fails:
                    raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"b\.csv: cannot be written") if fails else nullcontext():
        write_all()
    contents = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert contents == ({"a.csv": "old"} if fails else {"a.csv": "new", "b.csv": "half"})
    write(tmp_path / "a.csv", "later")  # alone again
    assert (tmp_path / "a.csv").read_text() == "later"
