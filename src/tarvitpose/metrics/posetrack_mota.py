"""PoseTrack's multi-object tracking accuracy of each joint, as poseval computes it.

Axes: N true people, M predicted people, J = 15 joints, V videos.
"""

from collections.abc import Sequence

import numpy as np

from tarvitpose.metrics.clear import FALSE, MISSED, OBJECTS, ClearCounter, mota, total
from tarvitpose.metrics.posetrack_ap import (
    HIT_DISTANCE,
    JOINTS,
    ApResult,
    FramePair,
    head_distances,
    head_sizes,
    present,
    without_ignored,
)
from tarvitpose.utils.arrays import Float64


def count_joints(pairs: Sequence[FramePair]) -> Float64:
    """Return the counts of a video, (J, 4), as `ClearCounter` has them. People need track ids.

    Two rules are poseval's: the last labelled frame is left out, and a frame in which nobody is
    predicted counts one missed and one false joint, however many people are labelled.
    """
    counters = [ClearCounter() for _ in JOINTS]
    for truth, predicted in pairs[:-1]:
        labelled = without_ignored(truth.keypoints, truth.ignored)  # (N, J, 2)
        guessed = without_ignored(predicted.keypoints, truth.ignored)  # (M, J, 2)
        is_true, is_guessed = present(labelled), present(guessed)  # (N, J), (M, J)
        if not is_true.any() or not is_guessed.any():
            for counter in counters:
                counter.counts[[OBJECTS, MISSED, FALSE]] += 1
            continue
        assert truth.track_ids is not None
        assert predicted.track_ids is not None
        distance = head_distances(guessed, labelled, head_sizes(truth.head_boxes))  # (M, N, J)
        distance = np.where(distance <= HIT_DISTANCE, distance, np.nan).transpose(2, 1, 0)
        for joint, counter in enumerate(counters):
            rows, columns = is_true[:, joint], is_guessed[:, joint]
            ids = truth.track_ids[rows], predicted.track_ids[columns]
            counter.update(*ids, distance[joint][np.ix_(rows, columns)])
    return np.stack([counter.counts for counter in counters])


def posetrack_mota(videos: Sequence[Float64], weights: Float64 | None = None) -> ApResult:
    """Return the MOTA of each joint over the counts of videos, (J, 4) each; NaN without labels.

    Each video counts as often as `weights`, (V,), says. As poseval's, the mean is over joints.
    """
    return ApResult(dict(zip(JOINTS, mota(total(videos, weights)).tolist(), strict=True)))
