"""What a run leaves on disk: logs, states that survive a full disk, and keys that are read."""

from __future__ import annotations

import ast
import errno
import io
import json
import resource
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
from processes import command_line, start
from pydantic import BaseModel
from tiny_training import experiment, losses_of, quiet, write_experiment

import tarvitpose
from tarvitpose.data.augment import AugmentConfig
from tarvitpose.errors import MissingDependencyError, OutputError
from tarvitpose.training.checkpoint import load_state
from tarvitpose.training.config import DataConfig, OptimConfig, RunConfig, SourceConfig, TrainConfig
from tarvitpose.training.logs import RunLog

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop

SMALL_DISK = 400_000  # bytes of a file: more than the weights of the tiny model, less than a state


def on_a_small_disk(arguments: tuple[str, ...], output: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_DISK, SMALL_DISK))
    command_line(arguments, output)


def test_the_last_good_state_survives_a_full_disk(stills: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "run", tmp_path / "output.txt"
    loop.train(experiment(stills, folder, run={"epochs": 1}), quiet)
    before = (folder / "last.ckpt").read_bytes()
    assert len(before) > SMALL_DISK
    path = write_experiment(experiment(stills, folder), tmp_path / "train.yaml")
    process = start(on_a_small_disk, ("train", path), output)
    process.join(120)
    assert process.exitcode == 2, output.read_text()
    (error,) = (line for line in output.read_text().splitlines() if line.startswith("error"))
    assert f"{folder / 'last.ckpt'}: cannot be written; is the disk full?" in error
    assert (folder / "last.ckpt").read_bytes() == before
    assert load_state(folder / "last.ckpt")["step"] == 3
    assert not list(folder.glob(".last*"))


class FullDisk(io.StringIO):
    """A file on a disk without room."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_numbers_that_cannot_be_written_are_an_error_in_one_line(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        log.file.close()
        log.file = FullDisk()
        with pytest.raises(OutputError, match=r"metrics.jsonl: cannot be written \(No space left"):
            log.write(1, loss=2.0)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        RunLog(tmp_path / "file" / "run", 0)


def test_a_disk_that_is_full_for_tensorboard_is_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard writes in a thread of its own, whose traceback pytest would report."""
    record_writer = pytest.importorskip("tensorboard.summary.writer.record_writer")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill_the_disk() -> None:
        with RunLog(tmp_path / "a", 0) as log:
            log.board.flush()
            monkeypatch.setattr(record_writer.RecordWriter, "write", fail)
            for step in range(1000):
                log.write(step, loss=2.0)

    hook = threading.excepthook
    for begin in (fill_the_disk, lambda: RunLog(tmp_path / "b", 0)):
        with pytest.raises(OutputError, match=r"metrics.jsonl: cannot be written \(No space left"):
            begin()
        assert threading.excepthook == hook


def test_a_log_goes_on_after_the_state_and_past_half_a_line(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": float(step)}) for step in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 4, "lo']))
    with RunLog(tmp_path, 2) as log:
        log.write(3, loss=9.0)
    assert losses_of(tmp_path) == [1.0, 2.0, 9.0]


def test_a_fresh_start_forgets_the_old_state_at_once(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = experiment(stills, tmp_path / "run")
    loop.train(config, quiet)

    def stop(*_: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.TrainingRun, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        loop.train(config, quiet, resume=False)
    assert not (tmp_path / "run" / "last.ckpt").exists()


class FakeWandb(types.ModuleType):
    """What the trainer uses of Weights & Biases."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.id, self.calls = "abc", []

    def init(self, **options: Any) -> FakeWandb:
        self.calls.append(("init", options))
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.calls.append(("log", step, values))

    def finish(self, exit_code: int) -> None:
        self.calls.append(("finish", exit_code))


def test_weights_and_biases_gets_the_numbers_and_a_resumed_run_goes_on_in_its_place(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    run = {"wandb": "poses", "epochs": 1}
    loop.train(experiment(stills, tmp_path / "run", run=run), quiet)
    first, *steps, last = fake.calls
    assert first[1]["project"] == "poses"
    assert first[1]["id"] is None
    assert first[1]["config"]["run"]["batch_size"] == 2
    assert [call[1] for call in steps] == [1, 2, 3]
    assert [call[2]["loss"] for call in steps] == losses_of(tmp_path / "run")
    assert last == ("finish", 0)
    fake.calls.clear()
    loop.train(experiment(stills, tmp_path / "run", run={**run, "epochs": 2}), quiet)
    assert fake.calls[0][1]["id"] == "abc"


def test_weights_and_biases_is_missed_before_the_first_step(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match=r"run.wandb needs the package wandb"):
        loop.train(experiment(stills, tmp_path / "run", run={"wandb": "poses"}), quiet)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    "kind", [SourceConfig, DataConfig, OptimConfig, RunConfig, TrainConfig, AugmentConfig]
)
def test_every_key_is_read_somewhere(kind: type[BaseModel]) -> None:
    root = Path(tarvitpose.__file__).parent
    read: set[str] = set()
    for path in (*root.glob("training/*.py"), *root.glob("data/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
    assert set(kind.model_fields) <= read
