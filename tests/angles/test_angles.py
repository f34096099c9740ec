"""Angles: cases that one can work out by hand, and what must not change them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from posed_people import FEET, filmed, seen_from_the_front, seen_from_the_side
from some_poses import clip

from tarvitpose.angles.definitions import ANGLES, BY_NAME, other_side
from tarvitpose.angles.series import AngleSeries, joint_angles, unwrapped
from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import COCO_17, POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Float32

Person = dict[str, tuple[float, float]]


def measured(person: Person, **options: str) -> dict[str, float]:
    """Return the angles of a person who stays as they are for three frames."""
    (series,) = joint_angles(filmed([person] * 3), **options)  # type: ignore[arg-type]
    return {name: float(values[1]) for name, values in series.degrees.items()}


def expect(person: Person, **expected: float) -> None:
    angles = measured(person)
    selected = {name: angles[name] for name in expected}
    assert selected == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_an_upright_person_with_hanging_arms_has_zeros() -> None:
    standing = measured(seen_from_the_side())
    for name, degrees in standing.items():
        if BY_NAME[name].kind in ("bend", "flexion", "lean", "dorsiflexion"):
            assert degrees == pytest.approx(0, abs=1e-4), name
        else:  # not to be seen from the side
            assert np.isnan(degrees), name
    expect(seen_from_the_front(), left_shoulder_abduction=0, shoulder_line=0, pelvis_line=0)


def test_bends_are_positive_whichever_way_and_right_angles_are_90() -> None:
    sitting = seen_from_the_side(thigh=90, shank=0, upper_arm=0, forearm=90)
    expect(sitting, left_knee_flexion=90, left_hip_flexion=90, right_elbow_flexion=90)
    heels_up = seen_from_the_side(shank=-60)
    expect(heels_up, left_knee_flexion=60, left_hip_flexion=0, left_shank_lean=60)
    expect(seen_from_the_side(forearm=135, upper_arm=0), left_elbow_flexion=135)


def test_the_hip_and_the_shoulder_go_behind_the_body_below_zero() -> None:
    stride = seen_from_the_side(thigh=-20, shank=-20, upper_arm=-40, forearm=-40)
    expect(stride, left_hip_flexion=-20, left_shoulder_flexion=-40, left_knee_flexion=0)
    expect(seen_from_the_side(upper_arm=180, forearm=180), left_shoulder_flexion=180)


def test_arms_and_legs_move_away_from_the_body_in_a_view_from_the_front() -> None:
    jack = seen_from_the_front(left_arm=90, right_arm=150, left_thigh=25, right_thigh=-10)
    expect(
        jack,
        left_shoulder_abduction=90,
        right_shoulder_abduction=150,
        left_hip_abduction=25,
        right_hip_abduction=-10,
        left_hip_flexion=np.nan,
        left_shoulder_flexion=np.nan,
        left_elbow_flexion=0,
    )


def test_from_behind_left_is_still_left_and_outward_is_positive() -> None:
    front = seen_from_the_front(left_arm=70, right_arm=20)
    behind = {name: (400 - x, y) for name, (x, y) in front.items()}  # as a turned person is seen
    assert set(joint_angles(filmed([behind]))[0].facing) == {"away"}
    expect(behind, left_shoulder_abduction=70, right_shoulder_abduction=20)


def test_lines_are_positive_where_the_left_side_is_higher() -> None:
    person = seen_from_the_front()
    person["left_shoulder"] = (230, 110)
    person["right_shoulder"] = (170, 130)
    expect(person, shoulder_line=float(np.degrees(np.arctan2(20, 60))), pelvis_line=0)


def test_the_foot_at_right_angles_is_zero_and_toes_up_is_positive() -> None:
    person = seen_from_the_side()
    heel = person["left_heel"]
    for rise, degrees in ((-28.0, 45.0), (28.0, -45.0)):
        person["left_big_toe"] = (heel[0] + 28, heel[1] + rise)
        expect(person, left_ankle_dorsiflexion=degrees)


def test_trunk_and_head_lean_towards_the_right_of_the_image() -> None:
    person = seen_from_the_side()
    for name in ("left_shoulder", "right_shoulder"):
        person[name] = (280.0, 120.0)  # 80 to the right and 80 up from the hips
    person["head_top"] = (160.0, 110.0)  # level with the neck, to its left
    expect(person, trunk_lean=45, head_lean=-90)


def test_joint_sets_give_the_angles_that_their_joints_make() -> None:
    def names(joints: tuple[str, ...]) -> set[str]:
        poses = clip(JointSet("some", joints))
        return set(joint_angles(poses)[0].degrees)

    everything = {angle.name for angle in ANGLES}
    ankles = {"left_ankle_dorsiflexion", "right_ankle_dorsiflexion"}
    assert names(POSETRACK_15.joints) == names(COCO_17.joints) == everything - ankles
    assert names((*COCO_17.joints, *FEET)) == everything
    assert names(("left_hip", "left_knee", "left_ankle")) == {
        *("left_knee_flexion", "left_thigh_lean", "left_shank_lean")
    }
    assert names(("thumb", "tail")) == set()


# ----------------------------------------------------------------------------- what changes nothing


def moving() -> list[FramePoses]:
    return filmed(
        [
            seen_from_the_side(thigh=3 * n, shank=-n, upper_arm=-4 * n, forearm=6 * n)
            for n in range(20)
        ]
    )


def moved(poses: list[FramePoses], move: Callable[[Float32], Float32]) -> list[FramePoses]:
    return [replace(frame, keypoints=move(frame.keypoints)) for frame in poses]


def assert_same(first: AngleSeries, second: AngleSeries, kinds: tuple[str, ...]) -> None:
    for name, values in first.degrees.items():
        if BY_NAME[name].kind in kinds:
            np.testing.assert_allclose(second.degrees[name], values, atol=1e-3, err_msg=name)


JOINTS = ("bend", "flexion", "abduction", "dorsiflexion")


def test_size_and_position_change_nothing() -> None:
    (before,) = joint_angles(moving())
    (after,) = joint_angles(moved(moving(), lambda points: 3.7 * points - 50))
    assert_same(before, after, (*JOINTS, "lean", "tilt"))


@pytest.mark.parametrize("degrees", [90, 180, -37])
def test_a_rotated_camera_changes_leans_alone(degrees: float) -> None:
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, -sin], [sin, cos]], np.float32)
    (before,) = joint_angles(moving())
    (after,) = joint_angles(moved(moving(), lambda points: points @ rotation.T))
    assert_same(before, after, JOINTS)
    turned = after.degrees["trunk_lean"] - before.degrees["trunk_lean"]
    assert np.cos(np.radians(turned - degrees)) == pytest.approx(np.ones(20))


@pytest.mark.parametrize("person", [seen_from_the_side, seen_from_the_front])
def test_in_a_mirror_the_sides_change_places(person: Callable[..., Person]) -> None:
    posed = person(upper_arm=30, forearm=70, left_arm=40, right_thigh=20)
    posed["left_knee"] = (posed["left_knee"][0] + 13, posed["left_knee"][1])
    mirrored = {other_side(name): (400 - x, y) for name, (x, y) in posed.items()}
    before, after = measured(posed), measured(mirrored)
    for name, degrees in before.items():
        sign = -1 if BY_NAME[name].kind in ("lean", "tilt") else 1
        assert sign * after[other_side(name)] == pytest.approx(degrees, abs=1e-4, nan_ok=True)


# ----------------------------------------------------------------------------- over time


def test_low_scores_and_absent_frames_stay_gaps() -> None:
    frames = [0, 1, 2, 5, 6]
    poses = filmed([seen_from_the_side()] * 5, frames=frames, low={1: ["left_ankle"]})
    (series,) = joint_angles(poses)
    assert series.frames.tolist() == frames
    assert np.isnan(series.degrees["left_knee_flexion"]).tolist() == [False, True, *[False] * 3]
    assert np.isfinite(series.degrees["right_knee_flexion"]).all()
    (all_count,) = joint_angles(poses, threshold=0)
    assert np.isfinite(all_count.degrees["left_knee_flexion"]).all()


def test_a_limb_that_points_at_the_camera_has_no_angle() -> None:
    person = seen_from_the_side()
    x, y = person["left_elbow"]
    person["left_wrist"] = (x + 2, y)
    expect(person, left_elbow_flexion=np.nan, left_forearm_lean=np.nan, right_elbow_flexion=0)


def test_nothing_jumps_by_a_whole_turn() -> None:
    circling = filmed([seen_from_the_side(upper_arm=15.0 * n, forearm=15.0 * n) for n in range(49)])
    (series,) = joint_angles(circling)
    shoulder = series.degrees["left_shoulder_flexion"]
    np.testing.assert_allclose(np.diff(shoulder), 15, atol=1e-3)
    assert np.abs(np.diff(series.degrees["left_forearm_lean"])).max() < 16


def test_arms_above_the_head_stay_on_one_side_of_180_over_gaps() -> None:
    wave = [175.0, 178, 183, 188, 183, 178]
    poses = filmed(
        [seen_from_the_side(upper_arm=at, forearm=at) for at in wave * 4],
        low={at: ["left_elbow"] for at in (5, 11, 17)},
    )
    (series,) = joint_angles(poses)
    shoulder = series.degrees["left_shoulder_flexion"]
    np.testing.assert_allclose(shoulder[np.isfinite(shoulder)][:5], wave[:5], atol=1e-3)
    assert 174 < np.nanmin(shoulder) < np.nanmax(shoulder) < 189
    assert np.isnan(unwrapped(np.array([np.nan, 5]), np.arange(2))[0])


def test_someone_who_turns_changes_from_flexion_to_abduction() -> None:
    poses = filmed([seen_from_the_side()] * 40 + [seen_from_the_front()] * 40)
    (series,) = joint_angles(poses)
    assert series.facing[0] == "right"
    assert series.facing[-1] == "camera"
    assert np.count_nonzero(series.facing[1:] != series.facing[:-1]) == 1
    for name, direction in (("left_hip_flexion", "right"), ("left_hip_abduction", "camera")):
        known = np.isfinite(series.degrees[name])
        assert known.any()
        assert (series.facing[known] == direction).all()


def test_a_moment_of_doubt_turns_nobody() -> None:
    person, other = seen_from_the_side(), seen_from_the_side()
    other["nose"] = (180.0, 90.0)  # for once on the back of the head
    (series,) = joint_angles(filmed([person] * 20 + [other] * 3 + [person] * 20))
    assert set(series.facing) == {"right"}


def test_one_may_say_where_a_person_faces() -> None:
    person = seen_from_the_side(thigh=30, shank=30)
    del person["nose"]
    assert measured(person)["left_hip_flexion"] == pytest.approx(30)  # as the toes point
    for toe in ("left_big_toe", "right_big_toe"):
        del person[toe]
    assert np.isnan(measured(person)["left_hip_flexion"])
    assert measured(person, facing="right")["left_hip_flexion"] == pytest.approx(30)
    assert measured(person, facing="left")["left_hip_flexion"] == pytest.approx(-30)


def test_tracks_are_apart_and_people_without_one_are_left_out() -> None:
    first, second = filmed([seen_from_the_side()] * 2)[0], filmed([seen_from_the_front()])[0]
    both = replace(
        first,
        keypoints=np.concatenate([first.keypoints, *[_common(second, first)] * 2]),
        scores=np.repeat(first.scores, 3, 0),
        boxes=np.repeat(first.boxes, 3, 0),
        box_scores=np.ones(3, np.float32),
        track_ids=np.array([7, 2, -1]),
    )
    assert [series.track_id for series in joint_angles([both])] == [2, 7]
    assert [series.track_id for series in joint_angles([both], tracks=[7])] == [7]
    with pytest.raises(DataError, match="different joints"):
        joint_angles([first, second])


def _common(source: FramePoses, like: FramePoses) -> Float32:
    """Return the person of a frame with the joints of another; what they lack is at 0."""
    points = np.zeros_like(like.keypoints)
    for at, name in enumerate(source.joint_names):
        points[:, like.joint_names.index(name)] = source.keypoints[:, at]
    return points
