"""What the trained rows of an ablation are evaluated on.

Either held-out people who are encoded once, where rows share a frozen encoder, or a whole data set.
Axes: n people, K degradations, J joints.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.config import RowMode
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.boxes import Boxes
from tarvitpose.evaluation.comparison import SINGLE_FRAME, TEMPORAL
from tarvitpose.evaluation.datasets import LabelledVideo
from tarvitpose.evaluation.degraded import (
    EncodedPeople,
    PredictedJoints,
    correct,
    for_model,
    match_people,
    predict_joints,
)
from tarvitpose.evaluation.motion_scores import thirds_of
from tarvitpose.evaluation.predictions import (
    SETTINGS_FILE,
    PredictionTask,
    claim,
    prediction_facts,
)
from tarvitpose.evaluation.run import load_predictors
from tarvitpose.evaluation.scores import match_video
from tarvitpose.inference.fast import fold_attention
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.posetrack_ap import Matches
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Bools, Float64, Int64, npz_arrays
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.hashing import file_digest
from tarvitpose.utils.provenance import Facts, read_facts, require_same
from tarvitpose.weights.files import WEIGHTS_FILE

CLEAN, DEGRADED = "clean", "degraded"
WEIGHTS = "weights"  # a row's folder of weights, and the name of their SHA-256 among the facts
REMEDY = "remove that to score the row again"


def joints_file(mode: str) -> str:
    """Return the name of the file with what a row's weights predict for the held-out people."""
    return "found.npz" if mode == "tar" else f"{mode}.npz"


def _require_same_row(result: Path, before: Facts | None, facts: Facts, row: Path) -> None:
    """Raise ConfigError where a row's result is of other data, or of weights that changed."""
    path = row / WEIGHTS / WEIGHTS_FILE  # may be deleted once the result is there
    current = file_digest(path) if path.exists() else (before or {}).get(WEIGHTS)
    require_same(result, before, {**facts, WEIGHTS: current}, REMEDY, ConfigError)


