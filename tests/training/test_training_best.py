"""Averaged weights, the best weights, and stopping early."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_models import tiny_model
from tiny_training import experiment, losses_of, quiet, weights_of

from tarvitpose.errors import ConfigError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.training.best import Best, monitored
from tarvitpose.training.ema import Ema
from tarvitpose.training.validation import ValidationSets, fixed_share

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop
from tarvitpose.training.batches import read_sources

SCORES = {"val/clean/single": 1.0, "val/clean/temporal": 4.0, "val/dark/temporal": 2.0}


def validated(stills: Path) -> dict[str, Any]:
    held_out = [{"format": "coco", "annotations": stills}]
    return {"validation": held_out, "validation_degradations": ["clean"]}


def script(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> list[TARViTPose]:
    """Let validations give these scores; return the weights that each of them looked at."""
    seen: list[Any] = []

    def next_scores(self: ValidationSets) -> dict[str, float]:
        state = self.step.model.state_dict()
        seen.append({name: value.clone() for name, value in state.items()})
        return {"val/clean/single": 0.0, "val/clean/temporal": scores[len(seen) - 1]}

    monkeypatch.setattr(ValidationSets, "scores", next_scores)
    return seen


def test_the_average_follows_every_step_and_is_what_is_kept(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    save_state = loop.save_state

    def noted(path: Path, state: dict[str, Any]) -> None:
        trained.append({name: value.clone() for name, value in state["model"].items()})
        save_state(path, state)

    monkeypatch.setattr(loop, "save_state", noted)
    steps = script(monkeypatch, [1.0] * 9)
    run = {"ema": 0.25, "save_every": 1}
    config = experiment(stills, tmp_path / "run", run=run, data=validated(stills))
    weights = weights_of(loop.train(config, quiet))
    average = weights_of(tmp_path / "start")["jta.query"]
    for step, state in enumerate(trained):
        decay = min(0.25, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * state["jta.query"]
        assert torch.allclose(steps[step]["jta.query"], average, atol=1e-6)
    assert torch.allclose(weights["jta.query"], average, atol=1e-6)
    assert not torch.equal(weights["jta.query"], trained[-1]["jta.query"])
    assert not torch.equal(
        weights["decoder.norm1.running_var"], trained[-1]["decoder.norm1.running_var"]
    )


def test_a_model_has_its_own_weights_again_after_a_look_at_the_average() -> None:
    model = tiny_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ema = Ema(model, 0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    after = {name: value.clone() for name, value in model.state_dict().items()}
    with ema.applied():
        assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())
    assert all(torch.equal(value, after[n]) for n, value in model.state_dict().items())


def test_without_a_monitor_the_mean_of_the_whole_models_scores_counts() -> None:
    assert monitored(SCORES, "") == 3.0
    assert monitored(SCORES, "val/clean/single") == 1.0
    assert monitored({"val/clean/single": 5.0, "val/dark/single": 6.0}, "") == 5.5


def test_patience_counts_validations_without_a_new_best() -> None:
    best = Best("", patience=2)
    scores = [math.nan, 1.0, 1.0, 2.0, 1.5, math.nan]
    noted = [best.note(step, {"val/x/temporal": score}) for step, score in enumerate(scores)]
    assert noted == [False, True, False, True, False, False]
    assert (best.step, best.score, best.is_over) == (3, 2.0, True)


def test_training_stops_when_patience_runs_out_and_keeps_the_best_weights(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, [50.0, 60.0, 55.0, 58.0, 99.0])
    run = {"patience": 2, "save_every": 1}
    config = experiment(stills, tmp_path / "run", run=run, data=validated(stills))
    lines: list[str] = []
    last = weights_of(loop.train(config, lines.append))
    assert len(seen) == 4
    assert len(losses_of(tmp_path / "run")) == 4
    assert "stopped: no better score in 2 validations" in lines
    assert lines[-1] == f"best: step 2, score 60.0, in {tmp_path / 'run' / 'best'}"
    best = weights_of(tmp_path / "run" / "best")
    assert all(torch.equal(value, seen[1][name]) for name, value in best.items())
    assert all(torch.equal(value, seen[3][name]) for name, value in last.items())
    loop.train(config, quiet)  # is over, and stays so
    assert len(seen) == 4


def test_the_best_weights_can_be_what_a_run_leaves(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, [50.0, 60.0, 55.0, 58.0])
    run = {"patience": 2, "save_every": 1, "keep": "best"}
    config = experiment(stills, tmp_path / "run", run=run, data=validated(stills))
    lines: list[str] = []
    weights = weights_of(loop.train(config, lines.append))
    assert all(torch.equal(value, seen[1][name]) for name, value in weights.items())
    assert lines[-1].endswith(f"in {tmp_path / 'run' / 'best'} and {tmp_path / 'run' / 'weights'}")


def test_without_a_score_the_last_weights_are_left(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, [math.nan] * 9)
    config = experiment(stills, tmp_path / "run", run={"keep": "best"}, data=validated(stills))
    weights = weights_of(loop.train(config, quiet))
    assert all(torch.equal(value, seen[-1][name]) for name, value in weights.items())


def test_validations_can_follow_epochs(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    monkeypatch.setattr(
        loop.TrainingRun, "_validate", lambda self, done, log: steps.append(done) if log else None
    )
    run = {"epochs": 3, "save_every": 2, "validate_epochs": 1}  # of three steps
    loop.train(experiment(stills, tmp_path / "run", run=run, data=validated(stills)), quiet)
    assert steps == [3, 6, 9]
    with pytest.raises(ValidationError, match="give only one of"):
        experiment(stills, tmp_path / "run", run={"validate_every": 2, "validate_epochs": 1})


def test_a_share_of_the_held_out_people_is_always_the_same(stills: Path, tmp_path: Path) -> None:
    records = read_sources(experiment(stills, tmp_path).data.train, POSETRACK_15)
    half = fixed_share(records, 0.5)
    assert len(half) == len(records) / 2
    assert [records.index(record) for record in half] == sorted(
        records.index(record) for record in half
    )
    assert half == fixed_share(records, 0.5) != records[: len(half)]
    assert len(fixed_share(records, 1e-6)) == 1
    assert fixed_share(records, 1.0) == records
    assert fixed_share([], 0.5) == []


def test_validation_reads_its_share_with_its_own_workers(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noted(_: Any, clips: Any, *__: Any, workers: int) -> list[Any]:
        seen.append((len(clips), workers))
        raise KeyboardInterrupt

    monkeypatch.setattr("tarvitpose.training.validation.encoded_batches", noted)
    for workers, expected in ((None, 0), (2, 2)):
        data = {**validated(stills), "validation_share": 0.5, "validation_workers": workers}
        config = experiment(stills, tmp_path / str(workers), data=data)
        with pytest.raises(KeyboardInterrupt):
            loop.train(config, quiet)
        assert seen[-1] == (3, expected)


def test_validations_can_be_rarer_than_saves(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    monkeypatch.setattr(loop, "save_state", lambda _path, state: saved.append(state["step"]))
    seen = script(monkeypatch, [50.0] * 9)
    run = {"epochs": 2, "save_every": 2, "validate_every": 3}
    config = experiment(stills, tmp_path / "run", run=run, data=validated(stills))
    loop.train(config, quiet)
    steps = len(losses_of(tmp_path / "run"))
    assert saved == sorted({*range(2, steps + 1, 2), steps})
    assert len(seen) == len({*range(3, steps + 1, 3), steps}) < steps


def test_a_resumed_run_remembers_its_best_and_its_patience(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, [60.0, 50.0, 50.0, 50.0])
    run = {"patience": 3, "save_every": 1, "epochs": 1}
    data = validated(stills)
    loop.train(experiment(stills, tmp_path / "run", run=run, data=data), quiet)
    lines: list[str] = []
    more = {**run, "epochs": 3}
    loop.train(experiment(stills, tmp_path / "run", run=more, data=data), lines.append)
    assert len(seen) == 4
    assert "best: step 1, score 60.0" in lines[-1]


def test_a_monitor_that_no_validation_gives_is_refused(stills: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"run\.keep=best need data\.valid"):
        experiment(stills, tmp_path / "run", run={"patience": 3})
    config = experiment(
        stills, tmp_path / "run", run={"monitor": "val/clear/single"}, data=validated(stills)
    )
    with pytest.raises(ConfigError, match=r"val/clear/single is not one of val/clean/single, val/"):
        loop.train(config, quiet)
