"""Key points for supervision that keep their tracks, and whose limbs its annotators draw."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.optional import require

if TYPE_CHECKING:
    import supervision as sv


def key_points(
    keypoints: Float32,
    scores: Float32,
    box_scores: Float32,
    limbs: tuple[tuple[int, int], ...],
    data: dict[str, Any],
) -> sv.KeyPoints:
    """Return N people, keypoints (N, J, 2), as supervision's key points.

    `data` has arrays of length N; `tracker_id` and `xyxy` among them are the tracks and the boxes.
    Raises MissingDependencyError.
    """
    supervision = require("supervision", "to_supervision", "supervision")
    edges = tuple((a + 1, b + 1) for a, b in limbs)  # supervision counts from 1
    if edges:  # its annotators look skeletons up by the count of joints, and know none of 15
        supervision.key_points.skeletons.SKELETONS_BY_VERTEX_COUNT.setdefault(
            keypoints.shape[1], edges
        )
    points: sv.KeyPoints = _tracked_key_points()(
        xy=keypoints,
        class_id=np.zeros(len(keypoints), int),
        keypoint_confidence=scores,
        detection_confidence=box_scores,
        data=data,
    )
    return points


@cache
def _tracked_key_points() -> Any:
    """The class of key points that hand their `tracker_id` on, in a package that is optional."""
    import supervision as sv  # noqa: PLC0415

    class TrackedKeyPoints(sv.KeyPoints):  # type: ignore[misc]  # of a package without types
        """Key points of people who have a `tracker_id` in `data`, as have all that is selected."""

        def select(self, index: Any) -> sv.KeyPoints:
            """Return some of the people, or some of their joints."""
            return tracked(super().select(index))

        def __getitem__(self, index: Any) -> Any:
            """Return some of the people or of their joints, or by a text an array of `data`."""
            selected = super().__getitem__(index)
            return tracked(selected) if isinstance(selected, sv.KeyPoints) else selected

        def as_detections(
            self, selected_keypoint_indices: Iterable[int] | None = None
        ) -> sv.Detections:
            """Return boxes around the joints, with the tracks of the people as `tracker_id`."""
            detections = super().as_detections(selected_keypoint_indices)
            detections.tracker_id = np.asarray(detections.data.get("tracker_id", []), int)
            return detections

    def tracked(points: sv.KeyPoints) -> TrackedKeyPoints:
        return TrackedKeyPoints(
            xy=points.xy,
            class_id=points.class_id,
            keypoint_confidence=points.keypoint_confidence,
            detection_confidence=points.detection_confidence,
            visible=points.visible,
            data=points.data,
        )

    return TrackedKeyPoints
