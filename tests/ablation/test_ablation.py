"""Tables of rows: each trains and is scored, alike rows once, and an end goes on where it was."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_ablation import BASE, TABLES, overrides
from tiny_datasets import tiny_changes, write_data_sets

from tarvitpose.ablation.evaluators import EncodedEvaluator
from tarvitpose.ablation.rows import Ablation, claim, record_speeds
from tarvitpose.ablation.table import Table, TableRow, load_table
from tarvitpose.data.records import Record
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.degraded import EncodedPeople, PredictedJoints, ap_score, match_people
from tarvitpose.evaluation.motion_scores import THIRDS
from tarvitpose.evaluation.posetrack_pairs import paired_files, read_pairs
from tarvitpose.heatmaps import decode
from tarvitpose.inference.cost import count
from tarvitpose.metrics.posetrack_ap import aggregate, match
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.training.config import load_train_config, model_config

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop

ROWS = {(str(row.change), row.mode): row for path in TABLES for row in load_table(path).rows}
SINGLE = TableRow(name="single", change={"model.offsets": []})
FOUND = "found.npz"
TWO = Table(title="two", paper="nothing", rows=(SINGLE, TableRow(name="one more")))


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    """The rows of all tables, each trained for one step."""
    changes = overrides(tmp_path_factory.mktemp("ablation"))
    whole = Ablation(BASE, changes, lambda _: None)
    for row in ROWS.values():
        whole.train(row, 0)
    return whole


@pytest.fixture
def small(tmp_path: Path) -> Ablation:
    return Ablation(BASE, overrides(tmp_path), lambda _: None)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_row_of_every_table_trains_and_is_scored(path: Path, ablation: Ablation) -> None:
    table = load_table(path)
    rows = ablation.scores(table, [0])
    assert [row_scores.row for row_scores in rows] == list(table.rows)
    for row_scores in rows:
        config = model_config(ablation.row_config(row_scores.row, 0))
        trained = TARViTPose.from_pretrained(ablation.folder(row_scores.row, 0) / "weights")
        assert trained.config == config
        assert row_scores.parameters == sum(value.numel() for value in trained.parameters())
        assert row_scores.gmacs == count(config)["total"].gmacs
        assert row_scores.seeds == 1
        assert set(row_scores.scores) == {
            f"{degradation}/{metric}"
            for degradation in ("degraded", "clean", "dark")
            for metric in ("ap", "pck")
        }
        assert all(0 <= score.value <= 100 for score in row_scores.scores.values())
    assert all((gain.value, gain.low, gain.high) == (0, 0, 0) for gain in rows[0].gains.values())


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_row_is_what_its_table_says(path: Path, ablation: Ablation) -> None:
    """Each key of a row exists, and reaches the network that is trained."""
    table = load_table(path)
    assert table.rows[0].change == SINGLE.change
    assert all((row.paper is None) == (row.mode != "tar") for row in table.rows)
    for row in table.rows:
        config = ablation.row_config(row, 3)
        assert config.run.seed == 3
        model = model_config(config).model_dump(mode="json")
        for key, value in row.change.items():
            section, _, name = key.partition(".")
            own = model[name] if section == "model" else getattr(config.run, name)
            assert own == value, key


def test_alike_rows_of_several_tables_are_one_folder(ablation: Ablation) -> None:
    folders = {ablation.folder(row, 0) for row in ROWS.values()}
    assert len(folders) == len({change for change, _ in ROWS})  # rivals share a network
    last = [load_table(path).rows for path in TABLES if path.stem in ("table4", "table5", "table6")]
    assert len({ablation.folder(rows[-1], 0) for rows in last}) == 1
    assert ablation.folder(SINGLE, 0) != ablation.folder(SINGLE, 1)
    assert {path.parent for path in ablation.config.output.rglob(FOUND)} == folders


def test_keys_that_do_not_exist_are_named(small: Ablation) -> None:
    for key, message in (("model.jta_layer", "jta_layer"), ("run.epoch", "did you mean epochs")):
        with pytest.raises(ConfigError, match=message):
            small.train(TableRow(name="wrong", change={key: 1}), 0)


def test_a_row_that_is_done_is_not_trained_again(
    ablation: Ablation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("tarvitpose.ablation.rows.train", refuse)
    for row in ROWS.values():
        ablation.train(row, 0)


def test_a_stopped_ablation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    changes = overrides(tmp_path, **{"run.epochs": 0.8, "run.save_every": 1})  # four steps
    ablation = Ablation(BASE, changes, lines.append)
    advance = loop.TrainingRun.advance

    def stop_at_three(self: loop.TrainingRun, batches: Any, index: int) -> float:
        if index == 2:
            raise KeyboardInterrupt
        return advance(self, batches, index)

    monkeypatch.setattr(loop.TrainingRun, "advance", stop_at_three)
    row = TWO.rows[1]
    with pytest.raises(KeyboardInterrupt):
        ablation.train(row, 0)
    assert ablation.scores(TWO, [0]) == []
    monkeypatch.setattr(loop.TrainingRun, "advance", advance)
    lines.clear()
    again = Ablation(BASE, changes, lines.append)
    again.train(row, 0)
    assert any("from step 2" in line for line in lines)
    assert [row_scores.row for row_scores in again.scores(TWO, [0])] == [row]


def held_out(ablation: Ablation) -> EncodedPeople:
    assert isinstance(ablation.evaluator, EncodedEvaluator)
    return ablation.evaluator.people


def put(ablation: Ablation, row: TableRow, seed: int, spread: float) -> dict[str, Any]:
    """Write what a training would have found: the truth, moved by a number of pixels."""
    random = np.random.default_rng(seed + int(10 * spread))
    truth = held_out(ablation).keypoints
    arrays = {}
    for degradation, times in (("clean", 1), ("dark", 2)):
        arrays[f"{degradation}/keypoints"] = truth + random.normal(0, times * spread, truth.shape)
        arrays[f"{degradation}/scores"] = random.uniform(size=truth.shape[:2])
    claim(ablation.row_config(row, seed))
    facts = {**held_out(ablation).facts, "weights": None}
    np.savez(ablation.folder(row, seed) / FOUND, facts=json.dumps(facts), **arrays)
    return arrays


def test_scores_of_a_row_are_those_of_its_poses(small: Ablation) -> None:
    row_scores, other = TWO.rows
    first = [put(small, row_scores, seed, 6) for seed in (0, 1)]
    put(small, other, 0, 3)
    rows = small.scores(TWO, [0, 1, 2])
    assert [row.seeds for row in rows] == [2, 1]
    people = held_out(small)
    truth = people.keypoints, people.visible, POSETRACK_15
    for name, degradations in (("clean", ["clean"]), ("degraded", ["dark"])):
        matches = [
            match_people(
                [
                    PredictedJoints(
                        arrays[f"{degradation}/keypoints"], arrays[f"{degradation}/scores"]
                    )
                    for degradation in degradations
                ],
                *truth,
            )
            for arrays in first
        ]
        assert rows[0].scores[f"{name}/ap"] == ap_score(matches, samples=10)
        ap = [row.scores[f"{name}/ap"] for row in rows]
        gain = rows[1].gains[f"{name}/ap"]
        assert gain.value == pytest.approx(ap[1].value - ap[0].value)
        assert gain.low <= gain.value <= gain.high
        assert gain.value > 0
    assert rows[0].facts()["row"]["name"] == "single"


def test_rows_that_found_the_same_gain_nothing_over_each_other(small: Ablation) -> None:
    for row in TWO.rows:
        put(small, row, 0, 5)
    gains = small.scores(TWO, [0])[1].gains.values()
    assert all((gain.value, gain.low, gain.high) == (0, 0, 0) for gain in gains)


def test_with_a_trained_encoder_rows_are_scored_on_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `evaluate --predictions` scores the files that a row leaves behind."""
    monkeypatch.chdir(tmp_path)
    write_data_sets(tmp_path)
    base = BASE.parents[1] / "posetrack18" / "s.yaml"
    ablation = Ablation(base, tiny_changes(tmp_path / "start"), lambda _: None)
    assert not ablation.is_frozen
    for row in TWO.rows:
        ablation.train(row, 0)
    rows = ablation.scores(TWO, [0])
    truth = tmp_path / "data" / "posetrack18" / "annotations" / "val"
    for row_scores, mode in zip(rows, ("single-frame", "temporal"), strict=True):
        assert set(row_scores.scores) == {"clean/ap"}
        folder = ablation.folder(row_scores.row, 0) / "predictions" / mode
        matches = [match(read_pairs(*pair)) for pair in paired_files(folder, truth)]
        assert len(matches) == 2
        assert row_scores.scores["clean/ap"].value == pytest.approx(aggregate(matches).mean)


