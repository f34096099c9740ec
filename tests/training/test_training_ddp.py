"""Several devices: two processes on one machine (gloo) are one process with twice the batch."""

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from processes import command_line, ranks, start
from tiny_models import tiny_model
from tiny_training import (
    PEOPLE,
    experiment,
    losses_of,
    quiet,
    weights_of,
    without_key_biases,
    write_experiment,
    write_stills,
)

from tarvitpose.training.batches import RankBatches
from tarvitpose.training.step import TrainingStep

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop

LIMIT = 120  # seconds; nothing here takes more than a few


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Stills, and a start whose decoder has no BatchNorm: on CPUs each process has its own."""
    tiny_model(decoder="simple").save_pretrained(tmp_path / "start")
    return write_stills(tmp_path)


def run_two(*arguments: str, output: Path, function: Any = command_line) -> list[int | None]:
    """Run `tarvitpose` in two processes, as a launcher starts them; return their exit codes."""
    processes = [start(function, arguments, output, variables) for variables in ranks(2)]
    for process in processes:
        process.join(LIMIT)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def test_all_ranks_together_read_the_batches_of_one_process() -> None:
    alone = islice(RankBatches(7, 3, start=2, size=4), 9)
    parts = [RankBatches(7, 3, start=2, size=2, rank=rank, ranks=2) for rank in (0, 1)]
    both = zip(*parts, strict=True)
    assert [first + second for first, second in islice(both, 9)] == list(alone)


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_with_twice_the_batch(
    stills: Path, tmp_path: Path
) -> None:
    held_out = [{"format": "coco", "annotations": stills}]
    data = {"validation": held_out, "validation_degradations": ["clean"]}
    run = {"ema": 0.5, "save_every": 4}
    config = experiment(stills, tmp_path / "one", run=run, data=data)
    loop.train(config, quiet)
    path, output = write_experiment(config, tmp_path / "train.yaml"), tmp_path / "output.txt"
    changes = ("run.devices=2", "run.batch_size=1", f"output={tmp_path / 'two'}")
    codes = run_two("train", path, *changes, output=output)
    assert codes == [0, 0], output.read_text()
    for folder in ("weights", "best"):
        alone = without_key_biases(weights_of(tmp_path / "one" / folder))
        two = without_key_biases(weights_of(tmp_path / "two" / folder))
        for name, value in alone.items():
            assert torch.allclose(value, two[name], atol=2e-5), name
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), rel=1e-4)
    assert output.read_text().count("training: 9 steps of 2 clips") == 1


@pytest.mark.slow
def test_one_command_starts_the_processes_itself(stills: Path, tmp_path: Path) -> None:
    config = experiment(stills, tmp_path / "run", run={"devices": 2, "batch_size": 1, "epochs": 1})
    path, output = write_experiment(config, tmp_path / "train.yaml"), tmp_path / "output.txt"
    process = start(launched, path, output)
    process.join(LIMIT)
    process.kill()
    assert process.exitcode == 0, output.read_text()
    assert len(losses_of(tmp_path / "run")) == PEOPLE / 2


def launched(path: str, output: Path) -> None:
    """Run the command as an installed script, which the second process starts again."""
    import sys

    import __main__

    __main__.__spec__ = None
    script = Path(sys.executable).with_name("tarvitpose")
    command_line(("train", path), output, script=str(script))


def broken_on_rank_1(arguments: tuple[str, ...], output: Path, variables: dict[str, str]) -> None:
    """Run `tarvitpose` with a loss that is not a number in rank 1's second step."""
    forward, calls = TrainingStep.forward, []

    def broken(self: TrainingStep, batch: Any) -> torch.Tensor:
        calls.append(batch["name"])
        is_time = variables["LOCAL_RANK"] == "1" and len(calls) == 2
        return forward(self, batch) * (float("nan") if is_time else 1)

    TrainingStep.forward = broken  # type: ignore[method-assign]
    command_line(arguments, output, variables)


@pytest.mark.slow
def test_all_processes_stop_when_the_loss_of_one_is_not_finite(
    stills: Path, tmp_path: Path
) -> None:
    run = {"devices": 2, "batch_size": 1, "save_every": 1}
    config = experiment(stills, tmp_path / "run", run=run)
    path, output = write_experiment(config, tmp_path / "train.yaml"), tmp_path / "output.txt"
    assert run_two("train", path, output=output, function=broken_on_rank_1) == [2, 0]
    order = np.random.default_rng((config.run.seed, 0)).permutation(PEOPLE)
    errors = [line for line in output.read_text().splitlines() if line.startswith("error")]
    (error,) = errors
    assert "step 2: the loss is nan; the batch is " in error
    assert error.endswith(f"#{order[3]}")  # what rank 1 read, and nothing else
    assert error.count("#") == 1


@pytest.mark.slow
def test_all_processes_stop_when_one_cannot_read_an_image(stills: Path, tmp_path: Path) -> None:
    run = {"devices": 2, "batch_size": 1}
    config = experiment(stills, tmp_path / "run", run=run, data={"workers": 1})
    order = np.random.default_rng((config.run.seed, 0)).permutation(PEOPLE)
    broken = tmp_path / f"{order[3]}.png"
    broken.write_bytes(b"no image")
    assert cv2.imread(str(broken)) is None
    path, output = write_experiment(config, tmp_path / "train.yaml"), tmp_path / "output.txt"
    assert run_two("train", path, output=output) == [2, 0]
    (error,) = (line for line in output.read_text().splitlines() if line.startswith("error"))
    assert broken.name in error
    assert "Traceback" not in error
