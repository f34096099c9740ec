"""PoseTrack's average precision, as poseval computes it.

Axes: N true people, M predicted people, J = 15 joints in the order of POSETRACK_15, K matched
joints, V videos, F frames.   A missing joint has NaN coordinates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.skeleton import LIMB_JOINTS, POSETRACK_15
from tarvitpose.utils.arrays import Bools, Float64, Int64

JOINTS = POSETRACK_15.joints
HEAD_SHARE = 0.6  # of the head box's diagonal: the head size
HIT_DISTANCE = 0.5  # head sizes
GROUPS = {  # in the paper's order
    "Head": ("head_top", "head_bottom", "nose"),
    **{part.capitalize(): (f"left_{part}", f"right_{part}") for part in LIMB_JOINTS},
}


@dataclass(frozen=True, eq=False)
class TrueFrame:
    """The labelled people of one frame. A person without any joint still makes it one."""

    keypoints: Float64  # (N, J, 2), NaN where a joint is not labelled
    head_boxes: Float64  # (N, 4), xyxy
    ignored: tuple[Float64, ...] = ()  # polygons (corners, 2) inside which nothing counts
    track_ids: Int64 | None = None  # (N,), None where somebody has none; AP does not read them
    boxes: Float64 | None = None  # (N, 4), xyxy, NaN where a person has none; nor these

    def __post_init__(self) -> None:
        _set(self, "keypoints", self.keypoints, (len(JOINTS), 2))
        _set(self, "head_boxes", self.head_boxes, (4,))
        _same_people(self.keypoints, self.head_boxes, self.track_ids, self.boxes)


@dataclass(frozen=True, eq=False)
class PredictedFrame:
    """The predicted people of one frame."""

    keypoints: Float64  # (M, J, 2), NaN where a joint is not predicted
    scores: Float64  # (M, J), of each joint; any range, higher is surer
    track_ids: Int64 | None = None  # (M,); AP does not read them, submissions do

    def __post_init__(self) -> None:
        _set(self, "keypoints", self.keypoints, (len(JOINTS), 2))
        _set(self, "scores", self.scores, (len(JOINTS),))
        _same_people(self.keypoints, self.scores, self.track_ids)
        if not np.isfinite(self.scores[present(self.keypoints)]).all():
            raise ValueError("a predicted joint has a score that is not finite")


FramePair = tuple[TrueFrame, PredictedFrame]


@dataclass(frozen=True, eq=False)
class Matches:
    """Every predicted joint of some frames as hit or miss: all that AP needs of them."""

    joints: Int64  # (K,), positions in JOINTS
    scores: Float64  # (K,)
    hits: Bools  # (K,)
    num_gt: Int64  # (J,), how many of each joint are labelled


@dataclass(frozen=True)
class ApResult:
    """AP, 0..100, of each joint; NaN for one that is predicted but nowhere labelled."""

    joints: dict[str, float]  # in the order of POSETRACK_15

    @property
    def groups(self) -> dict[str, float]:
        """The paper's seven columns, each a mean over the known APs of its joints."""
        return {
            group: _mean_of_known(self.joints[name] for name in names)
            for group, names in GROUPS.items()
        }

    @property
    def mean(self) -> float:
        """Mean over the known APs of the 15 joints, not over the groups."""
        return _mean_of_known(self.joints.values())

    @property
    def columns(self) -> dict[str, float]:
        """AP of the groups, the joints and their mean by name."""
        return {**self.groups, **self.joints, "mean": self.mean}


def aggregate(videos: Sequence[Matches]) -> ApResult:
    """Return the AP of matched videos, all joints pooled before the precision is taken.

    Equal scores count misses first, which no order of files, frames or people can change.
    Where nobody is labelled, as in a test set that is kept secret, there is none (NaN).
    """
    num_gt = _num_gt(videos)
    absent = 0.0 if num_gt.any() else float("nan")
    return _scored(_ranked(videos), num_gt, np.ones(len(videos)), absent)


