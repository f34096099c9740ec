"""A training that is killed, at any moment, gives the weights of one that ran in one piece."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from processes import command_line, start
from tiny_models import tiny_model
from tiny_training import experiment, losses_of, weights_of, write_experiment, write_stills

from tarvitpose.training.checkpoint import load_state

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")

STEPS = 18


def killed(is_time: Callable[[], bool], *arguments: str, output: Path) -> bool:
    """Run `tarvitpose`, kill -9 it when it is time, and return whether it was still at work."""
    process = start(command_line, arguments, output)
    while process.is_alive() and not is_time():
        time.sleep(0.0005)
    was_at_work = process.is_alive()
    process.kill()
    process.join()
    return was_at_work


def saves(folder: Path) -> Callable[[], bool]:
    """Return a function that says whether a state is being written."""
    return lambda: any(folder.glob(".last.*.tmp.ckpt"))


def reached(folder: Path, step: int, delay: float) -> Callable[[], bool]:
    """Return a function that says whether a run came to a step, some seconds ago."""
    seen: list[float] = []

    def is_time() -> bool:
        log = folder / "metrics.jsonl"
        if not seen and log.exists() and f'"step": {step},' in log.read_text():
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= delay

    return is_time


@pytest.mark.slow
def test_kill_9_at_any_step_and_during_a_save_changes_nothing(tmp_path: Path) -> None:
    stills, folder, output = write_stills(tmp_path), tmp_path / "killed", tmp_path / "output.txt"
    tiny_model(decoder_width=256).save_pretrained(tmp_path / "start")  # slow enough to be met
    run = {"epochs": STEPS / 3, "save_every": 3, "ema": 0.9}
    data = {
        "validation": [{"format": "coco", "annotations": stills}],
        "validation_degradations": ["clean"],
    }
    config = experiment(stills, tmp_path / "whole", run=run, data=data, model={"drop_path": 0.3})
    command = ("train", write_experiment(config, tmp_path / "train.yaml"))
    assert not killed(lambda: False, *command, output=output), output.read_text()

    moment = random.Random(0)
    again = (*command, f"output={folder}")
    assert killed(reached(folder, 1, 0), *again, output=output)  # nothing is saved yet, or just so
    for step in (4, 9):
        assert killed(reached(folder, step, moment.uniform(0, 0.1)), *again, output=output)
    assert killed(saves(folder), *again, output=output)
    assert load_state(folder / "last.ckpt")["step"] < STEPS
    assert not killed(lambda: False, *again, output=output)

    for name in ("weights", "best"):
        whole, resumed = weights_of(tmp_path / "whole" / name), weights_of(folder / name)
        assert all(torch.equal(value, resumed[key]) for key, value in whole.items()), name
    assert losses_of(folder) == losses_of(tmp_path / "whole")
    assert not list(folder.glob(".last*"))
