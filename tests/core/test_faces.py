"""Faces: nobody's head stays recognisable, and what is far from heads stays as it is."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_people import people
from numpy.typing import NDArray

from tarvitpose.drawing.faces import head_regions, pixelated, upper_parts
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import JOINT_SETS, POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Float32, UInt8

SIZE = 400, 640  # height, width
BODIES = [joints for joints in JOINT_SETS.values() if not joints.fine]
HEAD = 0.2  # of the drawn people's height, from the top


def noise() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def covered(regions: Float32) -> NDArray[np.bool_]:
    """Return which pixels of the image lie in a region."""
    mask = np.zeros(SIZE, np.bool_)
    for left, top, right, bottom in np.round(regions).clip(0, 999).astype(int).tolist():
        mask[top:bottom, left:right] = True
    return mask


def head_of(corner: tuple[float, float], height: float) -> tuple[slice, slice]:
    """Return the pixels of a drawn person's head."""
    left, top = corner
    half = HEAD * height / 2
    across = slice(round(left + height / 2 - half), round(left + height / 2 + half))
    return slice(round(top), round(top + HEAD * height)), across


@pytest.mark.parametrize("joints", BODIES, ids=lambda joints: joints.name)
@pytest.mark.parametrize("score", [0.0, 0.29, 0.9, np.nan])
def test_the_head_of_everybody_is_a_region_whatever_the_scores(
    joints: JointSet, score: float
) -> None:
    corners = (60.0, 70.0), (300.0, 120.0)
    poses = people(*corners, height=200, joints=joints, size=SIZE)
    poses.scores[:] = score
    mask = covered(head_regions(poses))
    for corner in corners:
        assert mask[head_of(corner, 200)].all()


def test_of_someone_sure_only_the_head_is_a_region() -> None:
    poses = people((60, 70), height=200, size=SIZE)
    regions = head_regions(poses)
    assert len(regions) == 1
    sides = regions[0, 2:] - regions[0, :2]
    assert (sides < 0.7 * 200).all()
    assert not covered(regions)[70 + 100 :].any(), "from the waist down"


def test_every_point_of_a_whole_bodys_face_is_within_the_region() -> None:
    poses = people((60, 70), height=200, size=SIZE)
    point = np.array([[[260.0, 100.0]]], np.float32)  # far to the side of the other joints
    with_face = replace(
        poses,
        keypoints=np.concatenate([poses.keypoints, point], 1),
        scores=np.concatenate([poses.scores, poses.scores[:, :1]], 1),
        joint_names=(*poses.joint_names, "face_5"),
    )
    assert covered(head_regions(with_face))[95:105, 255:265].all()


def test_where_the_head_is_unsure_the_upper_part_of_the_box_is_a_region_too() -> None:
    poses = people((60, 70), height=200, size=SIZE)
    head = [POSETRACK_15.joints.index(name) for name in ("nose", "head_top", "head_bottom")]
    poses.keypoints[0, head, 1] += 200  # found at the feet
    poses.scores[0, head] = 0.2
    mask = covered(head_regions(poses))
    assert mask[head_of((60, 70), 200)].all()
    assert mask[70 + 200 : 70 + 220, 150:170].all(), "where the joints are, should they be right"


def test_people_left_out_are_hidden_and_second_boxes_of_somebody_are_not() -> None:
    poses = people((60, 70), height=200, size=SIZE)
    other, second = [400, 100, 460, 280], [70, 75, 250, 275]
    mask = covered(head_regions(replace(poses, left_out=np.array([other, second], np.float32))))
    assert mask[100:160, 400:460].all()
    assert np.array_equal(mask[:, :390], covered(head_regions(poses))[:, :390])


def test_a_child_in_front_of_somebody_is_hidden() -> None:
    poses = people((60, 20), height=300, size=SIZE)
    child = [170, 180, 240, 320]
    mask = covered(head_regions(replace(poses, left_out=np.array([child], np.float32))))
    assert mask[180:220, 170:240].all()


def test_of_people_who_lie_all_of_the_box_is_hidden() -> None:
    lying = np.array([[100, 200, 300, 260]], np.float32)
    assert covered(upper_parts(lying))[200:260, 100:300].all()


def test_people_without_boxes_or_joints_of_the_head_break_nothing() -> None:
    poses = people((60, 70), (300, 120), height=200, size=SIZE)
    poses.boxes[0] = np.nan
    poses.keypoints[1, :3] = np.nan
    mask = covered(head_regions(poses))
    assert mask[head_of((60, 70), 200)].all()
    assert mask[head_of((300, 120), 200)].all()
    nobody: FramePoses = poses.only(np.zeros(2, np.bool_))
    assert head_regions(nobody).shape == (0, 4)


def test_a_region_changes_strongly_and_the_rest_not_at_all() -> None:
    image = noise()
    before = image.copy()
    regions = np.array([[100.4, 50.7, 160.2, 120.1], [600, -30, 900, 40]], np.float32)
    hidden = pixelated(image, regions)
    assert np.array_equal(image, before)
    inside = np.zeros(SIZE, np.bool_)
    inside[50:121, 100:161] = inside[:40, 600:] = True
    assert np.array_equal(hidden[~inside], image[~inside])
    difference = np.abs(hidden.astype(int) - image)[inside]
    assert difference.mean() > 40
    assert len(np.unique(hidden[50:121, 100:161].reshape(-1, 3), axis=0)) <= 4 * 5  # coarse cells


@pytest.mark.parametrize("region", [[-50, -50, -10, -10], [700, 0, 800, 50], [10, 10, 10.2, 10.1]])
def test_regions_outside_or_of_a_pixel_break_nothing(region: list[float]) -> None:
    image = noise()
    hidden = pixelated(image, np.array([region], np.float32))
    assert (hidden != image).any(-1).sum() <= 1
