"""What a trained row of an ablation is tried on, and how that is judged.

Either the encoded people of a benchmark, where rows share a frozen encoder, or a whole data set.
Axes: n people, K kinds, J joints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.boxes import Boxes
from tarvitpose.evaluation.datasets import LabelledVideo
from tarvitpose.evaluation.degraded import (
    Benchmark,
    Poses,
    correct,
    find,
    for_model,
    judged_people,
)
from tarvitpose.evaluation.predictions import (
    SETTINGS_FILE,
    SINGLE_FRAME,
    TEMPORAL,
    Task,
    claim,
    prediction_facts,
)
from tarvitpose.evaluation.run import load_predictors
from tarvitpose.evaluation.scores import judged_video
from tarvitpose.metrics.posetrack_ap import Judged
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Bools
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.hashing import file_digest
from tarvitpose.utils.provenance import Facts, read_facts, require_same
from tarvitpose.weights.folder import WEIGHTS_FILE

CLEAN, DEGRADED = "clean", "degraded"
WEIGHTS = "weights"  # the folder of a row's, and the name of their SHA-256 among the facts
REMEDY = "remove that to score the row again"


def _require_same_row(kept: Path, before: Facts | None, facts: Facts, row: Path) -> None:
    """Raise ConfigError where a row's results are of other data, or of weights that changed."""
    weights = row / WEIGHTS / WEIGHTS_FILE  # who keeps the results alone has none any more
    own = file_digest(weights) if weights.exists() else (before or {}).get(WEIGHTS)
    require_same(kept, before, {**facts, WEIGHTS: own}, REMEDY, ConfigError)


@dataclass(frozen=True, eq=False)
class EncodedTrial:
    """The people of a benchmark, with the current frame degraded in several ways."""

    benchmark: Benchmark
    joints: JointSet

    @property
    def label(self) -> str:
        """What is tried on, for a person to read."""
        return f"{len(self.benchmark.keypoints)} held-out people, ground-truth boxes"

    @property
    def groups(self) -> dict[str, list[str]]:
        """The kinds of frames that are scored together: clean, all degraded ones, each kind."""
        kinds = [str(kind) for kind in self.benchmark.kinds]
        degraded = [kind for kind in kinds if kind != CLEAN]
        return {**({DEGRADED: degraded} if degraded else {}), **{kind: [kind] for kind in kinds}}

    def is_done(self, folder: Path) -> bool:
        """Return whether a row was tried out. Raises ConfigError if on others, or otherwise."""
        path = _file(folder)
        if not path.exists():
            return False
        with np.load(path) as found:
            before = json.loads(found["facts"].item()) if "facts" in found else None
        _require_same_row(path, before, self.benchmark.facts, folder)
        return True

    def run(self, folder: Path) -> None:
        """Find the joints with a row's weights and keep them. Raises ConfigError or OutputError."""
        model = TARViTPose.from_pretrained(folder / WEIGHTS)
        benchmark = for_model(self.benchmark, model)
        facts = {**benchmark.facts, WEIGHTS: file_digest(folder / WEIGHTS / WEIGHTS_FILE)}
        found: dict[str, Any] = {"facts": json.dumps(facts)}
        for kind in benchmark.kinds:
            poses = find(model, benchmark.batches(kind, model.config.offsets))
            found[f"{kind}/keypoints"], found[f"{kind}/scores"] = poses.keypoints, poses.scores
        with atomic_file(_file(folder)) as temporary, temporary.open("wb") as file:
            np.savez(file, **found)

    def judged(self, folder: Path) -> dict[str, list[Judged]]:
        """Return the judged people of each group."""
        return {
            name: judged_people(poses, *self._truth) for name, poses in self._found(folder).items()
        }

    def right(self, folder: Path) -> dict[str, tuple[Bools, Bools]]:
        """Return which joints are right by PCK and which count, (n, K J) each, of each group."""
        return {name: correct(poses, *self._truth) for name, poses in self._found(folder).items()}

    @property
    def _truth(self) -> tuple[Any, Any, JointSet]:
        return self.benchmark.keypoints, self.benchmark.visible, self.joints

    def _found(self, folder: Path) -> dict[str, list[Poses]]:
        with np.load(_file(folder)) as found:
            return {
                name: [Poses(found[f"{kind}/keypoints"], found[f"{kind}/scores"]) for kind in kinds]
                for name, kinds in self.groups.items()
            }


def _file(folder: Path) -> Path:
    return folder / "found.npz"


@dataclass(frozen=True, eq=False)
class DatasetTrial:
    """Every labelled frame of a data set's videos, as `evaluate` runs them."""

    videos: Sequence[LabelledVideo]
    boxes: Boxes

    @property
    def label(self) -> str:
        """What is tried on, for a person to read."""
        return f"{len(self.videos)} held-out videos, boxes: {self.boxes.label}"

    def is_done(self, folder: Path) -> bool:
        """Return whether a row was tried out on every video. Raises ConfigError if otherwise."""
        task, mode = self._task(folder), self._mode(folder)
        if not all(task.file(mode, video).exists() for video in self.videos):
            return False
        before = read_facts(task.output / SETTINGS_FILE)
        _require_same_row(task.output, before, self._facts, folder)
        return True

    def run(self, folder: Path) -> None:
        """Predict each video that was not yet predicted. Raises DataError or OutputError."""
        predictors = load_predictors(str(folder / WEIGHTS))
        mode = TEMPORAL if TEMPORAL in predictors else SINGLE_FRAME
        task = Task({mode: predictors[mode]}, self.boxes, folder / "predictions")
        weights = file_digest(folder / WEIGHTS / WEIGHTS_FILE)
        claim(task.output, {**self._facts, WEIGHTS: weights}, REMEDY)
        for video in self.videos:
            task.finish(video, lambda frames: None)

    def judged(self, folder: Path) -> dict[str, list[Judged]]:
        """Return the judged videos; all frames are as they are."""
        task, mode = self._task(folder), self._mode(folder)
        return {CLEAN: [judged_video(task, mode, video) for video in self.videos]}

    def right(self, folder: Path) -> dict[str, tuple[Bools, Bools]]:
        """Return nothing: PCK is what `evaluate` says."""
        return {}

    @cached_property
    def _facts(self) -> Facts:
        return prediction_facts(self.boxes, self.videos)

    def _task(self, folder: Path) -> Task:
        return Task({}, self.boxes, folder / "predictions")

    def _mode(self, folder: Path) -> str:
        return TEMPORAL if (folder / "predictions" / TEMPORAL).is_dir() else SINGLE_FRAME


Trial = EncodedTrial | DatasetTrial
