"""Labelling clips: how MoveNet is read, which joints are trusted, and what is written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tarvitpose.data.sources import read_records
from tarvitpose.skeleton import COCO_17, POSETRACK_15, POSETRACK_17
from tarvitpose.utils.arrays import Float32
from tools import label_clips, label_rules, teachers
from tools.label_rules import Label, TrackedBox
from tools.teachers import KNOWN, TeacherPose

JOINTS = POSETRACK_15.joints
HEIGHT, FRAME = 200.0, (400, 300)
FAR = 1.1 * 0.06 * HEIGHT  # pixels: too far apart for agreement


def at(*names: str) -> list[int]:
    return [JOINTS.index(name) for name in names]


def spread_out() -> Float32:
    """Joints (J, 2) of a person, no two near each other."""
    x, y = 40 + 50 * (np.arange(15) % 4), 40 + 60 * (np.arange(15) // 4)
    return np.stack([x, y], 1).astype(np.float32)


def predicted(points: Float32 | None = None, score: float = 0.8) -> TeacherPose:
    points = spread_out() if points is None else points
    return TeacherPose(points, np.full(15, score, np.float32), np.zeros(15, np.float32))


def tracked(
    track: int = 1, left: float = 50, top: float = 40, height: float = HEIGHT
) -> TrackedBox:
    return TrackedBox(track, np.array([left, top, left + height / 2, top + height], np.float32))


def label(frame: int = 0, track: int = 1, points: Float32 | None = None) -> Label:
    points = spread_out() if points is None else points
    return Label(frame, tracked(track), points, np.ones(15, np.float32))


# --- MoveNet --------------------------------------------------------------------------------


def movenet_rows() -> Float32:
    """Rows (17, 3): y, x and score tell which joint of COCO it is."""
    i = np.arange(17)
    return np.stack([i / 32, i / 64, i / 20], 1).astype(np.float32)


def test_movenet_joints_are_matched_by_name_and_scaled_to_the_crop() -> None:
    points, scores = teachers.read_movenet(movenet_rows(), mirrored=False)
    for name in set(JOINTS) & set(COCO_17.joints):
        i = COCO_17.joints.index(name)
        assert points[JOINTS.index(name)] == pytest.approx([256 * i / 64, 256 * i / 32])
        assert scores[JOINTS.index(name)] == pytest.approx(i / 20)


def test_movenet_does_not_predict_the_ends_of_the_head() -> None:
    _, scores = teachers.read_movenet(np.ones((17, 3), np.float32), mirrored=False)
    assert scores[at("head_bottom", "head_top")].tolist() == [0, 0]
    assert scores.sum() == 13


def test_a_mirrored_view_is_mirrored_back_with_left_and_right_swapped() -> None:
    rows = movenet_rows()
    mirrored = rows[list(COCO_17.flip_order)].copy()  # the same person, mirrored
    mirrored[:, 1] = 1 - mirrored[:, 1]
    known = KNOWN
    straight = teachers.read_movenet(rows, mirrored=False)
    back = teachers.read_movenet(mirrored, mirrored=True)
    np.testing.assert_allclose(back[0][known], straight[0][known], atol=1e-4)
    np.testing.assert_allclose(back[1], straight[1])


def test_reading_does_not_change_the_networks_output() -> None:
    rows = movenet_rows()
    teachers.read_movenet(rows, mirrored=True)
    assert np.array_equal(rows, movenet_rows())


def test_views_are_averaged_and_the_furthest_one_gives_the_spread() -> None:
    points = np.zeros((3, 15, 2), np.float32)
    points[:, 4] = [[0, 0], [0, 0], [9, 12]]  # mean (3, 4), the last view 10 away from it
    scores = np.array([0.2, 0.4, 0.9], np.float32)[:, None].repeat(15, 1)
    average = teachers.average_views(points, scores)
    assert average.points[4].tolist() == [3, 4]
    assert average.spread[4] == pytest.approx(10)
    assert average.spread[5] == 0
    assert average.scores[0] == pytest.approx(0.5)


# --- trust ---------------------------------------------------------------------------------


def trust(tinypose: TeacherPose, movenet: TeacherPose, height: float = HEIGHT) -> Float32:
    """The trust (J,) in the joints of a person of the frame."""
    return label_rules.joint_trust(label_rules.consensus(tinypose, movenet, height), FRAME, height)


def test_joints_on_which_both_teachers_agree_are_tinyposes_and_fully_trusted() -> None:
    pose = label_rules.consensus(predicted(), predicted(spread_out() + np.float32(3)), HEIGHT)
    assert (pose.trust[KNOWN] == 1).all()
    assert pose.agreed[KNOWN].all()
    np.testing.assert_array_equal(pose.points, spread_out())


def test_the_ends_of_the_head_get_no_label() -> None:
    assert trust(predicted(), predicted())[at("head_bottom", "head_top")].tolist() == [0, 0]


@pytest.mark.parametrize(("score", "expected"), [(0.8, 0.7 * 0.8), (0.59, 0)])
def test_where_they_differ_tinypose_counts_if_it_is_sure(score: float, expected: float) -> None:
    moved = spread_out()
    moved[at("left_knee")] += [0, FAR]
    values = trust(predicted(score=score), predicted(moved))
    assert values[at("left_knee")] == pytest.approx([expected])
    assert values[at("right_knee")].tolist() == [1]


def test_agreement_is_measured_against_the_height_of_the_person() -> None:
    moved = predicted(spread_out() + np.float32(4))
    assert (trust(predicted(), moved)[KNOWN] == 1).all()
    assert not (trust(predicted(), moved, HEIGHT / 10)[KNOWN] == 1).any()


def test_tinyposes_views_must_agree_and_movenet_must_have_a_score() -> None:
    tinypose, movenet = predicted(score=0.5), predicted()
    tinypose.spread[at("left_hip")] = FAR
    movenet.scores[at("nose")] = 0.1
    values = trust(tinypose, movenet)
    assert np.flatnonzero((values == 0) & KNOWN).tolist() == sorted(at("nose", "left_hip"))


def test_a_joint_outside_the_frame_is_dropped() -> None:
    points = spread_out()
    points[at("left_wrist")] = [-1, 50]
    points[at("right_wrist")] = [50, 400]  # the last row is 399
    values = trust(predicted(points), predicted(points))
    assert np.flatnonzero((values == 0) & KNOWN).tolist() == sorted(at("left_wrist", "right_wrist"))


@pytest.mark.parametrize("joint", ["elbow", "wrist", "knee", "ankle"])
def test_coinciding_left_and_right_joints_need_both_teachers(joint: str) -> None:
    points, elsewhere = spread_out(), spread_out() + np.float32(FAR)
    twins = at(f"left_{joint}", f"right_{joint}")
    points[twins[0]] = points[twins[1]] + [0.02 * HEIGHT, 0]
    assert trust(predicted(points), predicted(points))[twins].tolist() == [1, 1]
    alone = trust(predicted(points), predicted(elsewhere))
    assert np.flatnonzero((alone == 0) & KNOWN).tolist() == sorted(twins)


def test_hips_and_shoulders_may_coincide_as_they_do_from_the_side() -> None:
    points, elsewhere = spread_out(), spread_out() + np.float32(FAR)
    for joint in ("hip", "shoulder"):
        points[at(f"left_{joint}")] = points[at(f"right_{joint}")]
    assert (trust(predicted(points), predicted(elsewhere))[KNOWN] > 0).all()


def test_two_boxes_with_one_persons_joints_are_both_dropped() -> None:
    first, second, other = label(track=1), label(track=2), label(track=3, points=spread_out() + 60)
    assert label_rules.keep_distinct([first, second, other]) == [other]


def test_a_still_person_is_labelled_again_only_after_a_gap() -> None:
    last: dict[int, Label] = {}
    labelled = [label_rules.drop_still([label(frame=i)], last, gap=9) for i in range(0, 21, 3)]
    assert [len(labels) for labels in labelled] == [1, 0, 0, 1, 0, 0, 1]


def test_a_moving_person_is_labelled_every_time() -> None:
    last: dict[int, Label] = {}
    one_arm = spread_out()
    one_arm[at("left_elbow", "left_wrist")] += 0.1 * HEIGHT
    assert label_rules.drop_still([label(0), label(0, track=2)], last, gap=9)
    assert label_rules.drop_still([label(3, points=one_arm), label(3, track=2)], last, gap=9) == [
        last[1]
    ]


# --- tracks and ranges ----------------------------------------------------------------------


def test_short_tracks_and_small_people_are_left_out() -> None:
    people = [[tracked(1), tracked(2, height=79)] + [tracked(3)] * (i < 19) for i in range(20)]
    labelled = label_rules.good_tracks(people)
    assert all([person.track for person in frame] == [1] for frame in labelled)


def test_the_range_with_the_largest_sum_is_chosen() -> None:
    assert label_rules.best_range([0, 1, 2, 2, 0], 2) == range(2, 4)
    assert label_rules.best_range([0, 1, 2], 10) == range(3)


def test_a_moving_person_counts_more_than_several_still_ones() -> None:
    still = label_rules.motion([[tracked(1), tracked(2)], [tracked(1), tracked(2)]])
    moving = label_rules.motion([[tracked(1)], [tracked(1, left=50 + 0.05 * HEIGHT)]])
    assert still == pytest.approx([0.2, 0.2])
    assert moving == pytest.approx([0.1, 1.1])


# --- PoseTrack18's layout -------------------------------------------------------------------


def test_keypoints_have_17_joints_by_name_and_zeros_without_a_label() -> None:
    person = label()
    person.trust[at("left_wrist")] = 0
    rows = np.array(label_rules.flat_keypoints(person)).reshape(17, 3)
    for row, name in zip(rows, POSETRACK_17.joints, strict=True):
        expected = [0, 0, 0]
        if name in JOINTS and name != "left_wrist":
            expected = [*spread_out()[JOINTS.index(name)], 1]
        assert row.tolist() == expected, name


def test_scaling_respects_pixel_centres() -> None:
    points = np.full((15, 2), 0.5, np.float32)  # the corner shared by the first four pixels
    half = label(points=points).scaled(0.5)
    assert half.points[0].tolist() == [0, 0]  # the centre of the one pixel they become
    assert half.person.box.tolist() == [25, 20, 75, 120]


def test_the_head_box_lies_around_the_labelled_head() -> None:
    person = label()
    x, y, width, height = label_rules.head_box(person)
    centre = spread_out()[at("nose", "head_bottom", "head_top")].mean(0)
    assert [x + width / 2, y + height / 2] == pytest.approx(centre.tolist(), abs=0.02)
    assert (width, height) == (0.13 * HEIGHT, 0.13 * HEIGHT)
    person.trust[at("nose", "head_bottom", "head_top")] = 0
    assert label_rules.head_box(person) == pytest.approx([100 - width / 2, 40, width, height])


def test_people_without_labels_become_ignore_regions_of_labelled_frames() -> None:
    everyone = [[], [tracked(1), tracked(2, left=10)], [tracked(2)]]
    boxes = label_clips.left_out(everyone, range(1, 3), [label(frame=0, track=1)], scale=0.5)
    assert list(boxes) == [0]
    assert np.array(boxes[0]).tolist() == [[5, 20, 55, 120]]


def test_the_file_is_what_our_reader_of_posetrack18_reads(tmp_path: Path) -> None:
    second = label(frame=3, track=7)
    second.trust[at("nose", "left_hip")] = 0, 0.4
    ignored = {3: [np.array([1, 2, 30, 40], np.float32)]}
    content = label_rules.posetrack18("walk", 5, 4, [label(), second], ignored)
    path = tmp_path / "walk.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    first, other = read_records("posetrack18", path, POSETRACK_15, tmp_path)
    assert [frame.name for frame in first.frames] == [f"{i:06d}.jpg" for i in range(4)]
    assert (first.current, other.current, other.name) == (0, 3, "walk/000003#7")
    assert first.box == (50, 40, 150, 240)
    np.testing.assert_allclose(first.keypoints, spread_out())
    assert np.flatnonzero(other.visible == 0).tolist() == at("nose")
    assert other.visible[at("left_hip", "left_knee")].tolist() == pytest.approx([0.4, 1])


def test_ids_are_unique_and_only_frames_with_labels_count_as_labelled() -> None:
    labels = [label(0, 1), label(0, 2), label(2, 1)]
    content = label_rules.posetrack18(
        "walk", 5, 3, labels, {0: [np.array([1, 2, 3, 4], np.float32)]}
    )
    assert [image["is_labeled"] for image in content["images"]] == [True, False, True]
    assert len({person["id"] for person in content["annotations"]}) == 3
    image = content["images"][0]
    assert image["id"] == image["frame_id"] == 10_000_050_000
    assert (image["ignore_regions_x"], image["ignore_regions_y"]) == (
        [[1, 3, 3, 1]],
        [[2, 2, 4, 4]],
    )
    assert content["categories"][0]["keypoints"] == list(POSETRACK_17.joints)


def test_written_images_are_rgb_and_scaled(tmp_path: Path) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 0] = 255  # red
    label_clips.write_image(tmp_path / "a.jpg", image, 0.5)
    stored = cv2.imread(str(tmp_path / "a.jpg"))
    assert stored.shape == (20, 30, 3)
    assert stored[..., 2].min() > 240  # OpenCV reads BGR
    assert stored[..., :2].max() < 15