def bootstrap(videos: Sequence[Matches], samples: int, seed: int = 0) -> list[ApResult]:
    """Return the AP of each of `samples` draws of as many videos, with replacement.

    A joint that a draw has no label of is left out of it, predicted or not.
    """
    ranked, num_gt = _ranked(videos), _num_gt(videos)
    draws = video_draws(len(videos), samples, seed)
    return [_scored(ranked, num_gt, drawn, np.nan) for drawn in draws]


def video_draws(count: int, samples: int, seed: int = 0) -> Float64:
    """Return how often each of `count` videos is in each draw of as many, (samples, count)."""
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), samples)
    return draws.astype(np.float64)


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Return what 95% of the known values lie between; NaN twice if none is known."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def match(frames: Iterable[FramePair]) -> Matches:
    """Decide of each predicted joint whether it hits, frame by frame."""
    joints, scores, hits = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0, np.bool_)]
    num_gt = np.zeros(len(JOINTS), np.int64)
    for truth, predicted in frames:
        if len(truth.keypoints) == 0:
            continue
        # A person whose last joint was ignored can neither match nor count: no need to remove it.
        labelled = without_ignored(truth.keypoints, truth.ignored)  # (N, J, 2)
        guessed = without_ignored(predicted.keypoints, truth.ignored)  # (M, J, 2)
        num_gt += present(labelled).sum(0)
        is_present = present(guessed)  # (M, J)
        joints.append(np.nonzero(is_present)[1])
        scores.append(predicted.scores[is_present])
        hits.append(_hits(guessed, labelled, head_sizes(truth.head_boxes))[is_present])
    return Matches(np.concatenate(joints), np.concatenate(scores), np.concatenate(hits), num_gt)


def present(keypoints: Float64) -> Bools:
    """Return which joints of keypoints (..., 2) are there, (...)."""
    return np.asarray(~np.isnan(keypoints).any(-1))


def head_sizes(boxes: Float64) -> Float64:
    """Return the head size, (N,), of head boxes (N, 4) xyxy.

    >>> head_sizes(np.array([[10.0, 10, 40, 50]])).tolist()
    [30.0]
    """
    return np.asarray(HEAD_SHARE * np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1))


def without_ignored(keypoints: Float64, regions: Iterable[Float64]) -> Float64:
    """Return keypoints (N, J, 2) with NaN for those inside a region; border points stay."""
    points = keypoints.reshape(-1, 2)
    for region in regions:
        points = np.where(inside(points, region)[:, None], np.nan, points)
    return points.reshape(keypoints.shape)


def inside(points: Float64, polygon: Float64) -> Bools:
    """Return which points (P, 2) lie in a polygon's interior, (P,); the border is not inside.

    `polygon` is (corners, 2); what it encloses an even number of times is outside.

    >>> square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    >>> inside(np.array([[1.0, 3], [4, 3], [5, 3]]), square).tolist()
    [True, False, False]
    """
    enclosed = np.zeros(len(points), np.bool_)
    if len(polygon):
        near = ((points > polygon.min(0)) & (points < polygon.max(0))).all(1)
        enclosed[near] = _encloses(polygon, points[near])
    return enclosed


def _encloses(polygon: Float64, points: Float64) -> Bools:
    """Count the edges to the right of each point; an odd number means inside."""
    start, end = polygon, np.concatenate([polygon[1:], polygon[:1]])  # (corners, 2)
    (ax, ay), (bx, by) = start.T, end.T
    x, y = points[:, :1], points[:, 1:]  # (P, 1)
    side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)  # (P, corners), 0 on the edge's line
    passes_height = (ay <= y) != (by <= y)
    enclosed = (passes_height & ((side > 0) == (by > ay))).sum(1) % 2 == 1
    point, edge = np.nonzero(side == 0)
    low, high = np.minimum(start, end)[edge], np.maximum(start, end)[edge]
    on_border = ((low <= points[point]) & (points[point] <= high)).all(1)
    enclosed[point[on_border]] = False
    return np.asarray(enclosed)


