"""The numbers that a run writes: `metrics.jsonl`, TensorBoard, Weights & Biases."""

import json
import threading
from pathlib import Path
from typing import Any, Self

from tarvitpose.utils.atomic import atomic_file, cannot_write
from tarvitpose.utils.optional import is_installed, require
from tarvitpose.utils.reading import file_bytes

WANDB_RUN = "wandb_run.txt"  # the id of the run in Weights & Biases


class RunLog:
    """One line of numbers for each logged step; a resumed run forgets what came after its state.

    Raises OutputError where the folder cannot be written.
    """

    def __init__(self, folder: Path, resumed_at: int, wandb: Any = None) -> None:
        self.path = folder / "metrics.jsonl"
        self.wandb = wandb
        self.board: Any = None
        self._report = threading.excepthook
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._forget_after(resumed_at)
            if is_installed("tensorboard"):
                from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional

                threading.excepthook = self._report_others
                # `purge_step` is the first step that is forgotten.
                self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at + 1)
            self.file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            threading.excepthook = self._report
            raise cannot_write(self.path, error) from error

    def _report_others(self, failure: Any) -> None:
        """Report what a thread raised, unless it is TensorBoard's: `write` raises that again."""
        if not type(failure.thread).__module__.startswith("tensorboard"):
            self._report(failure)

    def _forget_after(self, step: int) -> None:
        if not self.path.exists():
            return
        lines = file_bytes(self.path).decode("utf-8", "replace").splitlines()
        remaining = [line for line in lines if _is_until(line, step)]
        with atomic_file(self.path) as path:
            path.write_text("".join(f"{line}\n" for line in remaining), encoding="utf-8")

    def write(self, step: int, **values: float) -> None:
        """Note the values of a step. Raises OutputError."""
        try:
            self.file.write(json.dumps({"step": step, **values}) + "\n")
            self.file.flush()
            if self.board is not None:
                for name, value in values.items():
                    self.board.add_scalar(name, value, step)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if self.wandb is not None:
            self.wandb.log(values, step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.file.close()
            if self.board is not None:
                self.board.close()
        except OSError as unwritten:
            if error is None:  # what came first says more
                raise cannot_write(self.path, unwritten) from unwritten
        finally:
            threading.excepthook = self._report
        if self.wandb is not None:
            self.wandb.finish(exit_code=0 if error is None else 1)


def open_wandb(project: str, folder: Path, settings: dict[str, Any]) -> Any:
    """Start the run in a project of Weights & Biases, or go on with the one of this folder.

    Raises MissingDependencyError.
    """
    wandb = require("wandb", "run.wandb", "wandb")
    note = folder / WANDB_RUN
    known = note.read_text(encoding="utf-8").strip() if note.exists() else None
    run = wandb.init(project=project, dir=str(folder), config=settings, id=known, resume="allow")
    with atomic_file(note) as path:
        path.write_text(f"{run.id}\n", encoding="utf-8")
    return run


def _is_until(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, TypeError, LookupError):  # half a line, of a process that was killed
        return False
