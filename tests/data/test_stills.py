"""A still becomes a moving clip, and its joints stay exact in the current frame."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tarvitpose.config import Codec
from tarvitpose.data.augment import CropArea, inference_area, jitter_boxes
from tarvitpose.data.stills import (
    STANDSTILL,
    MotionConfig,
    camera_path,
    compose,
    limb_path,
    smooth_path,
    still_clip,
)
from tarvitpose.geometry import transform_points, warp
from tarvitpose.skeleton import POSETRACK_15

OFFSETS, CURRENT = (-2, -1, 0, 1, 2), 2
SIZE = (128, 96)
HEIGHT, WIDTH = 240, 200
BOX = (50.0, 40.0, 150.0, 200.0)
JOINTS = POSETRACK_15
LIVELY = MotionConfig(still=0, fast=1, limbs=1, swing=0.03)
CAMERA = MotionConfig(still=0, limbs=0)
LIMBS = MotionConfig(still=1, limbs=1, swing=0.05)

Array = NDArray[np.float32]


def joints_inside(seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.uniform((65, 60), (135, 180), (len(JOINTS), 2)).astype(np.float32)


def dot(point: Array) -> NDArray[np.uint8]:
    """An image that is black but for one soft dot."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bright = 250 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 4.0**2))
    return np.repeat(bright[..., None], 3, -1).astype(np.uint8)


def noise_image() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def dot_position(frame: NDArray[np.uint8]) -> Array:
    """The dot's middle in a crop, (2,)."""
    bright = frame[..., 0].astype(np.float64)
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum()


def clip_of(
    image: NDArray[np.uint8],
    keypoints: Array,
    motion: MotionConfig,
    *,
    crop: CropArea | None = None,
    codec: Codec = "udp",
    visible: Array | None = None,
    seed: int = 3,
    offsets: tuple[int, ...] = OFFSETS,
    moves: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.uint8], Array]:
    matrix = (crop or inference_area(BOX, SIZE)).matrix(SIZE, codec)
    return still_clip(
        image,
        keypoints,
        np.ones(len(JOINTS)) if visible is None else visible,
        matrix,
        offsets=offsets,
        input_size=SIZE,
        joints=JOINTS,
        motion=motion,
        rng=np.random.default_rng(seed),
        moves=moves,
    )


CROPS = {
    "plain": inference_area(BOX, SIZE),
    "flipped": CropArea(np.float32([100, 120]), np.float32([160, 213]), flip=True),
    "rotated": CropArea(np.float32([100, 120]), np.float32([180, 240]), rotation=35),
    "all": CropArea(np.float32([110, 110]), np.float32([130, 173]), rotation=-45, flip=True),
}


@pytest.mark.parametrize("codec", ["udp", "classic"])
@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_the_joints_are_exact_in_the_current_frame(crop: CropArea, codec: Codec) -> None:
    keypoints = joints_inside()
    errors = []
    for at, joint in enumerate(keypoints):
        clip, joints = clip_of(dot(joint), keypoints, LIVELY, crop=crop, codec=codec)
        points = joints[CURRENT]
        inside = ((points[at] > 15) & (points[at] < np.array(SIZE[::-1]) - 16)).all()
        if inside:  # elsewhere the border cuts the dot
            errors.append(np.abs(dot_position(clip[CURRENT]) - points[at]).max())
    assert len(errors) >= 5
    assert max(errors) < 0.1


def test_without_motion_all_frames_are_the_same_crop() -> None:
    image, crop = noise_image(), CROPS["all"]
    clip, _ = clip_of(image, joints_inside(), STANDSTILL, crop=crop)
    expected = warp(image, crop.matrix(SIZE, "udp"), SIZE)
    assert all(np.array_equal(frame, expected) for frame in clip)


def test_the_current_frame_is_the_plain_crop_whatever_moves() -> None:
    image = noise_image()
    clip, _ = clip_of(image, joints_inside(), LIVELY)
    assert np.array_equal(clip[CURRENT], warp(image, CROPS["plain"].matrix(SIZE, "udp"), SIZE))


def test_the_other_frames_follow_the_camera() -> None:
    keypoints = joints_inside()
    keypoints[0] = (105, 118)
    clip, joints = clip_of(dot(keypoints[0]), keypoints, CAMERA, seed=8)
    points = joints[CURRENT]
    moves = camera_path(OFFSETS, SIZE, np.random.default_rng(8), CAMERA)
    expected = transform_points(moves, np.broadcast_to(points[:1], (5, 1, 2)))[:, 0]
    for frame, position in zip(clip, expected, strict=True):
        assert np.abs(dot_position(frame) - position).max() < 0.1


def test_a_swinging_wrist_moves_as_its_path_says_and_the_neck_stays() -> None:
    wrist, neck = JOINTS.joints.index("left_wrist"), JOINTS.joints.index("head_bottom")
    keypoints, visible = np.zeros((len(JOINTS), 2), np.float32), np.zeros(len(JOINTS), np.float32)
    keypoints[wrist], keypoints[neck] = (75, 150), (120, 80)
    visible[[wrist, neck]] = 1
    rng = np.random.default_rng(3)
    camera_path(OFFSETS, SIZE, rng, LIMBS)
    swings = limb_path(OFFSETS, SIZE, rng, LIMBS, JOINTS)[:, wrist]
    moved = {}
    for at in (wrist, neck):
        clip, joints = clip_of(dot(keypoints[at]), keypoints, LIMBS, visible=visible)
        moved[at] = np.array([dot_position(frame) for frame in clip]) - joints[CURRENT, at]
    assert np.linalg.norm(swings[0]) > 2
    assert np.abs(moved[neck]).max() < 0.15
    assert np.abs(moved[wrist] - 0.8 * swings).max() < 0.3 * np.abs(swings).max()