def test_rows_that_learn_nothing_combine_the_single_frames(ablation: Ablation) -> None:
    """A window's heatmaps, decoded one by one, and their mean, as NumPy has it."""
    people = held_out(ablation)
    model = TARViTPose.from_pretrained(ablation.folder(SINGLE, 0) / "weights")
    crops = np.concatenate([people.neighbours, people.current[:, 1:2]], 1).astype(np.float32)
    with torch.inference_mode():
        maps = model.decoder(torch.from_numpy(crops.reshape(-1, *crops.shape[2:]))).numpy()
    mean = maps.reshape(len(crops), 5, *maps.shape[1:]).mean(1)
    expected = decode(mean, model.config.input_size, model.config.codec)[0]
    with np.load(ablation.folder(SINGLE, 0) / "mean-heatmaps.npz") as arrays:
        np.testing.assert_allclose(arrays["dark/keypoints"], expected, atol=1e-3)


def clip_records(steps: list[float], missing: int) -> list[Record]:
    """Return one person in a clip whose joints move so far to the right in each frame."""
    frames = tuple(Path(f"clip/{at}.jpg") for at in range(len(steps)))
    records = []
    for at, x in enumerate(np.cumsum(steps)):
        visible = np.ones(2, np.float32)
        visible[1] = at != missing
        points = np.array([[x, 5], [2 * x, 5]], np.float32)
        records.append(Record(f"clip/{at}#7", frames, at, (0, 0, 50, 100), points, visible))
    return records


