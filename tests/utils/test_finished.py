"""What is finished at the end of a `with` block: whole after success, undone after any error."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.finished import FinishedOnExit


class Note(FinishedOnExit):
    """Writes a file that says which steps were taken; one of them may fail."""

    def __init__(self, path: Path, fails_at: str = "") -> None:
        super().__init__()
        self.path, self.fails_at, self.closed = path, fails_at, False

    def _step(self, name: str) -> None:
        if name == self.fails_at:
            raise OSError(f"{name} failed")
        self.file.write(f"{name}\n")

    def _start(self, stack: ExitStack) -> None:
        stack.callback(setattr, self, "closed", True)
        self.file = stack.enter_context(stack.enter_context(atomic_file(self.path)).open("w"))
        self._step("start")

    def _finish(self) -> None:
        self._step("finish")


def test_what_succeeds_is_there_whole_and_only_at_the_end(tmp_path: Path) -> None:
    with Note(tmp_path / "a.txt") as note:
        assert not note.path.exists()
        assert not note.closed
    assert note.path.read_text() == "start\nfinish\n"
    assert note.closed


@pytest.mark.parametrize("fails_at", ["start", "finish"])
def test_a_step_that_fails_leaves_nothing_and_frees_all(tmp_path: Path, fails_at: str) -> None:
    note = Note(tmp_path / "a.txt", fails_at)
    with pytest.raises(OSError, match=f"{fails_at} failed"), note:
        pass
    assert note.closed
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("error", [ValueError("of the block"), KeyboardInterrupt()])
def test_an_error_of_the_block_is_raised_as_it_is_and_nothing_is_finished(
    tmp_path: Path, error: BaseException
) -> None:
    note = Note(tmp_path / "a.txt")
    with pytest.raises(type(error)) as raised, note:
        raise error
    assert raised.value is error
    assert note.closed
    assert not [*tmp_path.iterdir()]
