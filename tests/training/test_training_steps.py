"""Optimiser steps: accumulation, loss scaling, and numbers that are not finite."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_model
from tiny_training import (
    experiment,
    losses_of,
    quiet,
    weights_of,
    without_key_biases,
)

from tarvitpose.errors import ConfigError, DataError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.checkpoint import load_state
from tarvitpose.training.step import TrainingStep

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import devices, loop


def change_loss(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the loss of call n (from 1) be what `change(n, model, loss)` returns."""
    forward, calls = TrainingStep.forward, []

    def changed(self: TrainingStep, batch: Any) -> torch.Tensor:
        calls.append(batch["name"])
        return change(len(calls), self.model, forward(self, batch))

    monkeypatch.setattr(TrainingStep, "forward", changed)


def test_two_accumulated_batches_are_one_of_twice_the_size(stills: Path, tmp_path: Path) -> None:
    tiny_model(decoder="simple").save_pretrained(tmp_path / "start")  # no BatchNorm
    optim = {"clip_norm": 0.1}
    whole = loop.train(experiment(stills, tmp_path / "whole", optim=optim), quiet)
    run = {"batch_size": 1, "accumulate": 2}
    parts = loop.train(experiment(stills, tmp_path / "parts", run=run, optim=optim), quiet)
    expected = without_key_biases(weights_of(whole))
    for name, value in without_key_biases(weights_of(parts)).items():
        assert torch.allclose(value, expected[name], atol=2e-5), name
    losses = losses_of(tmp_path / "whole")
    assert losses_of(tmp_path / "parts") == pytest.approx(losses, rel=1e-4)
    assert len(losses) == 9


def test_a_loss_that_is_not_finite_leaves_the_model_as_before_the_step(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, models, names = TrainingStep.encode, [], []

    def poisoned(self: TrainingStep, batch: Any) -> Any:
        models.append(self.model)
        names.append(", ".join(batch["name"]))
        features, regions = encode(self, batch)
        return features * (math.nan if len(models) == 5 else 1), regions

    monkeypatch.setattr(TrainingStep, "encode", poisoned)
    with pytest.raises(DataError, match=r"^step 5: the loss is nan; the batch is ") as error:
        loop.train(experiment(stills, tmp_path / "run", run={"save_every": 1}), quiet)
    assert str(error.value).endswith(f"the batch is {names[4]}")
    saved = load_state(tmp_path / "run" / "last.ckpt")
    assert saved["step"] == 4
    for name, value in models[0].state_dict().items():
        assert value.isfinite().all(), name  # the averages of BatchNorm among them
        assert torch.equal(value, saved["model"][name]), name
    assert all(parameter.grad is None for parameter in models[0].parameters())


def without_gradient(call: int, model: TARViTPose, loss: torch.Tensor) -> torch.Tensor:
    """Return the loss itself, from the second step on with a gradient that is not a number."""
    return loss + torch.sqrt(0 * model.decoder.final.bias.sum()) if call > 1 else loss


def test_a_gradient_that_is_not_finite_stops_before_the_weights_move(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_loss(monkeypatch, without_gradient)
    with pytest.raises(DataError, match=r"step 2: the gradient is not finite; the batch is .*#"):
        loop.train(experiment(stills, tmp_path / "run", run={"save_every": 1}), quiet)
    state = load_state(tmp_path / "run" / "last.ckpt")
    assert state["step"] == 1
    assert all(value.isfinite().all() for value in state["model"].values())


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale the loss as 16-mixed does, but compute in float32: float16 takes minutes on a CPU."""

    def precision(*_: str) -> Any:
        from lightning_fabric.plugins import MixedPrecision

        plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
        plugin.forward_context = nullcontext
        return plugin

    monkeypatch.setattr(devices, "_precision", precision)


@pytest.mark.usefixtures("scaled")
def test_an_overflow_is_skipped_with_a_smaller_loss_scale_also_after_a_resume(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_loss(monkeypatch, lambda call, _, loss: loss * (1e36 if call == 2 else 1))
    run = {"epochs": 1}
    loop.train(experiment(stills, tmp_path / "run", run=run), quiet)
    state = load_state(tmp_path / "run" / "last.ckpt")
    assert state["precision"]["scale"] == 2.0**15  # half of the first one
    steps = {int(moments["step"]) for moments in state["optimizer"]["state"].values()}
    assert steps == {2}  # of three
    assert all(value.isfinite().all() for value in state["model"].values())
    loop.train(experiment(stills, tmp_path / "run", run={**run, "epochs": 2}), quiet)
    assert load_state(tmp_path / "run" / "last.ckpt")["precision"]["scale"] == 2.0**15


@pytest.mark.usefixtures("scaled")
def test_overflow_in_every_step_stops_in_the_end(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_loss(monkeypatch, without_gradient)
    run = {"epochs": 50, "save_every": 1000}
    with pytest.raises(DataError, match=r"step 33: the gradient is not finite"):
        loop.train(experiment(stills, tmp_path / "run", run=run), quiet)


@pytest.mark.usefixtures("scaled")
def test_gradients_are_clipped_at_their_true_size(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = []
    step = torch.optim.AdamW.step

    def noted(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        gradients = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    run = {"epochs": 1}
    loop.train(experiment(stills, tmp_path / "run", run=run, optim={"clip_norm": 0.01}), quiet)
    assert norms == pytest.approx([0.01] * len(norms), rel=1e-2)
    assert norms


def test_bfloat16_trains_on_a_cpu_with_exact_targets(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    degradations = set()
    forward = TrainingStep.forward

    def noted(self: TrainingStep, batch: Any) -> torch.Tensor:
        degradations.add(batch["targets"].dtype)
        return forward(self, batch)

    monkeypatch.setattr(TrainingStep, "forward", noted)
    run = {"precision": "bf16-mixed", "epochs": 1}
    loop.train(experiment(stills, tmp_path / "run", run=run), quiet)
    losses = losses_of(tmp_path / "run")
    assert losses[-1] < losses[0]
    assert degradations == {torch.float32}


def test_devices_that_are_not_there_are_refused_in_one_line(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(**run: Any) -> None:
        loop.train(experiment(stills, tmp_path / "run", run=run), quiet)

    with pytest.raises(ConfigError, match="16-mixed needs cuda, this run is on cpu: use bf16"):
        attempt(precision="16-mixed")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="asked for 2 of kind cuda, this machine has 0"):
        attempt(accelerator="cuda", devices=2)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match=r"torchrun started 4 processes.* add run.devices=4"):
        attempt()
