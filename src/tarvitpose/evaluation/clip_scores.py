"""What clips of degraded frames tell: PCK and calibration of each mode, by degradation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tarvitpose.config import RowMode
from tarvitpose.evaluation.calibration import ScoredJoints
from tarvitpose.evaluation.clips import ClipScores
from tarvitpose.evaluation.comparison import MODES, SINGLE_FRAME, ModeComparison
from tarvitpose.evaluation.people_scores import cells_of, tabulated
from tarvitpose.skeleton import JointSet

ALL_DEGRADED = "all degraded"


def scored_clips(
    scores: dict[RowMode, ClipScores], degradations: Sequence[str]
) -> dict[str, ScoredJoints]:
    """Return the joints of single frames and all modes by degradation, and of all but clean ones.

    The clips of one person, with each degradation, follow each other in `scores`. Intervals draw
    them together.
    """
    first = next(iter(scores.values()))
    names = {mode: mode if mode == "mean-heatmaps" else MODES[mode] for mode in scores}
    together = ScoredJoints(
        {SINGLE_FRAME: first.single_scores}
        | {names[mode]: each.temporal_scores for mode, each in scores.items()},
        {SINGLE_FRAME: first.single}
        | {names[mode]: each.temporal for mode, each in scores.items()},
        first.visible,
        np.arange(len(first.visible)) // len(degradations),
    )
    kinds = np.resize(degradations, len(first.visible))
    parts = {name: together.part(np.flatnonzero(kinds == name)) for name in degradations}
    if set(degradations) > {"clean"} or "clean" not in degradations:
        parts[ALL_DEGRADED] = together.part(np.flatnonzero(kinds != "clean"))
    return parts


def clip_comparisons(
    name: str, scores: ScoredJoints, joints: JointSet, samples: int
) -> tuple[ModeComparison, ModeComparison]:
    """Return PCK and calibration error of clips that are degraded alike, under its name."""
    right = {mode: each.astype(np.float64) for mode, each in scores.right.items()}
    accuracy = tabulated(
        name, cells_of(right, scores.counted, joints), scores.units, samples, "of the torso"
    )
    return accuracy, replace(scores.comparison(samples), metric=name)
