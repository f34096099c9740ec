"""How near predicted joints are to the labelled ones, and how much they tremble.

All people are predicted in their labelled boxes, so each prediction belongs to a known person.
Axes: N labelled people of all frames, J joints, M triples of neighbouring frames.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.evaluation.comparison import (
    Intervals,
    ModeComparison,
    known_differences,
)
from tarvitpose.evaluation.datasets import LabelledVideo
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.jhmdb import SCORED, Reference, jhmdb_references
from tarvitpose.metrics.jitter import acceleration
from tarvitpose.metrics.oks import similarity
from tarvitpose.metrics.pck import bootstrap_interval, head_size, hits, pck, torso_size
from tarvitpose.metrics.posetrack_ap import GROUPS
from tarvitpose.skeleton import BODY, POSETRACK_15, SIGMAS, JointSet
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64

TORSO, HEAD, BOX = f"PCK@{TORSO_SHARE}", "PCKh@0.5", "PCK@0.2 box"
OKS, JITTER = "OKS", "jitter"
LIMBS = "limbs"  # a column: each person's mean over the 12 limb joints, then the people's mean
HEAD_NOTE = (
    "within 0.5 of the head (0.6 x the head box's diagonal; without one, head_bottom to head_top)"
)
OKS_NOTE = "mean object keypoint similarity x 100 of the labelled joints"

Cells = tuple[Float64, Bools]  # of one column: values (rows, K) from 0 to 1, and which count


@dataclass(frozen=True, eq=False)
class LabelledJoints:
    """All labelled people of a data set, frame by frame."""

    joints: JointSet
    keypoints: Float32  # (N, J, 2)
    visible: Bools  # (N, J): labelled, and the model knows the joint
    boxes: Float32  # (N, 4), xyxy
    heads: Float64  # (N, 4), xyxy, NaN without a head box
    areas: Float64  # (N,)
    units: Int64  # (N,): intervals draw people of one video, or still, together
    triples: Int64  # (M, 3): one person in three neighbouring frames
    are_stills: bool
    are_jhmdb: bool


def labelled_joints(
    videos: Sequence[LabelledVideo], joints: JointSet, known: Collection[str]
) -> LabelledJoints:
    """Gather the people of all videos; joints that are not `known` to the model do not count.

    Of JHMDB those alone count that its benchmark scores.
    """
    are_jhmdb = videos[0].is_jhmdb
    counted = [name for name in known if not are_jhmdb or name in SCORED]
    people = [frame.people for video in videos for frame in video.frames]
    seen = np.concatenate([some.visible for some in people]) > 0
    return LabelledJoints(
        joints=joints,
        keypoints=np.concatenate([some.keypoints for some in people]),
        visible=seen & np.isin(joints.joints, counted),
        boxes=np.concatenate([some.boxes for some in people]),
        heads=np.concatenate([some.heads for some in people]),
        areas=np.concatenate([some.areas for some in people]),
        units=video_units(videos),
        triples=_triples(videos),
        are_stills=videos[0].are_stills,
        are_jhmdb=are_jhmdb,
    )


def people_comparisons(
    truth: LabelledJoints, predicted: Mapping[str, Float32], samples: int
) -> list[ModeComparison]:
    """Compare joints (N, J, 2) of each mode with the labels.

    PCK of the torso, of the head and of the box, or JHMDB's own; OKS of stills; jitter of videos in
    which three frames in a row are labelled. Metrics that nobody can be measured by are left out.
    Intervals are over `samples` draws of videos, of stills over images.
    """
    result = []
    for reference in _references(truth):
        counted = truth.visible & np.isfinite(reference.sizes)[:, None]
        if counted.any():
            cells = cells_of(correct_joints(reference, truth, predicted), counted, truth.joints)
            described = f"{reference.note}, {counted.any(1).sum()} people"
            result.append(tabulated(reference.metric, cells, truth.units, samples, described))
    if truth.are_stills and truth.visible.any():
        sigmas = [SIGMAS[name] for name in truth.joints.joints]
        near = {
            mode: similarity(points, truth.keypoints, truth.areas, sigmas)
            for mode, points in predicted.items()
        }
        cells = cells_of(near, truth.visible, truth.joints)
        described = f"{OKS_NOTE}, {truth.visible.any(1).sum()} people"
        result.append(tabulated(OKS, cells, truth.units, samples, described))
    return [*result, *_jitter(truth, predicted, samples)]


def correct_joints(
    reference: Reference, truth: LabelledJoints, predicted: Mapping[str, Float32]
) -> dict[str, Float64]:
    """Return which joints (N, J, 2) of each mode are right by a reference, 0 or 1, (N, J)."""
    return {
        mode: hits(points, truth.keypoints, reference.sizes, reference.share).astype(np.float64)
        for mode, points in predicted.items()
    }


def _references(truth: LabelledJoints) -> list[Reference]:
    """What errors are compared with."""
    keypoints, visible, joints = truth.keypoints, truth.visible, truth.joints
    if truth.are_jhmdb:
        return jhmdb_references(keypoints, visible, truth.boxes, joints)
    torso = torso_size(keypoints, visible, joints)
    head = head_size(keypoints, visible, joints, truth.heads)
    box = (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(1)
    return [
        Reference(
            TORSO,
            torso,
            TORSO_SHARE,
            f"within {TORSO_SHARE} of the torso (shoulder to opposite hip)",
        ),
        Reference(HEAD, head, 0.5, HEAD_NOTE),
        Reference(BOX, box, 0.2, "within 0.2 of the box's longer side"),
    ]


def _jitter(
    truth: LabelledJoints, predicted: Mapping[str, Float32], samples: int
) -> list[ModeComparison]:
    """Return second differences as shares of the box's height; nothing without a triple."""
    counted = np.asarray(truth.visible[truth.triples].all(1))  # (M, J)
    if not counted.any():
        return []
    middle = truth.triples[:, 1]
    heights = truth.boxes[middle, 3] - truth.boxes[middle, 1]

    def jitter(points: Float32) -> Float64:
        frames = points[truth.triples].astype(np.float64).swapaxes(0, 1)  # (3, M, J, 2)
        return np.asarray(acceleration(frames)[0] / heights[:, None])

    labels = pck(jitter(truth.keypoints), counted)
    note = (
        f"mean second difference over three frames, % of the box's height, {len(middle)} triples; "
        f"the labels themselves have {labels:.2f}"
    )
    values = {mode: jitter(points) for mode, points in predicted.items()}
    cells = cells_of(values, counted, truth.joints)
    return [tabulated(JITTER, cells, truth.units[middle], samples, note)]


