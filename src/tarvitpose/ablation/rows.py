"""Train and score the rows of one of the paper's tables, alike but for what the table varies.

A row is a training configuration with some keys changed; every row and seed has its own folder,
so that a stopped ablation goes on where it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tarvitpose.ablation.evaluators import WEIGHTS, DatasetEvaluator, EncodedEvaluator, Evaluator
from tarvitpose.ablation.table import Table, TableRow
from tarvitpose.data.records import Record
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.boxes import open_boxes
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.evaluation.degraded import Score, ap_score, encode_people, pck_score
from tarvitpose.inference.cost import Cost, count
from tarvitpose.inference.devices import choose_device
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.posetrack_ap import Matches
from tarvitpose.metrics.speed import joint_speeds
from tarvitpose.training.batches import read_sources
from tarvitpose.training.config import TrainConfig, load_train_config, model_config
from tarvitpose.training.facts import experiment_facts, renamed_facts
from tarvitpose.training.loop import build_model, train
from tarvitpose.training.validation import fixed_share
from tarvitpose.utils.arrays import Bools, Float64, Int64
from tarvitpose.utils.atomic import write_text
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, read_facts, require_same
from tarvitpose.weights.files import WEIGHTS_FILE

ReportLine = Callable[[str], None]
CONFIG_FILE, ROW_FILE = "config.yaml", "row.json"  # of a row, beside its results


@dataclass(frozen=True)
class RowScores:
    """The scores of one row, as means over the seeds that were trained."""

    row: TableRow
    parameters: int
    gmacs: float  # of one person and output frame, in windowed mode
    seeds: int
    scores: dict[str, Score]  # "clean/ap", "degraded/pck", "degraded fast/pck" and so on
    gains: dict[str, Score]  # over the first row, the same people compared
    over: dict[str, Score]  # over the row that the table compares with; empty without one

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {**asdict(self), "row": self.row.model_dump()}


class Ablation:
    """The rows of a table on one base configuration.

    With a frozen encoder the held-out people of `data.validation` are encoded once, their current
    frames degraded as in `data.validation_degradations`; else its videos are run as `evaluate`
    does, with `boxes`: "gt", "detector" or a file. Joints are right within `torso_share` of the
    torso, where PCK is measured. Raises ConfigError or DataError.
    """

    def __init__(
        self,
        base: Path,
        overrides: tuple[str, ...],
        report: ReportLine,
        boxes: str = "gt",
        torso_share: float = TORSO_SHARE,
    ) -> None:
        self.base, self.overrides, self.report = base, overrides, report
        self.boxes, self.torso_share = boxes, torso_share
        self.config = load_train_config(base, overrides)
        self.is_frozen = "encoder" in self.config.run.frozen
        if not self.config.data.validation:
            raise ConfigError(f"{base}: an ablation needs data.validation, to score its rows on")
        if self.is_frozen and boxes != "gt":
            raise ConfigError(f"{base}: with a frozen encoder, people are encoded by their labels")
        if not self.is_frozen and torso_share != TORSO_SHARE:
            raise ConfigError(f"{base}: PCK is measured with a frozen encoder; here rows have AP")

    def row_config(self, row: TableRow, seed: int) -> TrainConfig:
        """Return the training configuration of a row. Raises ConfigError.

        It has no validation data: no row is chosen or stopped by what it is scored on.
        """
        fixed = {"run.seed": seed, "output": str(self.folder(row, seed)), "data.validation": []}
        if self.config.data.features is not None:  # seeds share their encoded clips
            fixed["data.encoded_seed"] = self.config.encoded_seed
        without_choice = {"run.patience": 0, "run.monitor": "", "run.keep": "last"}
        changes = {**row.change, **fixed, **without_choice}
        changed = tuple(f"{key}={json.dumps(value)}" for key, value in changes.items())
        return load_train_config(self.base, (*self.overrides, *changed))

    def folder(self, row: TableRow, seed: int) -> Path:
        """Return where a row is trained: rows of several tables that are alike share theirs."""
        words = json.dumps(row.change, sort_keys=True).lower()
        name = re.sub(r"[^a-z0-9.+]+", "_", words.replace("-", "m")).strip("_") or "tar"
        return self.config.output / name / f"seed{seed}"

    def costs(self, table: Table) -> list[tuple[TableRow, dict[str, Cost]]]:
        """Return what each row's network costs, by part. Nothing is trained or read but configs."""
        return [(row, count(model_config(self.row_config(row, 0)))) for row in table.rows]

    def train(self, row: TableRow, seed: int) -> None:
        """Train and evaluate a row, unless that was done; goes on where it stopped.

        Raises ConfigError if its folder is of a row with another configuration.
        """
        folder, config = self.folder(row, seed), self.row_config(row, seed)
        claim(config)
        if row.mode != "tar" and not self.is_frozen:
            self.report(f"{row.name}: left out; it needs a frozen encoder")
        elif not self.evaluator.is_done(folder, row.mode):
            self.report(f"{row.name}, seed {seed}: {folder}")
            is_shared = row.mode != "tar" and (folder / WEIGHTS / WEIGHTS_FILE).exists()
            if not is_shared:  # with a row of the same network, which has trained it
                self._train_network(config)
            self.evaluator.run(folder, row.mode)

    def _train_network(self, config: TrainConfig) -> None:
        if not is_trained(config):
            build_model(config).save_pretrained(config.output / WEIGHTS)
        elif config.run.devices == 1:
            train(config, self.report)
        else:
            train_apart(config.output)

    @cached_property
    def evaluator(self) -> Evaluator:
        """What the rows are evaluated on. Raises DataError or BoxesError."""
        config, sources = model_config(self.config), self.config.data.validation
        if not self.is_frozen:
            device = choose_device("auto")
            videos = [
                video
                for source in sources
                for video in read_labelled(
                    source.format,
                    source.annotations,
                    config.joints,
                    images=source.images,
                    set_name=source.set,
                )
            ]
            return DatasetEvaluator(videos, open_boxes(self.boxes, None, device, videos))
        folder = (self.config.data.features or self.config.output / "features") / "held_out"
        everybody = read_sources(sources, config.joints)
        records = fixed_share(everybody, self.config.data.validation_share)
        people = encode_people(
            folder,
            build_model(self.config).eval(),
            records,
            self.config.data.validation_degradations,
            self.report,
            scores="decoder" in self.config.run.frozen,
            precision=self.config.run.precision,
        )
        speeds = record_speeds(everybody)
        clips = [str(record.frames[0]) for record in records]
        return EncodedEvaluator(
            people,
            config.joints,
            np.stack([speeds[record.name] for record in records]),
            np.unique(clips, return_inverse=True)[1],
            self.torso_share,
        )

    def scores(self, table: Table, seeds: Sequence[int]) -> list[RowScores]:
        """Return the scores of the rows of which at least one seed has been evaluated."""
        results: dict[str, RowMatches] = {}
        for row in table.rows:
            folders = [self.folder(row, seed) for seed in seeds]
            if not any(folder.exists() for folder in folders):
                continue  # before anything is encoded
            for seed in seeds:
                require_same_row(self.row_config(row, seed))
            done = [folder for folder in folders if self.evaluator.is_done(folder, row.mode)]
            if done and (row.mode == "tar" or self.is_frozen):
                results[row.name] = self._matches(row, done)
        first, against = next(iter(results.values()), None), results.get(table.against)
        rows: list[RowScores] = []
        for row in table.rows:
            if result := results.get(row.name):
                cost = count(model_config(self.row_config(row, 0)))["total"]
                scores, gains = result.scores(None), result.scores(first)
                over = result.scores(against) if against else {}
                seen = len(result.matches)
                rows.append(RowScores(row, cost.parameters, cost.gmacs, seen, scores, gains, over))
        return rows

    def _matches(self, row: TableRow, seeds: Sequence[Path]) -> RowMatches:
        """Return what the trained seeds of a row had right."""
        groups = [self.evaluator.right(folder, row.mode) for folder in seeds]
        right = {
            name: (np.mean([seed[name][0] for seed in groups], 0), seen)
            for name, (_, seen) in groups[0].items()
        }
        matches = [self.evaluator.matches(folder, row.mode) for folder in seeds]
        units = self.evaluator.units if isinstance(self.evaluator, EncodedEvaluator) else None
        return RowMatches(matches, right, units)


