"""Tracks whose joints nobody sees, and tracks that double another, are left out, and told."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.tracking.evidence import person_scores
from tarvitpose.tracking.ghosts import CLEAR, HELD, GhostFilter, pose_widths

J = len(POSETRACK_15)
SHAPE = np.random.default_rng(0).random((J, 2)) * [40, 100]  # a pose in a box of 40 x 100
Person = tuple[int, float, float]  # track, score of every joint, left edge


def frame(index: int, *people: Person, rate: float = 25.0, box_score: float = 0.9) -> FramePoses:
    lefts = np.array([left for _, _, left in people], np.float32)
    corner = np.stack([lefts, np.zeros_like(lefts)], 1) if people else np.zeros((0, 2), np.float32)
    return FramePoses(
        index=index,
        time=index / rate,
        image_size=(100, 400),
        keypoints=np.asarray(corner[:, None] + SHAPE, np.float32).reshape(-1, J, 2),
        scores=np.repeat(np.float32([[score] for _, score, _ in people]), J, -1).reshape(-1, J),
        boxes=np.concatenate([corner, corner + np.float32([40, 100])], 1),
        box_scores=np.full(len(people), box_score, np.float32),
        track_ids=np.array([track for track, _, _ in people], np.int64),
        joint_names=POSETRACK_15.joints,
    )


def post(index: int, *, wide: float, box_score: float = 0.5) -> FramePoses:
    """Return a frame with track 6, whose joints are as high as those of the other side.

    One pair is apart, by that many heights of the pose.
    """
    poses = frame(index, (6, 0.9, 0), box_score=box_score)
    heights = SHAPE[:, 1] + SHAPE[list(POSETRACK_15.flip_order), 1]
    points = np.stack([np.zeros(J), heights], 1)
    points[POSETRACK_15.joints.index("left_ankle"), 0] = wide * np.ptp(heights)
    return replace(poses, keypoints=points[None].astype(np.float32))


def shown(frames: Iterable[FramePoses], ghosts: GhostFilter[int]) -> list[list[int]]:
    pairs = list(ghosts.without_ghosts((poses.index, poses) for poses in frames))
    assert [item for item, _ in pairs] == [poses.index for _, poses in pairs]
    assert [item for item, _ in pairs] == list(range(len(pairs)))
    return [poses.track_ids.tolist() for _, poses in pairs]


def test_who_is_not_seen_is_left_out_of_all_frames_and_named() -> None:
    ghosts = GhostFilter[int](0.35, is_live=False)
    frames = [frame(i, (1, 0.8, 0), (2, 0.15, 200)) for i in range(40)]
    assert shown(frames, ghosts) == [[1]] * 40
    (line,) = ghosts.warnings()
    assert line == ("1 track in which no joints are seen left out (2); --keep-all keeps all")


def test_boxes_of_ghosts_are_left_out_and_not_forgotten() -> None:
    ghosts = GhostFilter[int](0.35, is_live=False)
    frames = [frame(i, (1, 0.8, 0), (2, 0.15, 200)) for i in range(20)]
    for _, poses in ghosts.without_ghosts(enumerate(frames)):
        assert poses.left_out is not None
        assert poses.left_out.tolist() == [[200, 0, 240, 100]]


def test_a_frame_in_which_nobody_is_left_stays() -> None:
    assert shown([frame(i, (7, 0.1, 0)) for i in range(3)], GhostFilter(0.35, is_live=False)) == [
        [],
        [],
        [],
    ]


def test_without_a_threshold_everybody_stays() -> None:
    ghosts = GhostFilter[int](0.0, is_live=False)
    assert shown([frame(i, (1, 0.0, 0), (2, 0.0, 0)) for i in range(3)], ghosts) == [[1, 2]] * 3
    assert not list(ghosts.warnings())


def test_half_hidden_people_stay_and_shadows_do_not() -> None:
    def tracks(score: float) -> GhostFilter[int]:
        frames = [frame(i, (4, score, 0), box_score=0.3) for i in range(40)]
        ghosts = GhostFilter[int](0.35, is_live=False)
        assert shown(frames, ghosts) == [[4] if score > 0.6 else []] * 40
        return ghosts

    assert not list(tracks(0.9).warnings())  # a box of 0.3, but every joint is seen
    assert list(tracks(0.5).warnings()) == [
        "1 track of doubtful boxes and joints left out (4); --keep-all keeps all"
    ]


def test_who_was_surely_detected_stays_when_boxes_become_doubtful() -> None:
    frames = [frame(i, (4, 0.6, 0), box_score=0.8 if i < 40 else 0.2) for i in range(90)]
    assert shown(frames, GhostFilter(0.35, is_live=False)) == [[4]] * 90


def test_nobody_looks_closer_at_who_had_sure_boxes_for_a_while() -> None:
    def look(item: int, box: np.ndarray) -> float:
        raise AssertionError(f"looked at frame {item}")

    frames = [post(i, wide=0.05, box_score=0.6 if i < 15 else 0.42) for i in range(80)]
    assert shown(frames, GhostFilter(0.35, is_live=False, look=look)) == [[6]] * 80


@pytest.mark.parametrize(
    ("look", "wide", "box_score", "is_thing"),
    [
        (0.2, 0.05, 0.5, True),
        (0.2, 0.3, 0.5, False),
        (0.7, 0.05, 0.5, False),
        (0.2, 0.05, 0.7, False),
        (None, 0.05, 0.5, False),
    ],
)
def test_narrow_and_doubtful_things_go_unless_closer_looks_confirm_them(
    look: float | None, wide: float, box_score: float, *, is_thing: bool
) -> None:
    looks: list[int] = []

    def look_closer(item: int, box: np.ndarray) -> float | None:
        assert box.tolist() == [0, 0, 40, 100]
        looks.append(item)
        return look

    frames = [post(i, wide=wide, box_score=box_score) for i in range(40)]
    ghosts = GhostFilter[int](0.35, is_live=False, look=look_closer)
    assert shown(frames, ghosts) == [[] if is_thing else [6]] * 40
    warning = "1 track that closer looks do not confirm left out (6); --keep-all keeps all"
    assert list(ghosts.warnings()) == [warning] * is_thing
    assert ghosts.is_thing(6) == is_thing
    every_look = [0, 1, 3, 7, 15, 31]  # frames 1, 2, 4 and so on of a track
    assert looks == ([] if box_score == 0.7 else every_look[:1] if look == 0.7 else every_look)


def test_a_thing_is_told_after_three_closer_looks() -> None:
    ghosts = GhostFilter[int](0.35, is_live=True, look=lambda *_: 0.2)
    are_things = []
    for index in range(6):
        list(ghosts.take(index, post(index, wide=0.05)))
        are_things.append(ghosts.is_thing(6))
    assert are_things == [False] * 3 + [True] * 3
    assert not ghosts.is_thing(7)  # who is not known


def test_a_file_waits_for_more_than_one_closer_look() -> None:
    frames = [post(i, wide=0.05) for i in range(40)]

    def ids(*, is_live: bool) -> list[list[int]]:
        looks = iter([0.2, 0.7])
        ghosts = GhostFilter[int](0.35, is_live=is_live, look=lambda *_: next(looks, None))
        return shown(frames, ghosts)

    assert ids(is_live=False) == [[6]] * 40
    assert ids(is_live=True) == [[]] + [[6]] * 39


@pytest.mark.parametrize("is_live", [True, False])
def test_faint_boxes_show_somebody_only_where_joints_are_sure(is_live: bool) -> None:
    def tracks(joints: float, box: float) -> list[list[int]]:
        ghosts = GhostFilter[int](0.4, is_live=is_live, faint_below=0.2)
        frames = [frame(i, (1, 0.9, 0)) for i in range(10)]
        return shown([*frames, frame(10, (1, joints, 0), box_score=box)], ghosts)[10:]

    assert tracks(0.71, 0.1) == [[1]]  # halfway from 0.4 to 1
    assert tracks(0.71, 0.0) == [[1]]  # no box at all
    assert tracks(0.69, 0.0) == [[]]
    assert tracks(0.69, 0.1) == [[]]
    assert tracks(0.41, 0.2) == [[1]]


def test_faint_boxes_are_no_evidence_against_somebody() -> None:
    ghosts = GhostFilter[int](0.35, is_live=True, faint_below=0.2)
    frames = [frame(i, (1, 0.9, 0), box_score=0.1 if i % 4 else 0.24) for i in range(60)]
    assert shown(frames, ghosts) == [[1]] * 60
    looks = []
    ghosts = GhostFilter(0.35, is_live=True, look=lambda *_: looks.append(1), faint_below=0.2)
    shown(frames, ghosts)
    assert len(looks) == 4  # in frames 1, 2, 4 and 8 of the others


def test_who_starts_in_doubtful_boxes_is_shown_in_faint_ones_where_joints_are_sure() -> None:
    scores = [0.3, 0.1, 0.1, 0.24, 0.1, 0.1, 0.1]
    frames = [frame(i, (1, 0.9, 0), box_score=score) for i, score in enumerate(scores)]
    ghosts = GhostFilter[int](0.35, is_live=False, faint_below=0.2)
    assert shown(frames, ghosts) == [[1]] * 7
    frames = [frame(i, (1, 0.5, 0), box_score=score) for i, score in enumerate(scores)]
    ghosts = GhostFilter[int](0.35, is_live=False, faint_below=0.2)
    assert shown(frames, ghosts) == [[]] * 7


@pytest.mark.parametrize(
    ("look", "box_score", "goes_on"), [(0.2, 0.3, False), (0.4, 0.3, True), (0.2, 0.4, True)]
)
def test_what_closer_looks_do_not_surely_confirm_is_not_shown_in_faint_boxes(
    look: float, box_score: float, *, goes_on: bool
) -> None:
    ghosts = GhostFilter[int](0.35, is_live=False, look=lambda *_: look, faint_below=0.2)
    frames = [post(i, wide=0.25, box_score=0.1 if i > 20 else box_score) for i in range(30)]
    assert shown(frames, ghosts) == [[6]] * 21 + [[6] if goes_on else []] * 9


def test_someone_hidden_for_a_while_stays() -> None:
    frames = [frame(i, (1, 0.8 if i < 50 else 0.1, 0)) for i in range(80)]
    assert shown(frames, GhostFilter(0.35, is_live=False)) == [[1]] * 80


def test_who_steps_out_is_seen_within_a_second() -> None:
    frames = [frame(i, (2, 0.1 if i < 100 else 0.8, 200)) for i in range(160)]
    ids = shown(frames, GhostFilter(0.35, is_live=True))
    first = ids.index([2])
    assert ids == [[]] * first + [[2]] * (160 - first)
    assert 100 < first <= 125


def test_in_a_file_what_follows_decides_about_who_is_new() -> None:
    scores = [0.2] * 5 + [0.8] * 30
    frames = [frame(i, (3, score, 0)) for i, score in enumerate(scores)]
    assert shown(frames, GhostFilter(0.35, is_live=False)) == [[3]] * 35
    assert shown(frames, GhostFilter(0.35, is_live=True))[:5] == [[]] * 5
    hidden = [frame(i, (3, max(score - 0.15, 0.05), 0)) for i, score in enumerate(scores)]
    until = shown(hidden, GhostFilter(0.35, is_live=False)).index([3])
    assert CLEAR - 1 <= until <= 5  # clearly nobody is not waited for, and shown once seen


def test_of_two_tracks_with_one_pose_the_one_of_less_evidence_goes() -> None:
    ghosts = GhostFilter[int](0.35, is_live=False)
    frames = [frame(i, (1, 0.8, 0), *[(2, 0.7, 1)] * (i > 20)) for i in range(60)]
    assert shown(frames, ghosts) == [[1]] * 60
    assert list(ghosts.warnings()) == [
        "1 track with the pose of somebody else left out (2); --keep-all keeps all"
    ]


def test_two_people_side_by_side_both_stay() -> None:
    frames = [frame(i, (1, 0.8, 0), (2, 0.8, 25)) for i in range(30)]
    assert shown(frames, GhostFilter(0.35, is_live=False)) == [[1, 2]] * 30


def test_people_who_pass_in_one_pose_for_a_moment_both_stay() -> None:
    frames = [frame(i, (1, 0.8, 4.0 * i), (2, 0.8, 240 - 4.0 * i)) for i in range(60)]
    assert shown(frames, GhostFilter(0.35, is_live=False)) == [[1, 2]] * 60


@pytest.mark.parametrize(
    ("score", "left", "is_live", "longest"),
    [
        (0.8, 200, True, 1),
        (0.36, 200, False, HELD + 1),  # might fall below 0.35 yet
        (0.8, 1, False, HELD + 1),  # doubles the first
        (0.8, 20, False, CLEAR),  # of another pose
        (0.6, 200, False, HELD + 1),  # seen well, not clearly
        (0.12, 200, False, HELD + 1),  # hardly seen
        (0.11, 200, False, CLEAR),  # clearly nobody
        (0.8, 200, False, CLEAR),
    ],
)
def test_frames_wait_only_for_who_is_new_and_unsure_and_never_live(
    *, score: float, left: float, is_live: bool, longest: int
) -> None:
    read, waiting = 0, []

    def frames() -> Iterator[tuple[int, FramePoses]]:
        nonlocal read
        for index in range(60):
            read += 1
            yield index, frame(index, (1, 0.8, 0), *[(2, score, left)] * (index >= 30))

    for index, _ in GhostFilter[int](0.35, is_live=is_live).without_ghosts(frames()):
        waiting.append(read - index)
    assert max(waiting[20:]) == longest
    assert waiting[20] == 1  # nobody is new


@pytest.mark.parametrize(
    ("look", "score", "box_score", "waits"),
    [
        (0.41, 0.83, 0.46, False),  # somebody seen from the side, whose left and right coincide
        (0.36, 0.83, 0.46, True),  # might be a pole
        (None, 0.83, 0.46, False),  # too small to look closer
        (0.41, 0.69, 0.46, True),  # joints are not clear
        (0.41, 0.83, 0.37, True),  # box and joints are not
    ],
)
def test_two_closer_looks_that_say_the_same_end_the_waiting(
    look: float | None, score: float, box_score: float, *, waits: bool
) -> None:
    ghosts, read = GhostFilter[int](0.35, is_live=False, look=lambda *_: look), 0
    for index in range(40):
        poses = post(index, wide=0.0, box_score=box_score)
        poses = replace(poses, scores=np.full_like(poses.scores, score))
        read += 1
        if list(ghosts.take(index, poses)):
            break
    assert read == (HELD + 1 if waits else CLEAR)


@pytest.mark.parametrize("box_score", [0.9, 0.3])
def test_who_is_sure_early_would_have_stayed_had_the_frames_waited(
    box_score: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    videos = []
    for level in np.linspace(0.2, 0.9, 15):
        scores = np.clip(level + rng.normal(0, 0.2, 40), 0, 1).tolist()
        is_there = rng.random(40) < 0.9
        videos.append(
            [
                frame(i, *[(1, score, 0.0)] * bool(is_there[i]), box_score=box_score)
                for i, score in enumerate(scores)
            ]
        )
    for wide in np.linspace(1, 30, 15):  # pixels between two people, who come closer now and then
        lefts = wide * rng.random(40).cumsum() / np.arange(1, 41)
        videos.append(
            [frame(i, (1, 0.8, 0.0), (2, 0.7, left), rate=12) for i, left in enumerate(lefts)]
        )
    lefts = [20.0] * 9 + [0.0] * 30  # one pose later, when the first frames are out of sight
    videos.append([frame(i, (1, 0.8, 0), (2, 0.7, x), rate=12) for i, x in enumerate(lefts)])
    early = [shown(frames, GhostFilter(0.35, is_live=False)) for frames in videos]
    monkeypatch.setattr(GhostFilter, "_is_clear", lambda *_: False)
    assert early == [shown(frames, GhostFilter(0.35, is_live=False)) for frames in videos]
    assert not any(early[0])
    assert any(early[14])
    assert early[15][0] != early[29][0]


def test_the_widest_pair_says_how_wide_a_pose_is() -> None:
    wide = post(0, wide=0.1)
    assert pose_widths(wide).tolist() == pytest.approx([0.1])
    wide.scores[0, POSETRACK_15.joints.index("right_ankle")] = 0.29  # as the arms of a pole
    assert pose_widths(wide).tolist() == [0]
    unknown = replace(post(0, wide=0.0), joint_names=tuple("abcdefghijklmno"))
    assert pose_widths(unknown).tolist() == [1]


def test_half_of_the_joints_are_enough() -> None:
    at_a_desk = np.array([[0.9] * 8 + [0.0] * 7], np.float32)
    assert person_scores(at_a_desk).tolist() == pytest.approx([0.9])
