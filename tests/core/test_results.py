"""FramePoses in the hands of a user: a line to read, joints by name, a picture."""

from dataclasses import replace

import numpy as np
import pytest
from some_poses import SIZE, smoothed, some_poses

from tarvitpose.drawing import draw_poses
from tarvitpose.formats.file_reader import NO_SIZE
from tarvitpose.skeleton import POSETRACK_15

IMAGE = np.full((*SIZE, 3), 90, np.uint8)


def test_a_frame_is_told_in_one_line() -> None:
    line = repr(some_poses(3, 2, 0.12345))
    assert line == (
        "FramePoses(index=3, time=0.123, 2 people, track_ids=[31, 32], 15 joints, 64x48)"
    )
    assert "1 person" in repr(some_poses(0, 1, 0.0))
    assert "0 people, track_ids=[]" in repr(some_poses(0, 0, float("nan")))


def test_a_joint_has_a_name() -> None:
    poses = some_poses(0, 3, 0.0)
    for at, name in enumerate(POSETRACK_15.joints):
        assert np.array_equal(poses[name], poses.keypoints[:, at])
    assert some_poses(0, 0, 0.0)["nose"].shape == (0, 2)


def test_a_typo_is_answered_with_a_name() -> None:
    with pytest.raises(KeyError, match="no joint 'left_wirst'; did you mean left_wrist"):
        _ = some_poses(0, 1, 0.0)["left_wirst"]
    with pytest.raises(KeyError, match=r"no joint 'xyz'; expected .*nose"):
        _ = some_poses(0, 1, 0.0)["xyz"]


def test_it_is_no_sequence() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(some_poses(0, 1, 0.0))  # type: ignore[call-overload]


def test_limbs_are_pairs_of_joints() -> None:
    poses = some_poses(0, 1, 0.0)
    assert poses.limbs == POSETRACK_15.limb_indices
    assert replace(poses, joint_names=tuple(map(str, range(15)))).limbs == ()


def test_drawing_leaves_the_image_alone() -> None:
    poses, before = some_poses(0, 2, 0.0), IMAGE.copy()
    drawn = poses.draw(IMAGE)
    assert np.array_equal(IMAGE, before)
    assert np.array_equal(drawn, draw_poses(IMAGE, poses))
    plain = poses.draw(IMAGE, keypoint_threshold=2, legend=False)
    assert (plain != drawn).any()


def test_poses_are_drawn_to_the_size_of_the_image() -> None:
    poses = some_poses(0, 1, 0.0)
    double = np.full((2 * SIZE[0], 2 * SIZE[1], 3), 90, np.uint8)
    twice = replace(
        poses,
        keypoints=2 * poses.keypoints,
        boxes=2 * poses.boxes,
        image_size=(2 * SIZE[0], 2 * SIZE[1]),
    )
    assert np.array_equal(poses.draw(double), twice.draw(double))


def test_poses_of_a_file_without_boxes_and_times_are_drawn() -> None:
    poses = some_poses(0, 2, 0.0)
    points = np.random.default_rng(0).uniform(15, 40, poses.keypoints.shape).astype(np.float32)
    points[0, 3] = np.nan
    bare = replace(
        poses,
        time=float("nan"),
        image_size=NO_SIZE,
        keypoints=points,
        scores=np.ones_like(poses.scores),
        boxes=np.full((2, 4), np.nan, np.float32),
        track_ids=np.array([-1, -1]),
    )
    drawn = bare.draw(IMAGE, legend=False)
    assert (drawn[15:40, 15:40] != 90).any()
    assert (drawn[0, 0] == 90).all()  # no box of nothing in the corner
    assert bare.draw(IMAGE).shape == IMAGE.shape
    nobody = replace(bare, keypoints=np.full_like(points, np.nan))
    assert nobody.draw(IMAGE).shape == IMAGE.shape


@pytest.mark.parametrize("image", [IMAGE[:, :, 0], IMAGE[..., :2], IMAGE.astype(np.float32)])
def test_what_is_no_rgb_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an RGB image \(height, width, 3\) uint8, got"):
        some_poses(0, 1, 0.0).draw(image)


def test_some_of_the_people_have_their_rows_of_every_field() -> None:
    (whole,) = smoothed([some_poses(0, 3, 0.0)])
    chosen = whole.only(np.array([True, False, True]))
    assert len(chosen) == 2
    assert chosen.track_ids.tolist() == whole.track_ids[[0, 2]].tolist()
    assert chosen.raw_keypoints is not None
    np.testing.assert_array_equal(chosen.raw_keypoints, whole.keypoints[[0, 2]] + 0.75)
    assert whole.only(slice(1, 2)).scores.tolist() == whole.scores[1:2].tolist()
    assert chosen.single_keypoints is None


def test_all_points_move_when_the_picture_changes() -> None:
    (frame,) = smoothed([some_poses(0, 3, 0.0)])
    frame = replace(frame, single_keypoints=frame.keypoints + 1, single_scores=frame.scores)
    height, width = frame.image_size
    double, part = frame.resized((2 * height, 2 * width)), frame.cropped(3, 5, 20, 10)
    for name in ("keypoints", "raw_keypoints", "single_keypoints"):
        points = getattr(frame, name)
        np.testing.assert_array_equal(getattr(double, name), 2 * points)
        np.testing.assert_allclose(getattr(part, name), points - (3, 5), rtol=1e-6)
    np.testing.assert_array_equal(double.boxes, 2 * frame.boxes)
    np.testing.assert_allclose(part.boxes, frame.boxes - (3, 5, 3, 5), rtol=1e-6)
    assert (double.image_size, part.image_size) == ((2 * height, 2 * width), (10, 20))
