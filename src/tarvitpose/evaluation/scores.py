"""Files of predictions against labels, with and without the temporal part side by side.

Axes: N people, J joints.
"""

from collections.abc import Collection, Sequence

import numpy as np

from tarvitpose.data.coco import joint_names
from tarvitpose.errors import DataError
from tarvitpose.evaluation.calibration import Reliability, ScoredJoints
from tarvitpose.evaluation.coco_ap import bootstrap_coco_ap, coco_ap
from tarvitpose.evaluation.comparison import Intervals, ModeComparison, Values
from tarvitpose.evaluation.datasets import LabelledVideo
from tarvitpose.evaluation.people_scores import compared_joints, labelled_joints, people_comparisons
from tarvitpose.evaluation.predictions import PredictionTask
from tarvitpose.formats.posetrack_files import read_predictions
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import hits, torso_size
from tarvitpose.metrics.posetrack_ap import (
    Matches,
    PredictedFrame,
    aggregate,
    bootstrap,
    interval,
    match,
)
from tarvitpose.skeleton import BODY, JointSet
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.json_file import read_json

AP, OKS_AP, LIMBS_AP = "PoseTrack AP", "COCO AP", "COCO AP, limbs"
STILLS = "the temporal part sees each still as its own neighbours"


def compare(
    task: PredictionTask, videos: Sequence[LabelledVideo], joints: JointSet, samples: int
) -> tuple[list[ModeComparison], dict[str, Reliability]]:
    """Return every metric of the predictions in files, and how far each mode's scores are right.

    AP as the data set's own evaluator has it, and for the labelled people's boxes PCK, OKS of
    stills, jitter of videos and the error of the scores. `joints` are the model's.
    """
    result: list[ModeComparison] = []
    if videos[0].are_stills:
        result = [
            _coco_comparison(OKS_AP, task, videos[0], joints.joints, samples),
            _coco_comparison(LIMBS_AP, task, videos[0], BODY, samples),
        ]
    elif not any(video.missing_joints for video in videos):
        result = [_posetrack_comparison(task, videos, samples)]
    if not task.boxes.are_true:
        return result, {}
    compared = compared_joints(videos, joints)
    truth = labelled_joints(videos, compared, joints.joints)
    predicted = {mode: predicted_joints(task, mode, videos, compared) for mode in task.predictors}
    for mode, people in predicted.items():
        if len(people) != len(truth.keypoints):
            raise DataError(
                f"{task.output / mode}: has {len(people)} people, the annotations "
                f"{len(truth.keypoints)}; write it again with --overwrite"
            )
    points = {mode: people[..., :2] for mode, people in predicted.items()}
    result += people_comparisons(truth, points, samples)
    torso = torso_size(truth.keypoints, truth.visible, compared)
    scored = ScoredJoints(
        scores={mode: people[..., 2] for mode, people in predicted.items()},
        right={mode: hits(xy, truth.keypoints, torso, TORSO_SHARE) for mode, xy in points.items()},
        counted=truth.visible & np.isfinite(torso)[:, None],
        units=truth.units,
    )
    if scored.counted.any():
        result.append(scored.comparison(samples))
    return result, scored.reliabilities


def _posetrack_comparison(
    task: PredictionTask, videos: Sequence[LabelledVideo], samples: int
) -> ModeComparison:
    """Return PoseTrack's AP of each mode, with intervals over `samples` draws of videos."""
    matches = {
        mode: [match_video(task, mode, video) for video in videos] for mode in task.predictors
    }
    values = {mode: aggregate(each).columns for mode, each in matches.items()}
    if not samples or len(videos) < 2:
        return ModeComparison(AP, values)
    draws = {
        mode: [result.columns for result in bootstrap(each, samples)]
        for mode, each in matches.items()
    }
    return ModeComparison(AP, values, _drawn_intervals(AP, draws))


def _coco_comparison(
    metric: str, task: PredictionTask, video: LabelledVideo, known: Collection[str], samples: int
) -> ModeComparison:
    """Return COCO's AP of each mode over the stills of one file, of the joints that are `known`.

    Intervals are over `samples` draws of images. Raises MissingDependencyError.
    """
    assert video.content is not None
    content = dict(video.content.value)
    ids = {frame.image_id for frame in video.frames}
    content["images"] = [image for image in content["images"] if image["id"] in ids]
    content["annotations"] = [
        person for person in content["annotations"] if person["image_id"] in ids
    ]
    samples = samples if len(ids) > 1 else 0
    results = {mode: read_json(task.file(mode, video)) for mode in task.predictors}
    values = {mode: coco_ap(content, each, known) for mode, each in results.items()}
    draws = {
        mode: bootstrap_coco_ap(content, each, known, samples) for mode, each in results.items()
    }
    intervals = _drawn_intervals(metric, draws) if samples else {}
    return ModeComparison(metric, values, intervals, STILLS if len(values) > 1 else "")


def _drawn_intervals(metric: str, draws: dict[str, list[Values]]) -> dict[str, Intervals]:
    """Return the intervals of values by mode, and of their differences.

    The same seed draws the same videos or images for each mode, so the differences are of pairs.
    """
    compared = [
        ModeComparison(metric, dict(zip(draws, values, strict=True))).rows
        for values in zip(*draws.values(), strict=True)
    ]
    return {
        row: {name: interval(rows[row][name] for rows in compared) for name in columns}
        for row, columns in compared[0].items()
    }


def match_video(task: PredictionTask, mode: str, video: LabelledVideo) -> Matches:
    """Match the predictions of a video's labelled frames. Raises DataError."""
    predicted = _posetrack_file(task, mode, video)
    return match(
        (frame.truth, people)
        for frame, people in zip(video.frames, predicted, strict=True)
        if frame.truth is not None
    )


def _posetrack_file(task: PredictionTask, mode: str, video: LabelledVideo) -> list[PredictedFrame]:
    """Read the predictions of a video's labelled frames; the file has to have all listed ones."""
    path = task.file(mode, video)
    predicted = read_predictions(path)
    missing = [name for name in video.listed if name not in predicted]
    if missing:
        raise DataError(f"{path}: lacks the frame {missing[0]}; write it again with --overwrite")
    return [predicted[frame.name] for frame in video.frames]


def predicted_joints(
    task: PredictionTask, mode: str, videos: Sequence[LabelledVideo], joints: JointSet
) -> Float32:
    """Return x, y and score predicted for all labelled people in their order, (N, J, 3)."""
    parts = []
    for video in videos:
        if not video.are_stills:
            parts += [
                np.concatenate([frame.keypoints, frame.scores[..., None]], -1)
                for frame in _posetrack_file(task, mode, video)
            ]
        else:
            results = read_json(task.file(mode, video))
            assert video.content is not None
            names = joint_names(video.content)
            points = np.array([person["keypoints"] for person in results])
            order = [names.index(name) if name in names else -1 for name in joints.joints]
            parts.append(points.reshape(-1, len(names), 3)[:, order])
    return np.asarray(np.concatenate(parts), np.float32)