def test_how_fast_joints_move_is_a_mean_over_the_frames_near() -> None:
    speeds = record_speeds(clip_records([0, 1, 1, 4], missing=2))
    np.testing.assert_allclose(speeds["clip/0#7"], [0.01, 0.02], rtol=1e-5)
    np.testing.assert_allclose(speeds["clip/3#7"], [(4 + 2.5) / 200, 0.05], rtol=1e-5)
    assert np.isnan(speeds["clip/2#7"][1])
    assert np.isnan(record_speeds(clip_records([0], missing=1))["clip/0#7"]).all()


def test_thirds_split_the_joints_by_speed_and_gains_are_against_the_named_row(
    small: Ablation,
) -> None:
    table = Table(title="two", paper="nothing", against="one more", rows=TWO.rows)
    for row, spread in zip(table.rows, (6, 3), strict=True):
        put(small, row, 0, spread)
    evaluator = small.evaluator
    assert isinstance(evaluator, EncodedEvaluator)
    random = np.random.default_rng(0)
    speeds = random.uniform(size=evaluator.speeds.shape).astype(np.float32)
    small.__dict__["evaluator"] = replace(evaluator, speeds=speeds)  # stills have none
    cells = small.evaluator.right(small.folder(SINGLE, 0), "tar")
    thirds = [cells[f"clean {third}"][1] for third in THIRDS]
    assert sum(thirds).max() == 1  # type: ignore[union-attr]
    assert (sum(thirds) == cells["clean"][1]).all()
    counts = [int(third.sum()) for third in thirds]
    assert max(counts) - min(counts) <= 1
    assert speeds[thirds[0]].max() <= speeds[thirds[1]].min()
    single, other = small.scores(table, [0])
    for name, score in single.scores.items():
        assert single.over[name].value == pytest.approx(score.value - other.scores[name].value)
        assert single.over[name].value == pytest.approx(-other.gains[name].value)
    assert {score.value for score in other.over.values()} == {0}