@dataclass(frozen=True)
class RowMatches:
    """A row's matches in each group of frames, for its scores and all gains over it."""

    matches: list[dict[str, list[Matches]]]  # of each seed
    right: dict[str, tuple[Float64, Bools]]  # share of seeds (n, K J), what counts
    units: Int64 | None  # (n,), people with the same number are drawn together

    def scores(self, reference: RowMatches | None) -> dict[str, Score]:
        """Score each group, or its gain over a reference: AP, and PCK where it is measured."""
        scores = {}
        for name in self.matches[0]:
            baseline = [seed[name] for seed in reference.matches] if reference else []
            scores[f"{name}/ap"] = ap_score([seed[name] for seed in self.matches], baseline)
        for name, (right, seen) in self.right.items():
            before = reference.right[name][0] if reference else None
            scores[f"{name}/pck"] = pck_score(right, seen, before, self.units)
        return scores


def record_speeds(records: Sequence[Record]) -> dict[str, Float64]:
    """Return how far each person's joints move from frame to frame, (J,), by the record's name.

    `metrics.speed` says how; videos may have labels of every second frame alone. People are told
    apart by what stands behind the frame in a record's name.
    """
    people: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        people[str(record.frames[0]), record.name.rpartition("#")[2]].append(record)
    speeds: dict[str, Float64] = {}
    for person in people.values():
        moved = joint_speeds(
            [record.current for record in person],
            [record.keypoints for record in person],
            [record.visible for record in person],
            [record.box for record in person],
            reach=2,
        )
        speeds |= zip((record.name for record in person), moved, strict=True)
    return speeds


def is_trained(config: TrainConfig) -> bool:
    """Return whether a training would change anything: not with all parts frozen."""
    return model_config(config).temporal or not {"encoder", "decoder"} <= set(config.run.frozen)


def row_facts(config: TrainConfig) -> Facts:
    """Return what a row's results depend on; all rows of a table are trained for as long."""
    facts = experiment_facts(config)
    facts["run"]["epochs"] = config.run.epochs
    return facts


def require_same_row(config: TrainConfig) -> None:
    """Raise ConfigError where a row's folder holds results of another configuration."""
    folder = config.output
    if (folder / CONFIG_FILE).exists():
        remedy = "remove it, or set another output"
        before = renamed_facts(folder / ROW_FILE, read_facts(folder / ROW_FILE))
        require_same(folder, before, row_facts(config), remedy, ConfigError)


def claim(config: TrainConfig) -> None:
    """Keep a row's configuration beside its results. Raises ConfigError if another one is there."""
    require_same_row(config)
    write_json(config.output / ROW_FILE, row_facts(config))
    content = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    write_text(config.output / CONFIG_FILE, content)


def train_apart(folder: Path) -> None:
    """Train on several devices in a new process: its process group cannot be opened twice.

    Raises ConfigError if that fails; the process has printed why.
    """
    path = folder / CONFIG_FILE
    command = [sys.executable, "-m", "tarvitpose", "train", str(path)]
    if subprocess.run(command, check=False).returncode:
        raise ConfigError(f"{path}: this training failed; the reason is printed above")
