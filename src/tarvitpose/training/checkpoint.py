"""A run's state on disk, always whole: written to a temporary name and renamed."""

import os
from pathlib import Path
from typing import Any

import torch

from tarvitpose.errors import OutputError, WeightsError
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.numeric import whole_number
from tarvitpose.utils.reading import readable
from tarvitpose.weights.unpickle import unpickled

LAST, KIND = "last.ckpt", "as a training state"
PARTS = ("model", "optimizer", "precision", "best")  # of a state, each a dictionary


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a run's state. Raises OutputError; the state before stays where it was."""
    with atomic_file(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch's writer does not pass on what the system said
            reason = str(error).splitlines()[0]
            raise OutputError(f"{path}: cannot be written; is the disk full? ({reason})") from None
        with temporary.open("rb") as file:
            os.fsync(file)  # some disks say only now that they are full


def load_state(path: Path) -> dict[str, Any]:
    """Read a run's state onto the CPU. Raises WeightsError, whatever the file holds."""
    with readable(path, KIND, WeightsError):
        state = unpickled(path, is_tested=True)
    if not isinstance(state, dict) or "step" not in state:
        raise WeightsError(f"{path}: expected a training state with a step, found something else")
    step = whole_number(state["step"])
    if step is None or step < 0 or not all(isinstance(state.get(part), dict) for part in PARTS):
        raise WeightsError(f"{path}: expected a training state, some of its parts are missing")
    return state
