"""What is finished at the end of a `with` block, or undone after an error in it."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Self


class FinishedOnExit(ABC):
    """Opens what it needs on a stack, which sees the errors of the block and of the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start. Raises OutputError where nothing can be written."""
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Finish, or undo after an error. Raises OutputError."""
        with self._stack:
            if error is not None:
                raise error
            self._finish()

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Open files, which the stack closes."""

    @abstractmethod
    def _finish(self) -> None:
        """Write the end."""
