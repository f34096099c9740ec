"""Joints under each condition against their labels, by how fast they move.

Axes: N labelled people of all frames, J joints.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.evaluation.comparison import ModeComparison
from tarvitpose.evaluation.datasets import LabelledFrame, LabelledVideo
from tarvitpose.evaluation.motion import Joints
from tarvitpose.evaluation.people_scores import (
    TORSO,
    correct_joints,
    labelled_joints,
    tabulated,
)
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.jhmdb import Reference
from tarvitpose.metrics.pck import torso_size
from tarvitpose.metrics.speed import joint_speeds
from tarvitpose.skeleton import POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Bools, Float64

BOX = "PCK@0.1 box"
ALL, THIRDS = "all", ("slow", "middle", "fast")


@dataclass(frozen=True)
class MotionScores:
    """The scores of estimators by metric and condition; columns are all joints and thirds."""

    comparisons: dict[str, dict[str, ModeComparison]]
    limits: tuple[float, float]  # between the thirds, in % of the box's longer side a frame
    joints: dict[str, int]  # how many labelled joints each column has


def video_speeds(videos: Sequence[LabelledVideo]) -> dict[tuple[str, str, int], Float64]:
    """Return how far the joints of each labelled person move from frame to frame, (J,).

    `metrics.speed` says how, here between neighbouring frames alone; NaN for people without a track
    id. Keys are the names of video and frame, and the person's position in it.
    """
    speeds = {}
    for video in videos:
        tracks: dict[int, list[tuple[LabelledFrame, int]]] = defaultdict(list)
        for frame in video.frames:
            for at, track in enumerate(frame.people.tracks):
                speeds[video.name, frame.name, at] = np.full(frame.people.visible.shape[1], np.nan)
                if track is not None:
                    tracks[track].append((frame, at))
        for person in tracks.values():
            moved = joint_speeds(
                [frame.number for frame, _ in person],
                [frame.people.keypoints[at] for frame, at in person],
                [frame.people.visible[at] for frame, at in person],
                [frame.people.boxes[at] for frame, at in person],
                reach=1,
            )
            for (frame, at), speed in zip(person, moved, strict=True):
                speeds[video.name, frame.name, at] = speed
    return speeds


def score_motion(
    videos: Sequence[LabelledVideo],
    speeds: dict[tuple[str, str, int], Float64],
    joints: Joints,
    model_joints: JointSet,
    samples: int,
) -> MotionScores:
    """Score the joints (N, J, 2) of every condition; intervals are over draws of videos.

    The thirds have equally many of the joints that count, those with a labelled torso.
    """
    truth = labelled_joints(videos, POSETRACK_15, model_joints.joints)
    speed = np.stack(
        [
            speeds[video.name, frame.name, at]
            for video in videos
            for frame in video.frames
            for at in range(len(frame.people.boxes))
        ]
    )  # (N, J)
    torso = torso_size(truth.keypoints, truth.visible, truth.joints)
    counted = truth.visible & np.isfinite(torso)[:, None]
    thirds, (low, high) = thirds_of(speed, counted)
    columns, limits = {ALL: counted, **thirds}, (100 * low, 100 * high)
    longer = (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(1)
    references = [
        Reference(TORSO, torso, TORSO_SHARE, f"within {TORSO_SHARE} of the torso"),
        Reference(BOX, longer, 0.1, "within 0.1 of the box"),
    ]
    comparisons: dict[str, dict[str, ModeComparison]] = {}
    for reference in references:
        metric, note = reference.metric, reference.note
        comparisons[metric] = {}
        for condition, modes in joints.items():
            cells = {
                mode: {name: (right, chosen) for name, chosen in columns.items()}
                for mode, right in correct_joints(reference, truth, modes).items()
            }
            comparisons[metric][condition] = tabulated(metric, cells, truth.units, samples, note)
    return MotionScores(
        comparisons, limits, {name: int(chosen.sum()) for name, chosen in columns.items()}
    )


def thirds_of(speed: Float64, counted: Bools) -> tuple[dict[str, Bools], tuple[float, float]]:
    """Return which of the joints (N, J) that count are in each third, and the speeds between them.

    The thirds have equally many joints; those of unknown speed (NaN) are in none.
    """
    moving = counted & np.isfinite(speed)
    low, high = np.quantile(speed[moving], [1 / 3, 2 / 3]) if moving.any() else (np.nan, np.nan)
    thirds = [speed <= low, (speed > low) & (speed <= high), speed > high]
    columns = {name: moving & third for name, third in zip(THIRDS, thirds, strict=True)}
    return columns, (float(low), float(high))
