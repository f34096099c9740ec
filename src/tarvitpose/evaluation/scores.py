"""Files of predictions against labels, with and without the temporal part side by side.

Axes: N people, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tarvitpose.data.coco import joint_names
from tarvitpose.errors import DataError
from tarvitpose.evaluation.coco_ap import coco_ap
from tarvitpose.evaluation.datasets import LabelledVideo
from tarvitpose.evaluation.predictions import SINGLE_FRAME, TEMPORAL, Task
from tarvitpose.formats.posetrack_files import read_predictions
from tarvitpose.metrics.pck import bootstrap_interval, head_size, hits, pck, torso_size
from tarvitpose.metrics.posetrack_ap import (
    GROUPS,
    Judged,
    PredictedFrame,
    bootstrap,
    interval,
    judge,
    pooled,
)
from tarvitpose.skeleton import POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Bools, Float32
from tarvitpose.utils.json_file import read_json

Values = dict[str, float]  # by column, 0..100
Intervals = dict[str, tuple[float, float]]  # by column

DIFFERENCE = "difference"
AP, OKS_AP = "PoseTrack AP", "COCO AP"
TORSO, HEAD = "PCK@0.2", "PCKh@0.5"
SHARES = {TORSO: 0.2, HEAD: 0.5}  # of the torso, of the head
STILLS = "the temporal part sees each still as its own neighbours"
NOTES = {
    TORSO: "within 0.2 of the torso (shoulder to opposite hip), {} people",
    HEAD: "within 0.5 of the head (0.6 x the head box's diagonal; without one, head_bottom to "
    "head_top), {} people",
}


@dataclass(frozen=True)
class Comparison:
    """One metric of each mode, and what the temporal part adds where there are both."""

    metric: str
    values: dict[str, Values]  # by mode
    intervals: dict[str, Intervals] = field(default_factory=dict)  # 95%, by mode or difference
    note: str = ""  # what was measured

    @property
    def rows(self) -> dict[str, Values]:
        """The modes, and below them their difference."""
        if not {SINGLE_FRAME, TEMPORAL} <= self.values.keys():
            return self.values
        single, temporal = self.values[SINGLE_FRAME], self.values[TEMPORAL]
        gain = {name: value - single[name] for name, value in temporal.items()}
        return {SINGLE_FRAME: single, TEMPORAL: temporal, DIFFERENCE: gain}


def posetrack_comparison(task: Task, videos: Sequence[LabelledVideo], samples: int) -> Comparison:
    """Return PoseTrack's AP of each mode, with intervals over `samples` draws of videos."""
    judged = {
        mode: [judged_video(task, mode, video) for video in videos] for mode in task.predictors
    }
    values = {mode: pooled(one).columns for mode, one in judged.items()}
    if not samples or len(videos) < 2:
        return Comparison(AP, values)
    # The same seed draws the same videos for each mode, so the differences are of pairs.
    draws = [
        Comparison(AP, {mode: one.columns for mode, one in zip(judged, drawn, strict=True)})
        for drawn in zip(*(bootstrap(one, samples) for one in judged.values()), strict=True)
    ]
    intervals = {
        row: {name: interval(draw.rows[row][name] for draw in draws) for name in columns}
        for row, columns in draws[0].rows.items()
    }
    return Comparison(AP, values, intervals)


def judged_video(task: Task, mode: str, video: LabelledVideo) -> Judged:
    """Judge the predictions of a video's labelled frames. Raises DataError."""
    predicted = _posetrack_file(task, mode, video)
    return judge(
        (frame.truth, found)
        for frame, found in zip(video.frames, predicted, strict=True)
        if frame.truth is not None
    )


def _posetrack_file(task: Task, mode: str, video: LabelledVideo) -> list[PredictedFrame]:
    """Read the predictions of a video's labelled frames; the file has to have all listed ones."""
    path = task.file(mode, video)
    found = read_predictions(path)
    missing = [name for name in video.listed if name not in found]
    if missing:
        raise DataError(f"{path}: lacks the frame {missing[0]}; make it anew with --overwrite")
    return [found[frame.name] for frame in video.frames]


def coco_comparison(task: Task, video: LabelledVideo, joints: JointSet) -> Comparison:
    """Return COCO's AP of each mode over the stills of one file. Raises MissingDependencyError."""
    assert video.content is not None
    content = dict(video.content.value)
    ids = {frame.image_id for frame in video.frames}
    content["images"] = [one for one in content["images"] if one["id"] in ids]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in ids]
    values = {
        mode: coco_ap(content, read_json(task.file(mode, video)), joints.joints).columns
        for mode in task.predictors
    }
    repeated = TEMPORAL in task.predictors
    return Comparison(OKS_AP, values, note=STILLS if repeated else "")


