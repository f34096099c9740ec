"""Where a person faces: from the side by the nose or the toes, from the front by the shoulders."""

import numpy as np
import pytest
from posed_people import seen_from_the_front, seen_from_the_side

from tarvitpose.angles.facing import WINDOW, directions_of
from tarvitpose.angles.landmarks import Points, landmarks

UPRIGHT = {  # x to the right, y down
    **{"left_shoulder": (40.0, 0.0), "right_shoulder": (0.0, 0.0)},
    **{"left_hip": (35.0, 100.0), "right_hip": (5.0, 100.0), "nose": (20.0, -30.0)},
}


def points_of(person: dict[str, tuple[float, float]], frames: int = 1) -> Points:
    keypoints = np.tile(np.array(list(person.values()), np.float32), (frames, 1, 1))
    return landmarks(list(person), keypoints, np.ones(keypoints.shape[:2], np.float32), 0.3)


def facing(points: Points, frame_rate: float = 25.0) -> list[str]:
    frames = np.arange(len(next(iter(points.values()))))
    return directions_of(points, frames, frames / frame_rate).tolist()


def moved(**joints: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return {**UPRIGHT, **joints}


def test_whoever_shows_the_left_shoulder_on_the_right_faces_the_camera() -> None:
    assert facing(points_of(UPRIGHT)) == ["camera"]
    swapped = moved(left_shoulder=(0.0, 0.0), right_shoulder=(40.0, 0.0))
    assert facing(points_of(swapped)) == ["away"]


@pytest.mark.parametrize(("x", "side"), [(60.0, "right"), (-20.0, "left")])
def test_a_nose_before_the_shoulders_tells_the_side(x: float, side: str) -> None:
    assert facing(points_of(moved(nose=(x, -30.0)))) == [side]


def test_the_posed_people_of_other_tests_face_as_they_say() -> None:
    assert facing(points_of(seen_from_the_side())) == ["right"]
    assert facing(points_of(seen_from_the_front())) == ["camera"]


def test_turning_the_image_turns_nobody() -> None:
    points = points_of(moved(nose=(60.0, -30.0)))
    for angle in np.deg2rad([90, 180, 250]):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        assert facing({name: point @ turn for name, point in points.items()}) == ["right"]


def test_mirroring_the_image_changes_the_side() -> None:
    points = points_of(moved(nose=(60.0, -30.0)))
    mirrored = {name: point * [-1, 1] for name, point in points.items()}
    assert facing(mirrored) == ["left"]


def test_without_hips_nobody_knows() -> None:
    person = {name: at for name, at in UPRIGHT.items() if "hip" not in name}
    assert facing(points_of(person, 3)) == ["", "", ""]


def test_without_a_nose_the_feet_tell() -> None:
    feet = {
        **{"left_heel": (0.0, 200.0), "left_toe": (30.0, 200.0)},
        **{"right_heel": (5.0, 200.0), "right_toe": (35.0, 200.0)},
    }
    person = {name: at for name, at in UPRIGHT.items() if name != "nose"} | feet
    assert facing(points_of(person)) == ["right"]
    assert facing(points_of({name: at for name, at in person.items() if name not in feet})) == [""]


def test_a_single_odd_frame_turns_nobody_but_a_real_turn_is_seen() -> None:
    frames = round(3 * WINDOW * 25)
    points = points_of(moved(nose=(60.0, -30.0)), frames)
    points["nose"][30] = -20, -30
    assert set(facing(points)) == {"right"}
    points["nose"][40:] = -20, -30
    turned = facing(points)
    assert (turned[0], turned[-1]) == ("right", "left")
    assert turned.index("left") in range(38, 43)  # where it happens, not a second later


def test_frames_in_which_the_nose_is_not_sure_follow_their_neighbours() -> None:
    points = points_of(moved(nose=(60.0, -30.0)), 9)
    points["nose"][3:6] = np.nan
    assert facing(points) == ["right"] * 9
    points["nose"][:] = np.nan
    assert set(facing(points)) == {""}
