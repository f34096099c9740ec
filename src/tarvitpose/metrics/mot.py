"""Who is who over time: MOTA of whole people, and IDF1 and HOTA by the package motrics.

Axes: N true people, M predicted people, J joints, A thresholds of HOTA, V videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.metrics.clear import (
    FALSE,
    MISSED,
    OBJECTS,
    SWITCHED,
    ClearCounter,
    mota,
    total,
)
from tarvitpose.metrics.oks import AREA_OF_BOX, similarity
from tarvitpose.metrics.posetrack_ap import (
    JOINTS,
    FramePair,
    TrueFrame,
    present,
    without_ignored,
)
from tarvitpose.skeleton import SIGMAS
from tarvitpose.utils.arrays import Bools, Float64, Int64
from tarvitpose.utils.optional import require

THRESHOLD = 0.5  # the least OKS at which a prediction may be a person, for all but HOTA
Scores = dict[str, float]  # by name
JOINT_SIGMAS = np.array([SIGMAS[name] for name in JOINTS])


@dataclass(frozen=True, eq=False)
class FrameIdentities:
    """The people of one frame, and how alike each true and each predicted one are."""

    true_ids: Int64  # (N,), each once
    predicted_ids: Int64  # (M,), each once
    similarity: Float64  # (N, M), 0..1


@dataclass(frozen=True, eq=False)
class TrackingCounts:
    """What a video adds to the measures; counts of several videos are summed."""

    clear: Float64  # (4,), as `ClearCounter` has them
    identity: Float64  # (3,), predictions of the right identity, of a wrong one, people without
    hota: Float64  # (A, 4), hits, misses, false ones, and hits times their association


def identities(pair: FramePair) -> FrameIdentities:
    """Return the people of a frame with a joint outside its ignore regions, compared by OKS.

    A person's size is 0.53 of its box, or of the box around its joints where the labels have no
    box. Raises ValueError where people have no track id, or two have the same.
    """
    truth, predicted = pair
    labelled = without_ignored(truth.keypoints, truth.ignored)  # (N, J, 2)
    guessed = without_ignored(predicted.keypoints, truth.ignored)  # (M, J, 2)
    is_person = np.asarray(present(labelled).any(1))  # (N,)
    is_guess = np.asarray(present(guessed).any(1))  # (M,)
    true_ids = _known_ids(truth.track_ids, is_person, "annotations")
    predicted_ids = _known_ids(predicted.track_ids, is_guess, "predictions")
    areas = _areas(truth)[is_person]
    labelled, guessed = labelled[is_person], guessed[is_guess]
    with np.errstate(divide="ignore", invalid="ignore"):  # a person without any extent
        each = similarity(guessed[None], labelled[:, None], areas[:, None], JOINT_SIGMAS)
    counted = present(labelled)[:, None]  # (N, 1, J)
    oks = np.where(counted, np.nan_to_num(each), 0).sum(2) / counted.sum(2)  # (N, M)
    return FrameIdentities(true_ids, predicted_ids, oks)


def _known_ids(ids: Int64 | None, chosen: Bools, whose: str) -> Int64:
    if ids is None:
        if len(chosen):
            raise ValueError(f"the {whose} have people without track_id")
        ids = np.empty(0, np.int64)
    values, counts = np.unique(ids[chosen], return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"the {whose} have two people of track_id {values[counts > 1][0]} in a frame"
        )
    return ids[chosen]


def _areas(truth: TrueFrame) -> Float64:
    """Return the people's sizes in pixels², (N,)."""
    known = np.isfinite(truth.keypoints)
    low = np.where(known, truth.keypoints, np.inf).min(1, initial=np.inf)  # (N, 2)
    high = np.where(known, truth.keypoints, -np.inf).max(1, initial=-np.inf)
    extent = np.where(np.isfinite(low), high - low, 0)
    sides = extent if truth.boxes is None else truth.boxes[:, 2:] - truth.boxes[:, :2]
    return np.asarray(AREA_OF_BOX * np.where(sides > 0, sides, extent).prod(1))


def count_tracks(frames: Sequence[FrameIdentities]) -> TrackingCounts:
    """Count a video's frames, which stand in the order of time.

    Raises MissingDependencyError without motrics.
    """
    motrics = require("motrics", "--tracks", "evaluate")
    counter = ClearCounter()
    for frame in frames:
        close = frame.similarity >= THRESHOLD
        distance = np.where(close, 1 - frame.similarity, np.nan)
        counter.update(frame.true_ids, frame.predicted_ids, distance)
    true_ids = _dense([frame.true_ids for frame in frames])
    predicted_ids = _dense([frame.predicted_ids for frame in frames])
    alike = [frame.similarity.tolist() for frame in frames]
    identity = motrics.compute_identity_from_similarity(true_ids, predicted_ids, alike, THRESHOLD)
    hota = motrics.compute_hota_from_similarity(true_ids, predicted_ids, alike)
    hits = np.array(hota.hota_tp_alphas)
    associated = hits * np.nan_to_num(hota.assa_alphas)
    return TrackingCounts(
        counter.counts,
        np.array([identity.idtp, identity.idfp, identity.idfn], np.float64),
        np.stack([hits, hota.hota_fn_alphas, hota.hota_fp_alphas, associated], 1),
    )


def _dense(ids: list[Int64]) -> list[list[int]]:
    """Return the ids of each frame, renamed to 0, 1, 2 and so on."""
    names = np.unique(np.concatenate([np.empty(0, np.int64), *ids]))
    return [np.searchsorted(names, each).tolist() for each in ids]


def tracking_scores(videos: Sequence[TrackingCounts], weights: Float64 | None = None) -> Scores:
    """Return the measures over videos, each counted as often as `weights`, (V,), says.

    MOTA, IDF1, HOTA and its parts DetA and AssA are 0..100 (MOTA may be below 0), NaN where
    nobody is labelled; the others are counts.
    """
    clear = total([video.clear for video in videos], weights)  # (4,)
    right, wrong, without = total([video.identity for video in videos], weights)
    hota = total([video.hota for video in videos], weights)  # (A, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        detection = hota[:, 0] / hota[:, :3].sum(1)
        association = np.where(hota[:, 0] > 0, hota[:, 3] / hota[:, 0], 0)
        shares = {
            "IDF1": right / (right + (wrong + without) / 2),
            "HOTA": np.sqrt(detection * association).mean(),
            "DetA": detection.mean(),
            "AssA": association.mean(),
        }
    known = clear[OBJECTS] > 0
    return {
        "MOTA": float(mota(clear)),
        **{name: 100 * float(value) if known else np.nan for name, value in shares.items()},
        "id switches": float(clear[SWITCHED]),
        "missed": float(clear[MISSED]),
        "false": float(clear[FALSE]),
        "people": float(clear[OBJECTS]),
    }