def compare(
    task: Task, videos: Sequence[LabelledVideo], joints: JointSet, samples: int
) -> list[Comparison]:
    """Return all that can be said of predictions; `joints` are the model's.

    AP as the data set's own evaluator has it, and for the labelled people's boxes PCK.
    """
    stills = videos[0].are_stills
    first = (
        coco_comparison(task, videos[0], joints)
        if stills
        else posetrack_comparison(task, videos, samples)
    )
    return [first, *(pck_comparisons(task, videos, joints, samples) if task.boxes.are_true else [])]


def pck_comparisons(
    task: Task, videos: Sequence[LabelledVideo], joints: JointSet, samples: int
) -> list[Comparison]:
    """Return PCK@0.2 of the torso and PCKh@0.5, both of the labelled people's boxes.

    Intervals are over videos, of stills over images. `joints` are the model's.
    """
    compared = joints if videos[0].are_stills else POSETRACK_15
    people = [frame.people for video in videos for frame in video.frames]
    truth = np.concatenate([one.keypoints for one in people])
    known = np.isin(compared.joints, joints.joints)
    visible = np.concatenate([one.visible for one in people]) * known
    heads = np.concatenate([one.heads for one in people])
    found = {mode: _found_joints(task, mode, videos, compared) for mode in task.predictors}
    for mode, one in found.items():
        if len(one) != len(truth):
            raise DataError(
                f"{task.output / mode}: has {len(one)} people, the annotations {len(truth)};"
                " make it anew with --overwrite"
            )
    sizes = {
        TORSO: torso_size(truth, visible, compared),
        HEAD: head_size(truth, visible, compared, heads),
    }
    units = _units(videos)
    result = []
    for metric, size in sizes.items():
        counted = (visible > 0) & np.isfinite(size)[:, None]
        correct = {mode: hits(one, truth, size, SHARES[metric]) for mode, one in found.items()}
        if counted.any():
            at = _columns(compared)
            values = {mode: _pck(one, counted, at) for mode, one in correct.items()}
            intervals = _pck_intervals(correct, counted, at, units, samples)
            note = NOTES[metric].format(counted.any(1).sum())
            result.append(Comparison(metric, values, intervals, note))
    return result


Columns = dict[str, NDArray[np.int64]]  # the positions of each column's joints


def _columns(joints: JointSet) -> Columns:
    names = {**GROUPS, **{name: (name,) for name in joints.joints}, "mean": joints.joints}
    return {name: np.flatnonzero(np.isin(joints.joints, some)) for name, some in names.items()}


def _pck(correct: Bools, counted: Bools, columns: Columns) -> Values:
    return {name: pck(correct[:, at], counted[:, at]) for name, at in columns.items()}


def _pck_intervals(
    correct: dict[str, Bools],
    counted: Bools,
    columns: Columns,
    units: NDArray[np.int64],
    samples: int,
) -> dict[str, Intervals]:
    """Return the intervals over `units`, (N,), the number of what each person is drawn with."""
    if not samples or len(np.unique(units)) < 2:
        return {}
    pairs: dict[str, tuple[Bools, Bools]] = {
        mode: (one, np.zeros_like(one)) for mode, one in correct.items()
    }
    if {SINGLE_FRAME, TEMPORAL} <= correct.keys():
        pairs[DIFFERENCE] = (correct[TEMPORAL], correct[SINGLE_FRAME])
    return {
        row: {
            name: bootstrap_interval(
                one[:, at], counted[:, at], base[:, at], groups=units, samples=samples
            )
            for name, at in columns.items()
        }
        for row, (one, base) in pairs.items()
    }


def _units(videos: Sequence[LabelledVideo]) -> NDArray[np.int64]:
    """Return for each labelled person the number of its video, or of its still, (N,)."""
    frames = [(at, frame) for at, video in enumerate(videos) for frame in video.frames]
    return np.concatenate(
        [
            np.full(len(frame.people.boxes), video if frame.truth is not None else number)
            for number, (video, frame) in enumerate(frames)
        ]
    )


def _found_joints(
    task: Task, mode: str, videos: Sequence[LabelledVideo], joints: JointSet
) -> Float32:
    """Return the predictions for all labelled people in their order, (N, J, 2)."""
    parts = []
    for video in videos:
        if not video.are_stills:
            parts += [frame.keypoints for frame in _posetrack_file(task, mode, video)]
        else:
            results = read_json(task.file(mode, video))
            assert video.content is not None
            names = joint_names(video.content)
            points = np.array([one["keypoints"] for one in results]).reshape(-1, len(names), 3)
            order = [names.index(name) if name in names else -1 for name in joints.joints]
            parts.append(points[:, order, :2])
    return np.asarray(np.concatenate(parts), np.float32)
