"""COCO's keypoint JSON, PoseTrack18's, which is a dialect of it, and COCO's list of results."""

from __future__ import annotations

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.build import (
    NAN,
    NO_TRACK,
    Person,
    frame_poses,
    image_size,
    number,
    whole,
    xywh_box,
)
from tarvitpose.formats.posetrack_layout import coco_people, is_of_category, keypoint_category
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import COCO_17, joint_names
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry


def read_coco(content: Entry) -> list[FramePoses]:
    """Return the frames of a file with images, annotations and categories. Raises DataError.

    Crowds and other categories than people's are left out; who has no keypoints has NaN.
    A joint's score is the one in `keypoint_scores`, which predict writes, or in PoseTrack's
    `scores`. A frame's index is its image's `frame_id`, or the `id` where there is none.
    """
    category = keypoint_category(content)
    names = _joint_names(category["keypoints"])
    chosen = _chosen_joints(category, names)
    predicted = tuple(names[at] for at in chosen)
    return [
        frame_poses(
            image["frame_id" if image.get("frame_id") else "id"].integer(),
            [
                _person(person, len(names), chosen)
                for person in people
                if is_of_category(person, category) and not person.non_empty("iscrowd")
            ],
            predicted,
            time=number(image, "time"),
            image_size=image_size(image),
        )
        for image, people in coco_people(content)
    ]


def read_results(content: Entry) -> list[FramePoses]:
    """Return the frames of COCO's list of results, which are those in which somebody is.

    The third number of a keypoint is taken as its score, as most tools write it. Raises DataError
    where people do not have COCO's 17 joints.
    """
    frames: dict[int, list[Person]] = {}
    everyone = list(range(len(COCO_17)))
    for entry in content.items():
        person = _person(entry, len(COCO_17), everyone, third_is_score=True)
        frames.setdefault(entry["image_id"].integer(), []).append(person)
    return [frame_poses(index, people, COCO_17.joints) for index, people in frames.items()]


def _joint_names(keypoints: Entry) -> tuple[str, ...]:
    return joint_names(tuple(str(name.value) for name in keypoints.items()))


def _chosen_joints(category: Entry, names: tuple[str, ...]) -> list[int]:
    """Return the positions of the joints that were predicted, which predict notes.

    PoseTrack18 has room for 17 joints, of which a model may know fewer.
    """
    if len(set(names)) != len(names):
        raise DataError(f"{category.where}: two keypoints have the same name")
    noted = category.get("predicted_keypoints")
    if noted is None:
        return list(range(len(names)))
    wanted = _joint_names(noted)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise DataError(f"{noted.where}: {unknown[0]} is not among the keypoints")
    return [names.index(name) for name in wanted]


def _person(
    entry: Entry, joints: int, chosen: list[int], *, third_is_score: bool = False
) -> Person:
    found = entry.non_empty("keypoints")
    values = np.zeros((joints, 3)) if found is None else found.numbers(3 * joints).reshape(-1, 3)
    # As in PoseTrack's and COCO's tools: 0, 0, 0 is not there.
    keypoints = np.where((values == 0).all(1)[:, None], NAN, values[:, :2])
    raw = entry.get("keypoints_raw")
    scores = values[:, 2] if third_is_score else _scores(entry, joints)
    return Person(
        keypoints=keypoints[chosen],
        scores=scores[chosen],
        box=xywh_box(entry),
        box_score=number(entry, "bbox_score"),
        track_id=whole(entry, "track_id", NO_TRACK),
        raw_keypoints=None if raw is None else raw.numbers(2 * joints).reshape(-1, 2)[chosen],
    )


def _scores(entry: Entry, joints: int) -> Float64:
    found = entry.get("keypoint_scores") or entry.get("scores")
    return np.full(joints, NAN) if found is None else found.numbers(joints)
