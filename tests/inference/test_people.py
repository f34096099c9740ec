"""Who is in each frame, where only every Nth is looked at."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from tarvitpose.config import DetEvery, TrackerName
from tarvitpose.detection import Detections
from tarvitpose.inference.detection_schedule import is_as_expected
from tarvitpose.inference.person_tracker import PersonTracker
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.tracking.track import Carried

IMAGE = np.zeros((100, 200, 3), np.uint8)


class Scene:
    """Finds the boxes that a frame has, and remembers which frames it was asked about."""

    def __init__(self, boxes: dict[int, Sequence[Sequence[float]]]) -> None:
        self.boxes = boxes
        self.asked: list[int] = []

    def detect(self, frame: Frame) -> Detections:
        self.asked.append(frame.index)
        boxes = np.array(self.boxes.get(frame.index, []), np.float32).reshape(-1, 4)
        return Detections(boxes, np.linspace(0.9, 0.8, len(boxes), dtype=np.float32))


def find(
    scene: Scene, indices: Sequence[int], every: DetEvery, *, is_live: bool = False
) -> list[TrackedFrame]:
    finder = PersonTracker(
        scene, start_threshold=0.0, max_people=None, every=every, is_live=is_live
    )
    return list(finder.find(Frame(index, index / 25, IMAGE) for index in indices))


def walk(left: float) -> list[float]:
    return [left, 10, left + 40, 90]


def test_boxes_lie_between_the_two_detections_around() -> None:
    scene = Scene({0: [walk(0)], 4: [walk(8)]})
    frames = find(scene, range(5), 4)
    assert scene.asked == [0, 4]
    assert [tracked.boxes[0].tolist() for tracked in frames] == [
        walk(2 * index) for index in range(5)
    ]
    assert [tracked.track_ids.tolist() for tracked in frames] == [[1]] * 5
    assert [tracked.frame.index for tracked in frames] == list(range(5))


def test_who_comes_is_seen_from_the_detection_on_and_who_left_until_then() -> None:
    other = [150, 20, 190, 80]
    frames = find(Scene({0: [walk(0)], 3: [other]}), range(6), 3)
    assert [tracked.track_ids.tolist() for tracked in frames] == [[1], [1], [1], [2], [2], [2]]
    assert frames[2].boxes[0].tolist() == walk(0)  # nothing says that the person moved


def test_a_live_source_carries_boxes_on_and_holds_no_frame_back() -> None:
    read = []

    def frames() -> Iterator[Frame]:
        for index in range(8):
            read.append(index)
            yield Frame(index, index / 25, IMAGE)

    scene = Scene({0: [walk(0)], 4: [walk(8)]})
    finder = PersonTracker(scene, start_threshold=0.0, max_people=None, every=4, is_live=True)
    tracked_frames = []
    for tracked in finder.find(frames()):
        tracked_frames.append(tracked)
        assert read == list(range(len(tracked_frames)))
    lefts = [float(tracked.boxes[0, 0]) for tracked in tracked_frames]
    assert lefts[:4] == [0] * 4
    assert lefts[4] == 8
    assert 8 < lefts[5] < lefts[6] < lefts[7]


def test_frames_that_were_dropped_count() -> None:
    scene = Scene({index: [walk(0)] for index in range(20)})
    find(scene, [0, 3, 5, 6, 11, 12, 17], every=5, is_live=True)
    assert scene.asked == [0, 5, 11, 17]


@pytest.mark.parametrize("is_live", [True, False])
def test_every_frame_is_looked_at_unless_told_otherwise(is_live: bool) -> None:
    scene = Scene({2: [walk(4)]})
    frames = find(scene, range(4), 1, is_live=is_live)
    assert scene.asked == [0, 1, 2, 3]
    assert [len(tracked.boxes) for tracked in frames] == [0, 0, 1, 0]


def test_auto_looks_less_often_while_nothing_changes_but_five_times_a_second() -> None:
    scene = Scene({index: [walk(0)] for index in range(30)})
    frames = find(scene, range(30), "auto")
    assert scene.asked == [0, 1, 3, 7, 12, 17, 22, 27]
    assert [tracked.boxes[0].tolist() for tracked in frames] == [walk(0)] * 30


def test_auto_looks_at_once_where_somebody_came_jumped_or_left() -> None:
    other = [150.0, 20, 190, 80]
    boxes = {index: [walk(0)] for index in range(30)}
    boxes |= {index: [walk(0), other] for index in range(9, 14)}
    boxes |= {index: [walk(30)] for index in range(20, 30)}
    scene = Scene(boxes)
    find(scene, range(26), "auto")
    assert scene.asked[:8] == [0, 1, 3, 7, 12, 13, 15, 16]  # who came at 9 and left at 14
    assert {22, 23} <= {*scene.asked}  # the jump at 20 is seen within five frames


@pytest.mark.parametrize(
    ("box", "score", "track", "expected"),
    [
        (walk(0), 0.9, 1, True),
        (walk(2), 0.9, 1, True),
        (walk(4), 0.9, 1, False),
        (walk(0), 0.45, 1, False),
        (walk(0), 0.9, 2, False),
    ],
)
def test_a_person_is_as_expected_in_place_surely_and_by_number(
    box: list[float], score: float, track: int, expected: bool
) -> None:
    now = TrackedFrame(
        Frame(3, 0.1, IMAGE), np.float32([box]), np.float32([score]), np.array([track])
    )
    before = Carried(np.float32([walk(0)]), np.float32([0.9]), np.array([1]))
    assert is_as_expected(now, before) == expected


def test_who_was_carried_out_of_the_frame_is_gone() -> None:
    boxes = {0: [walk(100)], 1: [walk(115)], 2: [walk(130)]}
    frames = find(Scene(boxes), [0, 1, 2], 1)
    assert [len(tracked.boxes) for tracked in frames] == [1, 1, 1]
    finder = PersonTracker(
        Scene(boxes), start_threshold=0.0, max_people=None, every=1, is_live=True
    )
    list(finder.find(Frame(index, index / 25, IMAGE) for index in range(3)))
    later = [finder._carried(Frame(index, index / 25, IMAGE)) for index in (3, 14)]
    assert [len(tracked.boxes) for tracked in later] == [1, 0]


def finder(boxes: dict[int, Sequence[Sequence[float]]], chosen: Sequence[int]) -> PersonTracker:
    return PersonTracker(
        Scene(boxes),
        start_threshold=0.0,
        max_people=None,
        every=2,
        is_live=False,
        chosen=chosen,
    )


def test_only_the_chosen_are_given_with_the_numbers_that_all_have() -> None:
    boxes = {index: [walk(index), walk(100), walk(60 + index)] for index in range(0, 7, 2)}
    frames = [Frame(index, index / 25, IMAGE) for index in range(7)]
    everybody = list(finder(boxes, []).find(frames))
    chosen_only = finder(boxes, [1, 3])
    for all_of_them, tracked in zip(everybody, chosen_only.find(frames), strict=True):
        chosen = np.isin(all_of_them.track_ids, [1, 3])
        assert tracked.track_ids.tolist() == all_of_them.track_ids[chosen].tolist() == [1, 3]
        assert np.array_equal(tracked.boxes, all_of_them.boxes[chosen])
        assert np.array_equal(tracked.scores, all_of_them.scores[chosen])
    assert list(chosen_only.warnings()) == []


@pytest.mark.parametrize(
    ("people", "expected"),
    [(2, "--person 7, 9: never seen; the tracks of this video are: 1, 2"), (0, "are: nobody")],
)
def test_who_was_chosen_and_never_seen_is_named_beside_who_was(people: int, expected: str) -> None:
    boxes = {0: [walk(0), walk(100)][:people]}
    unmet = finder(boxes, [9, 2, 7] if people else [1])
    list(unmet.find([Frame(0, 0.0, IMAGE)]))
    (warning,) = unmet.warnings()
    assert warning.endswith(expected)


class Tracked(Scene):
    """Knows who is who: the box on the left is always 70, the other 0."""

    warnings = ("two cameras",)

    def detect(self, frame: Frame) -> Detections:
        detections = super().detect(frame)
        ids = np.where(detections.boxes[:, 0] < 80, 70, 0)
        return Detections(detections.boxes, detections.scores, ids)


def test_a_detector_that_knows_who_is_who_is_believed() -> None:
    scene = Tracked({0: [walk(0), walk(100)], 4: [walk(108), walk(8)], 8: [walk(116)]})
    finder = PersonTracker(scene, start_threshold=0.99, max_people=None, every=4, is_live=False)
    tracked_frames = list(finder.find(Frame(index, index / 25, IMAGE) for index in range(9)))
    assert [sorted(tracked.track_ids.tolist()) for tracked in tracked_frames] == [[0, 70]] * 8 + [
        [0]
    ]
    lefts = [tracked.boxes[tracked.track_ids == 70][0, 0] for tracked in tracked_frames[:5]]
    assert lefts == [0, 2, 4, 6, 8]  # interpolated between two detections of the same number
    assert list(finder.warnings()) == ["two cameras"]


def test_live_boxes_of_known_tracks_are_carried_on() -> None:
    scene = Tracked({0: [walk(0)], 4: [walk(8)]})
    tracked_frames = find(scene, range(8), 4, is_live=True)
    assert [tracked.track_ids.tolist() for tracked in tracked_frames] == [[70]] * 8
    lefts = [float(tracked.boxes[0, 0]) for tracked in tracked_frames]
    assert 8 == lefts[4] < lefts[5] < lefts[6] < lefts[7]


def test_bytetrack_looks_at_every_nth_frame_like_the_built_in_tracker() -> None:
    pytest.importorskip("trackers", reason="the optional package trackers is not installed")
    scene = Scene({index: [walk(index)] for index in range(0, 21, 4)})
    looked = PersonTracker(
        scene, start_threshold=0.4, max_people=None, every=4, is_live=False, tracker="bytetrack"
    )
    tracked_frames = list(looked.find(Frame(index, index / 25, IMAGE) for index in range(21)))
    assert scene.asked == list(range(0, 21, 4))
    assert [tracked.track_ids.tolist() for tracked in tracked_frames] == [[]] * 4 + [[1]] * 17
    assert [float(tracked.boxes[0, 0]) for tracked in tracked_frames[4:]] == list(range(4, 21))


def test_whoever_is_detected_and_not_followed_is_left_out_and_not_forgotten() -> None:
    boxes = [walk(0), [100, 10, 140, 90], [150, 20, 190, 80]]
    scene = Scene({0: boxes, 2: boxes})
    finder = PersonTracker(scene, start_threshold=0.84, max_people=2, every=2, is_live=False)
    for tracked in finder.find(Frame(index, index / 25, IMAGE) for index in range(4)):
        assert tracked.track_ids.tolist() == [1, 2]
        assert tracked.left_out is not None
        assert tracked.left_out.tolist() == [boxes[2]]  # more than max_people
    finder = PersonTracker(
        scene, start_threshold=0.84, max_people=None, every=2, is_live=False, chosen=[2]
    )
    for tracked in finder.find(Frame(index, index / 25, IMAGE) for index in range(4)):
        assert tracked.track_ids.tolist() == [2]
        assert tracked.left_out is not None
        assert sorted(tracked.left_out.tolist()) == sorted([boxes[0], boxes[2]])


class Losing(Scene):
    """Is sure of its boxes, but for some frames in which they score 0.12."""

    def __init__(self, boxes: dict[int, Sequence[Sequence[float]]], faint: range) -> None:
        super().__init__(boxes)
        self.faint = faint

    def detect(self, frame: Frame) -> Detections:
        found = super().detect(frame)
        scores = np.full_like(found.scores, 0.12) if frame.index in self.faint else found.scores
        return Detections(found.boxes, scores)


def followed(
    scene: Scene,
    tracker: TrackerName = "body",
    *,
    is_live: bool = False,
    most: int | None = None,
    looks_on: bool = False,
    every: DetEvery = 1,
) -> list[TrackedFrame]:
    finder = PersonTracker(
        scene,
        start_threshold=0.3,
        continue_threshold=0.2,
        looks_on=looks_on,
        max_people=most,
        every=every,
        is_live=is_live,
        tracker=tracker,
    )
    return list(finder.find(Frame(index, index / 25, IMAGE) for index in range(30)))


@pytest.mark.parametrize("is_live", [True, False])
def test_whom_the_detector_nearly_loses_goes_on_and_who_is_new_does_not_begin(
    is_live: bool,
) -> None:
    other = [150, 10, 190, 90]
    boxes = {index: [walk(index), *([other] if index > 9 else [])] for index in range(30)}
    frames = followed(Losing(boxes, faint=range(10, 24)), is_live=is_live)
    assert [tracked.track_ids.tolist() for tracked in frames] == [[1]] * 24 + [[1, 2]] * 6
    assert [tracked.boxes[0].tolist() for tracked in frames] == [walk(i) for i in range(30)]
    assert {len(tracked.left_out) for tracked in frames if tracked.left_out is not None} == {0}


def test_who_leaves_is_followed_no_further() -> None:
    boxes = {index: [walk(4 * index)] for index in range(10)}
    left_behind = {index: [[150, 10, 190, 90]] for index in range(10, 30)}
    frames = followed(Losing(boxes | left_behind, faint=range(10, 30)))
    assert [len(tracked.boxes) for tracked in frames] == [1] * 10 + [0] * 20


def test_faint_boxes_of_somebody_who_has_another_are_no_second_person() -> None:
    class Twice(Scene):
        def detect(self, frame: Frame) -> Detections:
            found = super().detect(frame)
            return Detections(
                np.concatenate([found.boxes, found.boxes + 3]), np.float32([0.9, 0.12])
            )

    frames = followed(Twice({index: [walk(index)] for index in range(30)}))
    assert [tracked.track_ids.tolist() for tracked in frames] == [[1]] * 30


def test_faint_boxes_count_among_the_most_people_after_all_others() -> None:
    scene = Losing({i: [walk(0), [100, 10, 140, 90], walk(50)] for i in range(30)}, range(5, 9))
    frames = followed(scene, most=2)
    assert [len(tracked.boxes) for tracked in frames] == [2] * 30


def test_other_trackers_take_boxes_of_any_score_as_before() -> None:
    boxes = {index: [walk(0)] for index in range(30)}
    frames = followed(Losing(boxes, faint=range(5, 30)), "iou")
    assert [tracked.track_ids.tolist() for tracked in frames] == [[1]] * 30


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("is_live", [True, False])
def test_whom_the_detector_misses_for_a_moment_is_there_with_a_score_of_0(
    every: DetEvery, *, is_live: bool
) -> None:
    boxes = {index: [walk(2 * index)] for index in range(30) if not 11 < index < 16}
    frames = followed(Scene(boxes), looks_on=True, is_live=is_live, every=every)
    assert [tracked.track_ids.tolist() for tracked in frames] == [[1]] * 30
    lefts = [float(tracked.boxes[0, 0]) for tracked in frames]
    assert lefts == pytest.approx([2 * index for index in range(30)], abs=8)
    missed = [index for index, tracked in enumerate(frames) if not tracked.scores[0]]
    assert missed == [12, 13, 14, 15, *([16, 17] if every == 3 else [])]


def test_whom_the_detector_misses_for_longer_or_who_left_the_picture_is_gone() -> None:
    frames = followed(Scene({index: [walk(0)] for index in range(10)}), looks_on=True)
    assert [len(tracked.boxes) for tracked in frames] == [1] * 17 + [0] * 13  # 0.3 s at 25 a second
    scene = Scene({index: [walk(40 + 12 * index)] for index in range(13)})  # to 184 of 200 pixels
    frames = followed(scene, looks_on=True)
    assert 1 <= sum(len(tracked.boxes) for tracked in frames[13:]) <= 2


def test_who_is_missed_counts_among_the_most_people_after_all_others() -> None:
    boxes = {i: [walk(0), *([walk(60)] if i < 9 else []), walk(120)] for i in range(12)}
    frames = followed(Scene(boxes), looks_on=True, most=2)[:12]
    assert [tracked.track_ids.tolist() for tracked in frames[9:]] == [[1, 3]] * 3