def test_nothing_held_out_is_looked_at_while_a_row_trains(ablation: Ablation) -> None:
    assert not ablation.row_config(SINGLE, 0).data.validation
    assert not list(ablation.config.output.rglob("best"))


def test_what_does_not_go_together_is_said(tmp_path: Path) -> None:
    changes = overrides(tmp_path)
    with pytest.raises(ConfigError, match=r"an ablation needs data\.validation"):
        Ablation(BASE, (*changes, "data.validation=[]"), lambda _: None)
    with pytest.raises(ConfigError, match="people are encoded by their labels"):
        Ablation(BASE, changes, lambda _: None, boxes="detector")
    trained = BASE.parents[1] / "posetrack18" / "s.yaml"  # with its encoder
    with pytest.raises(ConfigError, match="here rows have AP"):
        Ablation(trained, (), lambda _: None, torso_share=0.1)


def test_a_row_of_another_configuration_is_not_taken_for_this_one(tmp_path: Path) -> None:
    Ablation(BASE, overrides(tmp_path), lambda _: None).train(SINGLE, 0)
    longer = Ablation(BASE, overrides(tmp_path, **{"run.epochs": 3}), lambda _: None)
    with pytest.raises(ConfigError, match=r"seed0: made with other .*\(run\.epochs: 0\.2 -> 3\.0"):
        longer.train(SINGLE, 0)


def test_several_devices_get_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablation = Ablation(BASE, overrides(tmp_path, **{"run.devices": 2}), lambda _: None)
    row = TableRow(name="all")
    config = ablation.row_config(row, 0)

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "tarvitpose", "train"]
        assert load_train_config(Path(command[4])) == config
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ConfigError, match="this training failed"):
        ablation.train(row, 0)


def test_scores_of_other_weights_or_configurations_are_not_shown(tmp_path: Path) -> None:
    changes = overrides(tmp_path)
    first = Ablation(BASE, changes, lambda _: None)
    row = TWO.rows[1]
    first.train(row, 0)
    other = Ablation(BASE, (*changes, "optim.lr=1.0e-5"), lambda _: None)
    with pytest.raises(ConfigError, match=r"seed0: made with .*\(optim\.lr: 0\.0004 -> 1e-05\)"):
        other.scores(TWO, [0])
    weights = first.folder(row, 0) / "weights"
    model = TARViTPose.from_pretrained(weights)
    with torch.no_grad():
        model.decoder.final.bias.add_(1)  # type: ignore[operator,union-attr]
    model.save_pretrained(weights)
    for show in (lambda: first.scores(TWO, [0]), lambda: first.train(row, 0)):
        with pytest.raises(
            ConfigError, match=r"found\.npz: made with .*\(weights: \w{12}\.\.\. -> "
        ):
            show()
    (weights / "model.safetensors").unlink()  # who keeps the scores alone may show them
    assert [row_scores.row for row_scores in first.scores(TWO, [0])] == [row]


def test_seeds_share_encoded_clips_in_any_order(tmp_path: Path) -> None:
    ablation = Ablation(BASE, overrides(tmp_path), lambda _: None)
    clips = tmp_path / "features" / "0" / "features.npy"
    ablation.train(TWO.rows[1], 2)
    before = clips.read_bytes()
    ablation.train(TWO.rows[1], 0)
    assert clips.read_bytes() == before
    configs = [ablation.row_config(TWO.rows[1], seed) for seed in (0, 2)]
    assert [row_scores.encoded_seed for row_scores in configs] == [ablation.config.run.seed] * 2
