"""PoseTrack18's JSON: what `evaluate --predictions` and PoseTrack's own evaluation read."""

from typing import Any

import numpy as np

from tarvitpose.formats.coco import CocoWriter
from tarvitpose.formats.file_writer import COORDINATE_DIGITS, SCORE_DIGITS, rounded
from tarvitpose.formats.posetrack_files import in_slots
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_17
from tarvitpose.video.image_source import ImagesSource

PREDICTED = 1  # PoseTrack's flag of a joint; joints that are not predicted are 0, 0, 0


class PosetrackWriter(CocoWriter):
    """Write the file of one video.

    Joints are in PoseTrack18's order of 17; others cannot be written. `scores` are those of the
    joints times that of the box, which AP sorts by; `keypoint_scores` are without the box.
    """

    def _image(self, poses: FramePoses) -> dict[str, Any]:
        name = f"{self.source.name}/{poses.index:06d}.jpg"
        if isinstance(self.source, ImagesSource):
            path = self.source.images[poses.index]
            name = f"{path.parent.name}/{path.name}"
        fields = {"file_name": name, "vid_id": self.source.name, "is_labeled": True}
        return {**super()._image(poses), **fields}

    def _annotation(self, poses: FramePoses, person: int) -> dict[str, Any]:
        entry = super()._annotation(poses, person)
        names, scores = poses.joint_names, poses.scores[person].astype(np.float64)
        points = np.c_[poses.keypoints[person], np.full(len(names), PREDICTED)]
        slots = rounded(in_slots(points, names), COORDINATE_DIGITS)
        entry["keypoints"] = [value for x, y, flag in slots for value in (x, y, int(flag))]
        entry["num_keypoints"] = sum(int(flag) for *_, flag in slots)
        joint_scores = in_slots(scores, names)
        entry["keypoint_scores"] = rounded(joint_scores, SCORE_DIGITS)
        entry["scores"] = rounded(joint_scores * poses.box_scores[person], SCORE_DIGITS)
        if poses.raw_keypoints is not None:
            raw = in_slots(poses.raw_keypoints[person], names)
            entry["keypoints_raw"] = rounded(raw.ravel(), COORDINATE_DIGITS)
        return entry

    def _category(self, names: tuple[str, ...]) -> dict[str, Any]:
        predicted = [name for name in names if name in POSETRACK_17.joints]
        return {**super()._category(POSETRACK_17.joints), "predicted_keypoints": predicted}
