"""What a run writes down: `metrics.jsonl`, and TensorBoard where it is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tarvitpose.files import replace_when_done


class RunLog:
    """One line of numbers for each logged step; a resumed run forgets what came after its state."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self.path = folder / "metrics.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._forget_after(resumed_at)
        self.file = self.path.open("a", encoding="utf-8")
        self.board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at)

    def _forget_after(self, step: int) -> None:
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        with replace_when_done(self.path) as path:
            path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def write(self, step: int, **values: float) -> None:
        """Note the values of a step."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        self.file.flush()
        for name, value in values.items():
            if self.board is not None:
                self.board.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()
        if self.board is not None:
            self.board.close()