@dataclass(frozen=True, eq=False)
class EncodedEvaluator:
    """Held-out people whose current frame is degraded in several ways."""

    people: EncodedPeople
    joints: JointSet
    speeds: Float64  # (n, J), NaN where unknown
    units: Int64  # (n,), the number of each person's video: drawn together
    torso_share: float = TORSO_SHARE  # within which a joint is right

    @property
    def label(self) -> str:
        """What rows are evaluated on, for a person to read."""
        return f"{len(self.people.keypoints)} held-out people, ground-truth boxes"

    @property
    def groups(self) -> dict[str, list[str]]:
        """The degradations that are scored together: all degraded frames, then each by itself."""
        names = [str(degradation) for degradation in self.people.degradations]
        degraded = [name for name in names if name != CLEAN]
        return {**({DEGRADED: degraded} if degraded else {}), **{name: [name] for name in names}}

    def is_done(self, folder: Path, mode: str) -> bool:
        """Return whether a row was evaluated. Raises ConfigError if on other people or weights."""
        path = folder / joints_file(mode)
        if not path.exists():
            return False
        with npz_arrays(path, ConfigError) as arrays:
            before = json.loads(arrays["facts"].item()) if "facts" in arrays else None
        _require_same_row(path, before, self.people.facts, folder)
        return True

    def run(self, folder: Path, mode: RowMode) -> None:
        """Predict all joints with a row's weights. Raises ConfigError or OutputError."""
        model = fold_attention(TARViTPose.from_pretrained(folder / WEIGHTS))
        people = for_model(self.people, model)
        facts = {**people.facts, WEIGHTS: file_digest(folder / WEIGHTS / WEIGHTS_FILE)}
        arrays: dict[str, Any] = {"facts": json.dumps(facts)}
        for degradation in people.degradations:
            poses = predict_joints(model, people, degradation, mode)
            arrays[f"{degradation}/keypoints"] = poses.keypoints
            arrays[f"{degradation}/scores"] = poses.scores
        with atomic_file(folder / joints_file(mode)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    def matches(self, folder: Path, mode: str) -> dict[str, list[Matches]]:
        """Return the matched people of each group; none where heads are not labelled."""
        poses = self._predicted(folder, mode)
        matched = {name: match_people(each, *self._truth) for name, each in poses.items()}
        return {name: people for name, people in matched.items() if people}

    def right(self, folder: Path, mode: str) -> dict[str, tuple[Bools, Bools]]:
        """Return which joints are right by PCK and which count, (n, K J) each.

        That is of each group, and of its thirds of joints by motion: "degraded fast".
        """
        cells: dict[str, tuple[Bools, Bools]] = {}
        for name, poses in self._predicted(folder, mode).items():
            right, seen = cells[name] = correct(poses, *self._truth, self.torso_share)
            for third, chosen in self._thirds.items():
                cells[f"{name} {third}"] = right, seen & np.tile(chosen, len(poses))
        return cells

    @cached_property
    def _thirds(self) -> dict[str, Bools]:
        """Return the joints (n, J) of each third by motion; none where no speed is known."""
        labels = PredictedJoints(self.people.keypoints, self.people.visible)
        thirds, _ = thirds_of(self.speeds, correct([labels], *self._truth)[1])
        return thirds if any(third.any() for third in thirds.values()) else {}

    @property
    def _truth(self) -> tuple[Any, Any, JointSet]:
        return self.people.keypoints, self.people.visible, self.joints

    def _predicted(self, folder: Path, mode: str) -> dict[str, list[PredictedJoints]]:
        """Return what was predicted for each group, one item for each degradation."""
        with npz_arrays(folder / joints_file(mode), ConfigError) as arrays:
            return {
                group: [
                    PredictedJoints(arrays[f"{name}/keypoints"], arrays[f"{name}/scores"])
                    for name in names
                ]
                for group, names in self.groups.items()
            }


@dataclass(frozen=True, eq=False)
class DatasetEvaluator:
    """Every labelled frame of a data set's videos, as `evaluate` runs them."""

    videos: Sequence[LabelledVideo]
    boxes: Boxes

    @property
    def label(self) -> str:
        """What rows are evaluated on, for a person to read."""
        return f"{len(self.videos)} held-out videos, boxes: {self.boxes.label}"

    def is_done(self, folder: Path, _: str) -> bool:
        """Return whether every video was predicted. Raises ConfigError if with other weights."""
        task, mode = self._task(folder), self._mode(folder)
        if not all(task.file(mode, video).exists() for video in self.videos):
            return False
        before = read_facts(task.output / SETTINGS_FILE)
        _require_same_row(task.output, before, self._facts, folder)
        return True

    def run(self, folder: Path, _: str) -> None:
        """Predict each video that was not yet predicted. Raises DataError or OutputError."""
        predictors = load_predictors(str(folder / WEIGHTS))
        mode = TEMPORAL if TEMPORAL in predictors else SINGLE_FRAME
        task = PredictionTask({mode: predictors[mode]}, self.boxes, folder / "predictions")
        weights = file_digest(folder / WEIGHTS / WEIGHTS_FILE)
        claim(task.output, {**self._facts, WEIGHTS: weights}, REMEDY)
        for video in self.videos:
            task.finish(video, lambda frames: None)

    def matches(self, folder: Path, _: str) -> dict[str, list[Matches]]:
        """Return the matched videos; no frame is degraded."""
        task, mode = self._task(folder), self._mode(folder)
        return {CLEAN: [match_video(task, mode, video) for video in self.videos]}

    def right(self, folder: Path, _: str) -> dict[str, tuple[Bools, Bools]]:
        """Return nothing: `tarvitpose evaluate` measures PCK of the same predictions."""
        return {}

    @cached_property
    def _facts(self) -> Facts:
        return prediction_facts(self.boxes, self.videos)

    def _task(self, folder: Path) -> PredictionTask:
        return PredictionTask({}, self.boxes, folder / "predictions")

    def _mode(self, folder: Path) -> str:
        return TEMPORAL if (folder / "predictions" / TEMPORAL).is_dir() else SINGLE_FRAME


Evaluator = EncodedEvaluator | DatasetEvaluator
