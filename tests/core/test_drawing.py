"""Drawing: what is near the people changes, in their colours, and nothing else does."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest
from drawn_people import GREY, SIZE, at, grey, joint, people, standing
from numpy.typing import NDArray

from tarvitpose.drawing import (
    LIGHT,
    PALETTE,
    RIGHT_SHADE,
    SIDE_COLOURS,
    Colour,
    colour_of,
    draw_poses,
    draw_text,
    shown_time,
    text_width,
)
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import (
    COCO_17,
    JOINT_SETS,
    POSETRACK_15,
    JointSet,
    parse_joint_set,
    remember,
)
from tarvitpose.utils.arrays import UInt8

BODIES = [joints for joints in JOINT_SETS.values() if not joints.fine]


def changed(before: UInt8, after: UInt8) -> NDArray[np.bool_]:
    return (before != after).any(-1)


def blended(colour: tuple[int, int, int], shade: float = 1.0) -> list[float]:
    return [0.85 * round(shade * value) + 0.15 * GREY for value in colour]


# ------------------------------------------------------------------------------- what is changed


def test_the_input_is_untouched_and_the_result_shares_nothing_with_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    before = image.copy()
    drawn = draw_poses(image, people((100, 60)))
    assert np.array_equal(image, before)
    assert not np.shares_memory(drawn, image)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_with_nobody_and_no_legend_the_copy_is_equal() -> None:
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    drawn = draw_poses(image, people(), legend=False)
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_only_what_is_near_the_people_changes() -> None:
    image = np.random.default_rng(2).integers(0, 256, (*SIZE, 3), np.uint8)
    difference = changed(image, draw_poses(image, people((60, 70), (200, 90)), legend=False))
    near = np.zeros(SIZE, np.bool_)
    for left, top in ((60, 70), (200, 90)):
        near[top - 24 : top + 86, left - 6 : left + 86] = True  # the label stands above the box
    assert not difference[~near].any()
    assert difference[70:150, 60:140].any()
    assert difference[90:170, 200:280].any()


def test_the_legend_is_at_the_top_left() -> None:
    with_legend = draw_poses(grey(), people((200, 100)))
    without = draw_poses(grey(), people((200, 100)), legend=False)
    rows, columns = np.nonzero(changed(with_legend, without))
    assert (rows.min(), columns.min()) == (0, 0)
    assert rows.max() < 40
    assert columns.max() < 120


def test_views_that_are_not_contiguous_are_drawn_alike() -> None:
    image = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
    mirrored = image[:, ::-1]
    poses = people((100, 60))
    assert np.array_equal(draw_poses(mirrored, poses), draw_poses(mirrored.copy(), poses))


def test_images_that_cannot_be_written_to_are_fine() -> None:
    image = grey()
    image.flags.writeable = False
    assert changed(image, draw_poses(image, people((100, 60)))).any()


# -------------------------------------------------------------------------------- people's joints


@pytest.mark.parametrize("joints", BODIES, ids=lambda joints: joints.name)
def test_every_joint_of_every_set_is_drawn_in_the_colour(joints: JointSet) -> None:
    poses = people((60, 20), height=170, joints=joints)
    drawn = draw_poses(grey(), poses, legend=False)
    for name in joints.joints:
        shade = RIGHT_SHADE if name.startswith("right") else 1.0
        expected = blended(colour_of(1), shade)
        assert at(drawn, joint(poses, name)) == pytest.approx(expected, abs=2), name


@pytest.mark.parametrize("joints", BODIES, ids=lambda joints: joints.name)
def test_limbs_connect_the_joints_of_the_set(joints: JointSet) -> None:
    poses = people((60, 20), height=170, joints=joints)
    drawn = draw_poses(grey(), poses, legend=False)
    for first, second in joints.limbs:
        middle = (joint(poses, first) + joint(poses, second)) / 2
        assert at(drawn, middle) != [GREY] * 3, (first, second)


def test_the_right_side_is_darker_and_the_line_across_is_not() -> None:
    poses = people((60, 20), height=170)
    drawn = draw_poses(grey(), poses, legend=False)
    knee, hip = joint(poses, "right_knee"), joint(poses, "right_hip")
    assert at(drawn, (knee + hip) / 2) == pytest.approx(blended(colour_of(1), RIGHT_SHADE), abs=2)
    knee, hip = joint(poses, "left_knee"), joint(poses, "left_hip")
    assert at(drawn, (knee + hip) / 2) == pytest.approx(blended(colour_of(1)), abs=2)
    across = (joint(poses, "left_hip") + joint(poses, "right_hip")) / 2
    assert at(drawn, across) == pytest.approx(blended(colour_of(1)), abs=2)


def arm_and_finger() -> FramePoses:
    """Return a person with an arm and a finger, far apart."""
    parts = {"fine": ["knuckle", "tip"], "colors": {"tip": "#00ff00"}}
    limbs = [["left_elbow", "left_wrist"], ["knuckle", "tip"]]
    names = ("left_elbow", "left_wrist", "knuckle", "tip")
    values = {"name": "arm4", "joints": names, "limbs": limbs, **parts}
    remember(parse_joint_set(values))
    poses = people((60, 20), height=170, joints=JOINT_SETS["coco17"])
    points = np.array([[(80, 60), (200, 60), (80, 140), (200, 140)]], np.float32)
    return replace(poses, keypoints=points, scores=np.ones((1, 4), np.float32), joint_names=names)


def test_fine_joints_are_thinner_and_may_have_colours_of_their_own() -> None:
    poses = replace(arm_and_finger(), boxes=np.full((1, 4), np.nan, np.float32))
    for colors, expected in (("track", colour_of(1)), ("joints", (0, 255, 0))):
        drawn = draw_poses(grey(), poses, legend=False, colors=colors)
        arm, finger = (
            int(changed(grey(), drawn)[row - 12 : row + 12, 140].sum()) for row in (60, 140)
        )
        assert 1 <= finger < arm
        assert at(drawn, np.array([200, 140])) == pytest.approx(blended(expected), abs=2)


def test_by_side_everybody_has_the_same_colours_left_and_right() -> None:
    poses = people((60, 20), height=170)
    for track_id in (1, 2, 14):
        someone = replace(poses, track_ids=np.array([track_id]))
        drawn = draw_poses(grey(), someone, legend=False, colors="side")
        for side, colour in SIDE_COLOURS.items():
            knee, hip = joint(poses, f"{side}_knee"), joint(poses, f"{side}_hip")
            assert at(drawn, (knee + hip) / 2) == pytest.approx(blended(colour), abs=2)
            assert at(drawn, knee) == pytest.approx(blended(colour), abs=2)
        across = (joint(poses, "left_hip") + joint(poses, "right_hip")) / 2
        assert at(drawn, across) == pytest.approx(blended(LIGHT), abs=2)
        left, top, _, bottom = poses.boxes[0]
        edge = at(drawn, np.array([left, (top + 3 * bottom) / 4]))  # of the box
        assert edge == pytest.approx(blended(colour_of(track_id)), abs=20)  # a thin line


def test_joints_of_low_score_and_their_limbs_are_left_out() -> None:
    poses = people((60, 20), height=170)
    wrist = poses.joint_names.index("left_wrist")
    poses.scores[0, wrist] = 0.29
    drawn = draw_poses(grey(), poses, legend=False)
    arm = (joint(poses, "left_wrist") + joint(poses, "left_elbow")) / 2
    assert at(drawn, joint(poses, "left_wrist") - 3) == [GREY] * 3  # inside of the box's line
    assert at(drawn, arm - 5) == [GREY] * 3
    assert at(drawn, joint(poses, "left_elbow")) != [GREY] * 3


@pytest.mark.parametrize(("score", "is_drawn"), [(0.499, False), (0.5, True), (0.9, True)])
def test_the_threshold_is_the_least_score_drawn(score: float, is_drawn: bool) -> None:
    poses = people((60, 20), height=170)
    poses.scores[:] = score
    drawn = draw_poses(grey(), poses, keypoint_threshold=0.5, legend=False)
    assert (at(drawn, joint(poses, "nose")) != [GREY] * 3) == is_drawn


def test_unknown_joints_have_no_limbs() -> None:
    poses = people((60, 20), height=170)
    poses = replace(poses, joint_names=tuple(f"point_{i}" for i in range(15)))
    drawn = draw_poses(grey(), poses, legend=False)
    assert at(drawn, poses.keypoints[0, 0]) == pytest.approx(blended(colour_of(1)), abs=2)
    thigh = (poses.keypoints[0, 9] + poses.keypoints[0, 11]) / 2
    assert at(drawn, thigh) == [GREY] * 3


@pytest.mark.parametrize("where", [-50.0, 5000.0, 1e9, -1e30, np.nan, np.inf])
def test_joints_far_outside_break_nothing(where: float) -> None:
    poses = people((60, 20), height=170)
    poses.keypoints[0, -1] = where
    poses.boxes[0, 2] = where
    drawn = draw_poses(grey(), poses)
    assert at(drawn, joint(poses, "left_knee")) == pytest.approx(blended(colour_of(1)), abs=2)


def test_who_stands_nearer_is_drawn_over_the_others() -> None:
    near, far = (60, 30), (60, 20)
    poses = people(near, far, height=150)
    drawn = draw_poses(grey(), poses, legend=False)
    points = standing(POSETRACK_15, near, 150)
    nose = points[POSETRACK_15.joints.index("nose")]
    assert at(drawn, nose) == pytest.approx(blended(colour_of(1)), abs=2)


# --------------------------------------------------------------------------------- size and shape


@pytest.mark.parametrize("height", [240, 1080, 2160])
def test_lines_grow_with_the_image(height: int) -> None:
    size = height, height * 16 // 9
    poses = people((height * 0.2, height * 0.2), height=height * 0.7, size=size)
    drawn = draw_poses(grey(size), poses, legend=False)
    row = round(float(joint(poses, "left_knee")[1]) + height * 0.05)
    middle = size[1] // 2
    line = changed(grey(size), drawn)[row, round(height * 0.6) : middle]
    share = line.sum() / height
    assert 0.004 < share < 0.035, "the leg is visible and no trunk"


def test_lines_of_small_people_are_thinner() -> None:
    size = 1080, 1920
    shares = []
    for height in (60, 900):
        poses = people((500, 100), height=height, size=size)
        drawn = draw_poses(grey(size), poses, legend=False)
        y, x = 100 + round(0.9 * height), 500 + round(0.62 * height)
        leg = changed(grey(size), drawn)[y, x : x + height // 4]
        shares.append(int(leg.sum()))
    assert 1 <= shares[0] <= 4 < shares[1]


@pytest.mark.parametrize("size", [(1, 1), (8, 500), (500, 8), (48, 64)])
def test_tiny_images_are_drawn_on(size: tuple[int, int]) -> None:
    poses = people((-5, -5), (2, 2), height=30, size=size)
    assert draw_poses(grey(size), poses).shape == (*size, 3)


def test_labels_stay_inside_the_image() -> None:
    for corner in ((-30, -30), (300, 190), (-30, 190)):
        image = draw_poses(grey(), people(corner), legend=False)
        exact = (image == np.array(colour_of(1), np.uint8)).all(-1)  # labels are opaque
        assert exact.sum() > 60


def opaque(image: UInt8, track_id: int) -> NDArray[np.bool_]:
    """Return where a label of this id is: nothing else is drawn opaque."""
    return (image == np.array(colour_of(track_id), np.uint8)).all(-1)


@pytest.mark.parametrize("other", [(104, 62), (100, 60), (96, 70)])
def test_labels_do_not_hide_each_other(other: tuple[int, int]) -> None:
    alone = opaque(draw_poses(grey(), people((100, 60)), legend=False), 1).sum()
    drawn = draw_poses(grey(), people((100, 60), other), legend=False)
    assert opaque(drawn, 1).sum() >= 0.9 * alone
    assert opaque(drawn, 2).sum() >= 0.7 * alone  # a 2 has more ink than a 1


@pytest.mark.parametrize(("corner", "expected"), [((2, 26), (69, 11)), ((250, 2), (250, 82))])
def test_labels_keep_off_the_legend_and_the_border(
    corner: tuple[int, int], expected: tuple[int, int]
) -> None:
    drawn = draw_poses(grey(), people(corner))
    drawn[:25, :60] = GREY  # the legend
    rows, columns = np.nonzero(opaque(drawn, 1))
    assert (columns.min(), rows.min()) == pytest.approx(expected, abs=2)


# ------------------------------------------------------------------------------ colours and texts


# How people without one kind of cones see linear RGB (Machado, Oliveira and Fernandes 2009).
EYES = {
    "full": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def seen_by(eyes: str, colours: Sequence[Colour] = PALETTE) -> NDArray[np.float32]:
    """Return colours in CIE Lab, where distances are about as large as they look."""
    linear = (np.array(colours) / 255) ** 2.2
    seen = (linear @ np.array(EYES[eyes]).T).clip(0, 1) ** (1 / 2.2)
    return cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


@pytest.mark.parametrize("eyes", EYES)
def test_the_palette_is_distinct_for_the_colour_blind_too(eyes: str) -> None:
    for (i, first), (j, second) in combinations(enumerate(seen_by(eyes)), 2):
        least = 35 if eyes == "full" else 19
        assert np.linalg.norm(first - second) > least, (PALETTE[i], PALETTE[j])


@pytest.mark.parametrize("eyes", EYES)
def test_left_right_and_middle_are_told_apart_by_the_colour_blind_too(eyes: str) -> None:
    for first, second in combinations(seen_by(eyes, [*SIDE_COLOURS.values(), LIGHT]), 2):
        assert np.linalg.norm(first - second) > 35


@pytest.mark.parametrize("eyes", EYES)
def test_ids_given_one_after_the_other_differ_most(eyes: str) -> None:
    lab = seen_by(eyes)
    neighbours = np.linalg.norm(lab - np.roll(lab, 1, 0), axis=1)
    assert neighbours.min() > 35


def test_the_second_round_of_the_palette_has_light_joints() -> None:
    poses = people((60, 20), height=170)
    second = replace(poses, track_ids=poses.track_ids + len(PALETTE))
    nose, knee = joint(poses, "nose"), joint(poses, "left_knee")
    thigh = (joint(poses, "left_hip") + knee) / 2
    first, other = draw_poses(grey(), poses), draw_poses(grey(), second)
    assert at(other, nose) == pytest.approx([0.85 * 245 + 0.15 * GREY] * 3, abs=2)
    assert at(other, thigh) == at(first, thigh)
    assert colour_of(1) == colour_of(1 + len(PALETTE))


def test_black_text_reads_on_every_colour() -> None:
    luminance = np.array(PALETTE) @ [0.2126, 0.7152, 0.0722]
    assert luminance.min() > 90


def test_a_colour_belongs_to_the_id_and_not_to_the_place() -> None:
    poses = people((20, 60), (200, 60))
    swapped = replace(poses, track_ids=poses.track_ids[::-1].copy())
    noses = poses.keypoints[:, poses.joint_names.index("nose")]
    person, other = draw_poses(grey(), poses), draw_poses(grey(), swapped)
    assert at(person, noses[0]) == at(other, noses[1]) != at(person, noses[1])


def test_ids_beyond_the_palette_and_below_one_have_colours() -> None:
    assert {colour_of(i) for i in range(-3, 40)} == set(PALETTE)
    assert colour_of(7) == colour_of(7 + len(PALETTE))


def test_the_legend_has_a_chip_for_everybody() -> None:
    poses = people(*[(40 + 30 * i, 120) for i in range(5)], height=40)
    top = draw_poses(grey(), poses)[:20].reshape(-1, 3)
    for track_id in poses.track_ids.tolist():
        assert (top == np.array(colour_of(track_id), np.uint8)).all(-1).sum() > 30


def test_a_legend_that_is_too_long_ends_with_how_many_are_missing() -> None:
    crowd = people(*[(5 * i, 120) for i in range(60)], height=40)
    drawn = draw_poses(grey(), crowd)
    with_nobody = draw_poses(grey(), people(), legend=False)
    right = np.flatnonzero(changed(with_nobody, drawn)[:20].any(0)).max()
    assert right <= SIZE[1] / 2, "half of the image stays free"
    number = drawn[:20, right - 30 : right].min(-1) > 200
    assert number.any(), "the number stands at the end"


def test_poses_are_drawn_over_the_ground_of_the_legend() -> None:
    poses = people((-30, -44), height=120)  # the hips are under the time
    hips = (joint(poses, "left_hip") + joint(poses, "right_hip")) / 2
    assert hips.tolist() == [30, 22]
    expected = [0.85 * value + 0.15 * 0.4 * GREY for value in colour_of(1)]
    assert at(draw_poses(grey(), poses), hips) == pytest.approx(expected, abs=2)


def test_the_legend_of_a_narrow_image_keeps_the_time() -> None:
    drawn = draw_poses(grey((200, 60)), people(*[(5, 100)] * 30, height=40))
    assert (drawn[:26].min(-1) > 200).any()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.00"),
        (0.004, "0:00.00"),
        (59.999, "1:00.00"),
        (61.25, "1:01.25"),
        (3599.999, "1:00:00.00"),
        (7325.5, "2:02:05.50"),
    ],
)
def test_times_read_like_those_of_players(seconds: float, text: str) -> None:
    assert shown_time(seconds) == text


@pytest.mark.parametrize("height", [9, 20, 40])
def test_text_is_as_wide_and_tall_as_it_says(height: float) -> None:
    canvas = np.zeros((80, 600, 3), np.uint8)
    draw_text(canvas, "0:12 H", (10, 60), height, (255, 255, 255))
    rows, columns = np.nonzero(canvas.max(-1) > 128)
    assert columns.max() - 10 == pytest.approx(text_width("0:12 H", height), abs=height / 3)
    assert rows.max() - rows.min() == pytest.approx(height, rel=0.25)


@pytest.mark.parametrize("height", [8, 12, 24, 40])
def test_a_degree_sign_is_a_ring_inside_the_width_of_the_text(height: float) -> None:
    canvas = np.zeros((80, 200, 3), np.uint8)
    draw_text(canvas, "1°", (10, 60), height, (255, 255, 255))
    ink = canvas.max(-1) > 90
    dark_areas, _ = cv2.connectedComponents((~ink).astype(np.uint8), connectivity=4)
    assert dark_areas - 1 == 2  # around the text, and inside the ring: a 1 has no hole
    assert np.nonzero(ink)[1].max() - 10 <= text_width("1°", height)


def test_people_without_labels_have_skeletons_alone() -> None:
    poses = people((60, 70), (200, 90))
    drawn = draw_poses(grey(), poses, legend=False, labels=False)
    only_labels = changed(drawn, draw_poses(grey(), poses, legend=False))
    assert only_labels.any()
    for person in range(len(poses)):
        left, top, right, bottom = poses.boxes[person].astype(int)
        assert not only_labels[top + 2 : bottom - 2, left + 2 : right - 2].any()
        assert changed(grey(), drawn)[top:bottom, left:right].any()


def test_coco_joints_are_told_by_name_not_by_number() -> None:
    poses = people((60, 20), height=170, joints=COCO_17)
    drawn = draw_poses(grey(), poses, legend=False)
    ear = joint(poses, "right_ear")
    assert at(drawn, ear) == pytest.approx(blended(colour_of(1), RIGHT_SHADE), abs=2)
