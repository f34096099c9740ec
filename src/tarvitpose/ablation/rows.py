"""Train and score the rows of one of the paper's tables, alike but for what the table varies.

A row is a training configuration with some keys changed; every row and seed has its own folder,
so that a stopped ablation goes on where it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tarvitpose.ablation.evaluators import DatasetEvaluator, EncodedEvaluator, Evaluator
from tarvitpose.ablation.table import Table, TableRow
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.boxes import open_boxes
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.evaluation.degraded import Score, ap_score, encode_people, pck_score
from tarvitpose.inference.cost import Cost, count
from tarvitpose.inference.devices import choose_device
from tarvitpose.metrics.posetrack_ap import Matches
from tarvitpose.training.batches import read_sources
from tarvitpose.training.config import TrainConfig, load_train_config, model_config
from tarvitpose.training.facts import experiment_facts, renamed_facts
from tarvitpose.training.loop import build_model, train
from tarvitpose.utils.arrays import Bools
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, read_facts, require_same

ReportLine = Callable[[str], None]
CONFIG_FILE, ROW_FILE = "config.yaml", "row.json"  # of a row, beside its results


@dataclass(frozen=True)
class RowScores:
    """The scores of one row, as means over the seeds that were trained."""

    row: TableRow
    parameters: int
    gmacs: float  # of one person and output frame, in windowed mode
    seeds: int
    scores: dict[str, Score]  # "clean/ap", "degraded/pck" and so on
    gains: dict[str, Score]  # over the first row, the same people compared

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {**asdict(self), "row": self.row.model_dump()}


class Ablation:
    """The rows of a table on one base configuration.

    With a frozen encoder the held-out people of `data.validation` are encoded once, their current
    frames degraded as in `data.validation_degradations`; else its videos are run as `evaluate`
    does, with `boxes`: "gt", "detector" or a file. Raises ConfigError or DataError.
    """

    def __init__(
        self, base: Path, overrides: tuple[str, ...], report: ReportLine, boxes: str = "gt"
    ) -> None:
        self.base, self.overrides, self.report, self.boxes = base, overrides, report, boxes
        self.config = load_train_config(base, overrides)
        self.is_frozen = "encoder" in self.config.run.frozen
        if not self.config.data.validation:
            raise ConfigError(f"{base}: an ablation needs data.validation, to score its rows on")
        if self.is_frozen and boxes != "gt":
            raise ConfigError(f"{base}: with a frozen encoder, people are encoded by their labels")

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
        if not self.evaluator.is_done(folder):
            self.report(f"{row.name}, seed {seed}: {folder}")
            if not is_trained(config):
                build_model(config).save_pretrained(folder / "weights")
            elif config.run.devices == 1:
                train(config, self.report)
            else:
                train_apart(config.output)
            self.evaluator.run(folder)

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
        people = encode_people(
            folder,
            build_model(self.config).eval(),
            read_sources(sources, config.joints),
            self.config.data.validation_degradations,
            self.report,
            scores="decoder" in self.config.run.frozen,
        )
        return EncodedEvaluator(people, config.joints)

    def scores(self, table: Table, seeds: Sequence[int]) -> list[RowScores]:
        """Return the scores of the rows of which at least one seed has been evaluated."""
        rows: list[RowScores] = []
        reference: RowMatches | None = None
        for row in table.rows:
            folders = [self.folder(row, seed) for seed in seeds]
            if not any(folder.exists() for folder in folders):
                continue  # before anything is encoded
            for seed in seeds:
                require_same_row(self.row_config(row, seed))
            done = [folder for folder in folders if self.evaluator.is_done(folder)]
            if done:
                cost = count(model_config(self.row_config(row, 0)))["total"]
                matches = [self.evaluator.matches(folder) for folder in done]
                result = RowMatches(matches, self._right(done))
                reference = reference or result
                scores, gains = result.scores(None), result.scores(reference)
                rows.append(RowScores(row, cost.parameters, cost.gmacs, len(done), scores, gains))
        return rows

    def _right(self, seeds: Sequence[Path]) -> dict[str, tuple[NDArray[np.float64], Bools]]:
        """Return for each group, where PCK is measured, how often each joint was right."""
        groups = [self.evaluator.right(folder) for folder in seeds]
        return {
            name: (np.mean([seed[name][0] for seed in groups], 0), seen)
            for name, (_, seen) in groups[0].items()
        }


@dataclass(frozen=True)
class RowMatches:
    """A row's matches in each group of frames, for its scores and all gains over it."""

    matches: list[dict[str, list[Matches]]]  # of each seed
    right: dict[str, tuple[NDArray[np.float64], Bools]]  # share of seeds (n, K J), what counts

    def scores(self, reference: RowMatches | None) -> dict[str, Score]:
        """Score each group, or its gain over a reference: AP, and PCK where it is measured."""
        scores = {}
        for name in self.matches[0]:
            baseline = [seed[name] for seed in reference.matches] if reference else []
            scores[f"{name}/ap"] = ap_score([seed[name] for seed in self.matches], baseline)
        for name, (right, seen) in self.right.items():
            before = reference.right[name][0] if reference else None
            scores[f"{name}/pck"] = pck_score(right, seen, before)
        return scores


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
        before = renamed_facts(read_facts(folder / ROW_FILE))
        require_same(folder, before, row_facts(config), remedy, ConfigError)


def claim(config: TrainConfig) -> None:
    """Keep a row's configuration beside its results. Raises ConfigError if another one is there."""
    require_same_row(config)
    write_json(config.output / ROW_FILE, row_facts(config))
    with atomic_file(config.output / CONFIG_FILE) as temporary:
        content = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        temporary.write_text(content, encoding="utf-8")


def train_apart(folder: Path) -> None:
    """Train on several devices in a new process: its process group cannot be opened twice.

    Raises ConfigError if that fails; the process has printed why.
    """
    path = folder / CONFIG_FILE
    command = [sys.executable, "-m", "tarvitpose", "train", str(path)]
    if subprocess.run(command, check=False).returncode:
        raise ConfigError(f"{path}: this training failed; the reason is printed above")