def head_distances(guessed: Float64, labelled: Float64, heads: Float64) -> Float64:
    """Return how many head sizes predictions (M, J, 2) lie from labels (N, J, 2), (M, N, J).

    `heads` are the labelled people's head sizes, (N,). It is NaN where a joint is missing, and
    infinite or NaN where a head box is empty, so that nothing hits.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(guessed[:, None] - labelled, axis=-1) / heads[:, None])


def _hits(guessed: Float64, labelled: Float64, heads: Float64) -> Bools:
    """Return which joints of predictions (M, J, 2) hit, (M, J): at most one person can be hit."""
    close = head_distances(guessed, labelled, heads) <= HIT_DISTANCE  # (M, N, J)
    matched = _matched(close.sum(2) / np.maximum(present(labelled).sum(1), 1))  # (M,)
    return np.asarray(close[np.arange(len(guessed)), matched] & (matched >= 0)[:, None])


def _matched(pck: Float64) -> Int64:
    """Return the true person of each prediction, (M,), or -1; `pck` is (M, N).

    A prediction keeps only its best truth, and a truth takes its best among those; of equals
    the first in the file. No score takes part.
    """
    matched = np.full(len(pck), -1)
    if pck.size:
        favourite = pck.argmax(1)[:, None] == np.arange(pck.shape[1])
        pck = np.where(favourite, pck, 0)
        truth = np.flatnonzero(pck.max(0) > 0)
        matched[pck.argmax(0)[truth]] = truth
    return matched


Ranked = list[tuple[Int64, Bools]]  # of each joint: video (K,) and hit (K,), best first


def _ranked(videos: Sequence[Matches]) -> Ranked:
    joints = np.concatenate([video.joints for video in videos])
    hits = np.concatenate([video.hits for video in videos])
    scores = np.concatenate([video.scores for video in videos])
    number = np.repeat(np.arange(len(videos)), [len(video.joints) for video in videos])
    order = np.lexsort((hits, -scores))  # misses first among equal scores
    joints, hits, number = joints[order], hits[order], number[order]
    return [(number[joints == joint], hits[joints == joint]) for joint in range(len(JOINTS))]


def _num_gt(videos: Sequence[Matches]) -> Int64:
    return np.stack([video.num_gt for video in videos])  # (V, J)


def _scored(ranked: Ranked, num_gt: Int64, weights: Float64, absent: float) -> ApResult:
    """Return the AP where each video counts as often as `weights`, (V,), says.

    A joint that is not labelled has no AP if it is predicted, and `absent` if it is not either.
    """
    totals = weights @ num_gt  # (J,)
    aps = {}
    for name, (video, hits), total in zip(JOINTS, ranked, totals, strict=True):
        if total > 0:
            aps[name] = 100 * _area(hits, weights[video], total)
        else:
            aps[name] = float("nan") if weights[video].any() else absent
    return ApResult(aps)


def _area(hits: Bools, weights: Float64, total: float) -> float:
    """Return the area under the monotone precision envelope of hits (K,), best first."""
    precision = (weights * hits).cumsum() / np.maximum(weights.cumsum(), 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((weights * hits * envelope).sum() / total)


def _mean_of_known(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _set(frame: object, name: str, values: ArrayLike, shape: tuple[int, ...]) -> None:
    """Store a copy as float64 (people, *shape), also of an empty list. Raises ValueError."""
    array = np.array(values, np.float64)
    if array.size == 0:
        array = np.zeros((0, *shape))
    if array.shape[1:] != shape:
        raise ValueError(f"{name} has the shape {array.shape}, expected {('people', *shape)}")
    object.__setattr__(frame, name, array)


def _same_people(*arrays: ArrayLike | None) -> None:
    counts = [len(np.asarray(array)) for array in arrays if array is not None]
    if len(set(counts)) > 1:
        raise ValueError(f"the arrays of one frame have different numbers of people: {counts}")