def cells_of(
    values: dict[str, Float64], counted: Bools, joints: JointSet
) -> dict[str, dict[str, Cells]]:
    """Return the cells of each mode's columns, of values (rows, J)."""
    return {mode: _columns(each, counted, joints) for mode, each in values.items()}


def tabulated(
    metric: str, cells: dict[str, dict[str, Cells]], units: Int64, samples: int, note: str
) -> ModeComparison:
    """Return the means of each mode's columns, and their intervals."""
    means = {
        mode: {name: pck(values, counted) for name, (values, counted) in columns.items()}
        for mode, columns in cells.items()
    }
    return ModeComparison(metric, means, _intervals(cells, units, samples), note)


def _columns(values: Float64, counted: Bools, joints: JointSet) -> dict[str, Cells]:
    """Return the cells of each column: groups of joints, joints, all together, and limbs."""
    names = {**GROUPS, **{name: (name,) for name in joints.joints}, "mean": joints.joints}
    positions = {name: np.isin(joints.joints, some) for name, some in names.items()}
    columns = {name: (values[:, at], counted[:, at]) for name, at in positions.items()}
    limbs = counted & np.isin(joints.joints, BODY)
    number = limbs.sum(1, keepdims=True)  # (rows, 1)
    mean = np.where(limbs, values, 0).sum(1, keepdims=True) / np.maximum(number, 1)
    return {**columns, LIMBS: (mean, number > 0)}


def _intervals(
    cells: dict[str, dict[str, Cells]], units: Int64, samples: int
) -> dict[str, Intervals]:
    """Return the intervals over `units`, (rows,), the number of what each row is drawn with."""
    if not samples or len(np.unique(units)) < 2:
        return {}
    pairs: dict[str, tuple[str, str | None]] = {mode: (mode, None) for mode in cells}
    pairs |= known_differences(cells)
    return {
        row: {
            name: bootstrap_interval(
                values,
                counted,
                None if base is None else cells[base][name][0],
                groups=units,
                samples=samples,
            )
            for name, (values, counted) in cells[mode].items()
        }
        for row, (mode, base) in pairs.items()
    }


def video_units(videos: Sequence[LabelledVideo]) -> Int64:
    """Return for each labelled person the number of its video, or of its still, (N,)."""
    are_stills = videos[0].are_stills
    frames = [(at, frame) for at, video in enumerate(videos) for frame in video.frames]
    return np.concatenate(
        [
            np.full(len(frame.people.boxes), number if are_stills else video)
            for number, (video, frame) in enumerate(frames)
        ]
    )


def _triples(videos: Sequence[LabelledVideo]) -> Int64:
    """Return the positions, (M, 3), of people whose neighbouring frames have them too."""
    positions: dict[tuple[int, int, int], int] = {}  # by video, track and frame
    count = 0
    for at, video in enumerate(videos):
        for frame in video.frames:
            for track in frame.people.tracks:
                if track is not None:
                    positions[at, track, frame.number] = count
                count += 1
    triples = [
        (positions[at, track, number - 1], position, positions[at, track, number + 1])
        for (at, track, number), position in positions.items()
        if (at, track, number - 1) in positions and (at, track, number + 1) in positions
    ]
    return np.array(triples, np.int64).reshape(-1, 3)


def compared_joints(videos: Sequence[LabelledVideo], joints: JointSet) -> JointSet:
    """Return what people are compared in: a model's joints, in PoseTrack's videos its 15."""
    return joints if videos[0].are_stills else POSETRACK_15
