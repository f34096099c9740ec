"""A saved training goes on only as itself: what it depends on must be the same."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from invoke import run
from tiny_models import tiny_model
from tiny_training import experiment, quiet, weights_of, write_experiment, write_stills

from tarvitpose.errors import ConfigError
from tarvitpose.training.checkpoint import load_state, save_state
from tarvitpose.training.config import TrainConfig, load_train_config
from tarvitpose.utils.provenance import differences

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop
from tarvitpose.training.facts import experiment_facts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a start, and the output `run` of a finished training of three steps."""
    folder = tmp_path_factory.mktemp("done")
    loop.train(again(folder, write_stills(folder)), quiet)
    return folder


def again(folder: Path, stills: Path | None = None, **changes: Any) -> TrainConfig:
    """Return the configuration of `done`, with changes."""
    run = {"epochs": 1, **changes.pop("run", {})}
    source = stills or folder / "stills.json"
    return experiment(source, changes.pop("output", folder / "run"), run=run, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optim": {"lr": 1e-4}}, "optim.lr: 0.001 -> 0.0001"),
        ({"optim": {"schedule": "step"}}, "optim.schedule: constant -> step"),
        ({"optim": {"weight_decay": 0.2}}, "optim.weight_decay: 0.1 -> 0.2"),
        ({"model": {"gra_layers": 2}}, "model.gra_layers: 1 -> 2"),
        ({"model": {"mask_threshold": 0.3}}, "model.mask_threshold: 0.2 -> 0.3"),
        ({"model": {"mask_rule": "released"}}, "model.mask_rule: paper -> released"),
        ({"run": {"ema": 0.9}}, "run.ema: 0.0 -> 0.9"),
        ({"run": {"seed": 1}}, "run.seed: 0 -> 1"),
        ({"run": {"batch_size": 3}}, "run.batch_size: 2 -> 3"),
        ({"run": {"accumulate": 2}}, "run.accumulate x devices: 1 -> 2"),
        ({"data": {"augment": {"flip": 0.1}}}, "data.augment.flip: 0.5 -> 0.1"),
        ({"source": {"repeat": 2}}, "data.train[0].repeat: 1 -> 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_experiment_is_refused_and_nothing_is_lost(
    done: Path, changes: dict[str, Any], words: str
) -> None:
    state, weights = (done / "run" / "last.ckpt").read_bytes(), weights_of(done / "run" / "weights")
    with pytest.raises(ConfigError) as caught:
        loop.train(again(done, **changes), quiet)
    assert str(caught.value).startswith(f"{done / 'run' / 'last.ckpt'}: made with other settings")
    assert words in str(caught.value)
    assert str(caught.value).endswith("pass --fresh to start anew, or set another output")
    assert (done / "run" / "last.ckpt").read_bytes() == state
    after = weights_of(done / "run" / "weights")
    assert all(torch.equal(value, after[name]) for name, value in weights.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"run": {"log_every": 5, "save_every": 1, "validate_every": 7, "patience": 0}},
        {"data": {"workers": 1}},
        {"run": {"epochs": 1.5}},  # a constant rate does not know how long it lasts
        {"run": {"accelerator": "auto"}},
    ],
    ids=str,
)
def test_what_cannot_change_the_steps_that_were_taken_may_change(
    done: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    shutil.copytree(done / "run", tmp_path / "run")
    lines: list[str] = []
    loop.train(again(done, output=tmp_path / "run", **changes), lines.append)
    assert "from step 3" in lines[0]


def test_data_and_start_may_move(done: Path, tmp_path: Path) -> None:
    """A cluster unpacks them elsewhere for each job."""
    shutil.copytree(done, tmp_path / "moved")
    lines: list[str] = []
    loop.train(again(tmp_path / "moved"), lines.append)
    assert "from step 3" in lines[0]


def test_other_labels_images_or_start_under_the_same_name_are_refused(
    done: Path, tmp_path: Path
) -> None:
    for number, words in enumerate(("annotations: ", "images.train: ", "init: ")):
        folder = tmp_path / str(number)
        shutil.copytree(done, folder)
        if number == 0:
            content = json.loads((folder / "stills.json").read_text())
            content["annotations"][0]["keypoints"][0] += 1
            (folder / "stills.json").write_text(json.dumps(content))
        elif number == 1:
            cv2.imwrite(str(folder / "0.png"), np.zeros((60, 80, 3), np.uint8))
        else:
            tiny_model(seed=9).save_pretrained(folder / "start")
        with pytest.raises(ConfigError, match=rf"\((data.train\[0\]\.)?{words}\w{{12}}\.\.\. -> "):
            loop.train(again(folder), quiet)


def test_epochs_count_where_the_rate_depends_on_them(done: Path) -> None:
    def facts(schedule: str, epochs: float) -> dict[str, Any]:
        run = {"epochs": epochs}
        return experiment_facts(again(done, optim={"schedule": schedule}, run=run))

    for schedule in ("constant", "step"):
        assert differences(facts(schedule, 1), facts(schedule, 2)) == []
    assert differences(facts("cosine", 1), facts("cosine", 2)) == ["run.epochs: 1.0 -> 2.0"]


def test_devices_may_change_where_a_step_stays_the_same(done: Path) -> None:
    def facts(devices: int, accumulate: int, **changes: Any) -> dict[str, Any]:
        run = {"devices": devices, "accumulate": accumulate, **changes}
        return experiment_facts(again(done, run=run))

    frozen = {"frozen": ["decoder"]}
    assert differences(facts(1, 4, **frozen), facts(4, 1, **frozen)) == []
    assert differences(facts(1, 4), facts(4, 1)) == ["run.devices: 1 -> 4"]  # BatchNorm
    assert "run.accumulate x devices: 4 -> 2" in differences(facts(1, 4), facts(2, 1))


def test_a_shorter_run_does_not_take_the_longer_ones_weights(done: Path) -> None:
    with pytest.raises(ConfigError, match=r"is at step 3, with run\.epochs=0\.3 the run ends at s"):
        loop.train(again(done, run={"epochs": 0.3}), quiet)


def test_a_state_of_an_earlier_version_gets_one_line(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "run", tmp_path / "run")
    path = tmp_path / "run" / "last.ckpt"
    state = load_state(path)
    del state["facts"]
    save_state(path, state)
    config = write_experiment(again(done, output=tmp_path / "run"), tmp_path / "train.yaml")
    result = run("train", config)
    assert result.exit_code == 2
    error = [line for line in result.output.splitlines() if line.startswith("error")]
    assert error == [
        f"error: {path}: an earlier version made it without noting from what; pass --fresh to "
        "start anew, or set another output"
    ]
    assert run("train", config, "--fresh").exit_code == 0
    assert run("train", config).exit_code == 0


def test_a_fresh_start_is_a_new_run_of_weights_and_biases_too(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "run", tmp_path / "run")
    (tmp_path / "run" / "wandb_run.txt").write_text("abc\n")
    loop.train(again(done, output=tmp_path / "run", optim={"lr": 1e-4}), quiet, resume=False)
    assert not (tmp_path / "run" / "wandb_run.txt").exists()


@pytest.mark.parametrize(("size", "name"), [("s", "small"), ("h", "huge")])
def test_a_recipe_without_its_start_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("the hub was asked for what is no hub id")

    monkeypatch.setattr("tarvitpose.weights.fetch.download", refuse)
    result = run("train", ROOT / f"configs/posetrack17/{size}.yaml")
    assert result.exit_code == 2
    (error,) = result.output.splitlines()
    assert error.startswith(f"error: init: weights/vitpose-{size} does not exist; make it from")
    command = (
        f"tarvitpose convert usyd-community/vitpose-plus-{name} weights/vitpose-{size} "
        f"--size {size} --joint-set posetrack15"
    )
    assert command in error
    assert f"configs/coco/{size}.yaml" in error
    assert load_train_config(ROOT / f"configs/coco/{size}.yaml").init is None