def test_swinging_without_a_visible_joint_changes_nothing() -> None:
    visible = np.zeros(len(JOINTS), np.float32)
    clip, _ = clip_of(noise_image(), joints_inside(), LIMBS, visible=visible)
    assert np.abs(clip.astype(int) - clip[CURRENT].astype(int)).max() <= 4  # remap's rounding


def test_outside_the_image_is_black() -> None:
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    corner = CropArea(np.float32([0, 0]), np.float32([120, 160]))
    for motion in (CAMERA, LIMBS):
        clip, _ = clip_of(image, joints_inside(), motion, crop=corner)
        assert not clip[:, :30, :20].any()
        assert clip[:, -20:, -15:].min() == 200


def test_the_same_generator_gives_the_same_clip() -> None:
    clips = [clip_of(noise_image(), joints_inside(), LIVELY, seed=s)[0] for s in (1, 1, 2)]
    assert np.array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2])


@pytest.mark.parametrize("offsets", [(0,), (-1, 0), (-300, 0, 300)])
def test_any_window_works(offsets: tuple[int, ...]) -> None:
    clip, points = clip_of(noise_image(), joints_inside(), LIVELY, offsets=offsets)
    assert clip.shape == (len(offsets), *SIZE, 3)
    assert np.isfinite(points).all()


def test_paths_start_at_0_and_take_steps_of_at_most_1() -> None:
    path = smooth_path(tuple(range(-20, 21)), np.random.default_rng(0), (30, 2))
    assert path.shape == (41, 30, 2)
    assert not path[20].any()
    steps = np.diff(path, axis=0)
    assert 0.8 < np.abs(steps).max() <= 1
    assert np.abs(np.diff(steps, axis=0)).max() < 1  # and they turn slowly


def test_a_camera_step_stays_within_its_limits() -> None:
    motion = MotionConfig(still=0, fast=0, zoom=0, turn=0)
    moves = camera_path((-1, 0, 1), (256, 192), np.random.default_rng(0), motion)
    assert np.abs(np.diff(moves[:, :, 2], axis=0)).max() <= 0.03 * 256 / 1.25
    assert np.allclose(moves[:, :, :2], np.eye(2))


def test_only_arms_and_legs_swing() -> None:
    swings = limb_path(OFFSETS, SIZE, np.random.default_rng(0), LIMBS, JOINTS)
    for at, name in enumerate(JOINTS.joints):
        is_limb = name.endswith(("elbow", "wrist", "knee", "ankle"))
        assert swings[:, at].any() == is_limb, name


def test_composing_applies_the_matrix_first() -> None:
    moves = camera_path(OFFSETS, SIZE, np.random.default_rng(0), LIVELY)
    matrix = CROPS["all"].matrix(SIZE, "udp")
    points = joints_inside()[None]
    one_by_one = transform_points(moves, transform_points(matrix[None], points).repeat(5, 0))
    at_once = transform_points(compose(moves, matrix), points.repeat(5, 0))
    assert np.allclose(one_by_one, at_once, atol=1e-3)
    first = compose(moves, matrix)  # and one matrix for each frame is as good as one for all
    twice = compose(moves[::-1], first)
    for t in range(5):
        assert np.allclose(twice[t], compose(moves[4 - t, None], first[t])[0])


def test_crops_of_their_own_move_joints_and_frames_alike() -> None:
    crops = jitter_boxes(5, SIZE, 0.1, np.random.default_rng(0))
    smooth = np.asarray(cv2.GaussianBlur(noise_image(), (0, 0), 4))
    clip, joints = clip_of(smooth, joints_inside(), CAMERA, moves=crops)
    plain, homes = clip_of(smooth, joints_inside(), CAMERA)
    assert np.allclose(joints, transform_points(crops, homes), atol=1e-3)
    for t in range(5):
        moved = warp(plain[t], crops[t], SIZE).astype(int)[20:-20, 20:-20]
        shown = clip[t].astype(int)[20:-20, 20:-20]
        assert np.abs(moved - shown).max() < 6  # resampled twice, and once


@pytest.mark.parametrize("has_crops", [False, True])
@pytest.mark.parametrize("offsets", [OFFSETS, OFFSETS[::-1]])
def test_the_joints_are_exact_in_every_frame(offsets: tuple[int, ...], has_crops: bool) -> None:
    keypoints = joints_inside()
    errors = []
    moves = jitter_boxes(5, SIZE, 0.05, np.random.default_rng(1)) if has_crops else None
    for at, joint in enumerate(keypoints):
        image, crop = dot(joint), CROPS["plain"]
        clip, joints = clip_of(image, keypoints, LIVELY, crop=crop, offsets=offsets, moves=moves)
        for t in range(len(OFFSETS)):
            inside = ((joints[t, at] > 15) & (joints[t, at] < np.array(SIZE[::-1]) - 16)).all()
            if inside:  # elsewhere the border cuts the dot
                errors.append(np.abs(dot_position(clip[t]) - joints[t, at]).max())
    assert len(errors) >= 25
    assert max(errors) < 0.75  # a dot that is stretched unevenly shifts its middle
