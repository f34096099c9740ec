"""Generated crossings: the scenes hold what trackers are scored on, and scores are counted."""

from pathlib import Path

import numpy as np
import pytest
from jhmdb_release import write_release

from tarvitpose.errors import DataError
from tarvitpose.geometry import box_iou
from tools import track_crossings
from tools.crossing_scenes import HEIGHT, KINDS, WIDTH, Clips, Kind, SceneFrame, scene
from tools.track_crossings import score_scene, table

MEETING, ROAMING = 0, 1  # numbers of scenes


class TinyClips(Clips):
    """Eight people, each of one colour, in front of black."""

    def __init__(self) -> None:
        super().__init__([None] * 9)  # type: ignore[list-item]

    def person(self, number: int) -> list[np.ndarray]:
        colour = 255 * (np.arange(1, 10)[number] >> np.arange(3) & 1)
        return [np.full((120, 48, 3), colour, np.uint8)] * 5

    def still(self, _number: int) -> np.ndarray:
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def test_a_scene_follows_from_its_number() -> None:
    first, again = (list(scene(TinyClips(), ROAMING)) for _ in range(2))
    assert [frame.index for frame in first] == [frame.index for frame in again]
    for frame, repeated in zip(first, again, strict=True):
        assert np.array_equal(frame.image, repeated.image)
        assert np.array_equal(frame.boxes, repeated.boxes)


def test_people_meet_and_one_hides_the_other() -> None:
    frames = [frame for frame in scene(TinyClips(), MEETING) if len(frame.true_ids) == 2]
    overlap = [box_iou(*frame.true_boxes[:, None])[0, 0] for frame in frames]
    assert max(overlap) > 0.4
    assert min(overlap) == 0


def test_most_boxes_are_of_somebody_and_most_people_have_one() -> None:
    frames = list(scene(TinyClips(), ROAMING))
    alike = [box_iou(frame.true_boxes, frame.boxes) for frame in frames if len(frame.boxes)]
    people = np.concatenate([each.max(1) for each in alike])
    boxes = np.concatenate([each.max(0) for each in alike])
    assert 0.7 < (people > 0.5).mean() < 1
    assert 0.8 < (boxes > 0.5).mean() < 1


def test_kinds_make_the_same_scene_harder() -> None:
    plain, *others = (list(scene(TinyClips(), ROAMING, kind)) for kind in KINDS)
    harder = dict(zip(KINDS[1:], others, strict=True))
    in_sight = {kind: sum(len(frame.true_ids) for frame in harder[kind]) for kind in harder}
    assert in_sight["wall"] < in_sight["alike"] == sum(len(frame.true_ids) for frame in plain)
    colours = {kind: np.unique(harder[kind][0].image // 128).size for kind in ("alike", "slow")}
    assert colours["alike"] <= colours["slow"]
    gaps = {kind: np.diff([frame.time for frame in harder[kind]]) for kind in harder}
    assert min(gaps["slow"]) == pytest.approx(0.1)
    assert gaps["uneven"].max() >= 0.4
    for frame in harder["pan"]:
        alike = box_iou(frame.true_boxes, frame.boxes)
        assert alike.max(initial=0) > 0.5 or len(frame.boxes) < 2


@pytest.mark.parametrize("kind", ["leave", "door"])
def test_one_leaves_for_good_and_another_comes(kind: Kind) -> None:
    in_sight: dict[int, list[float]] = {}
    for frame in scene(TinyClips(), 24, kind):
        for person in frame.true_ids.tolist():
            in_sight.setdefault(person, []).append(frame.time)
    assert {person % 2 for person in in_sight} == {0, 1}
    for person, times in in_sight.items():
        assert times[0] > 1 if person % 2 else times[-1] <= 4


def crossing(swapped: bool) -> list[SceneFrame]:
    """Return ten frames of two people who stand still, whose true ids may swap halfway."""
    boxes = np.array([[10, 10, 50, 110], [300, 10, 340, 110]], np.float32)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    ids = [np.array([1, 0] if swapped and index >= 5 else [0, 1]) for index in range(10)]
    scores = np.full(2, 0.9, np.float32)
    return [
        SceneFrame(index, index / 30, image, boxes, scores, each, boxes)
        for index, each in enumerate(ids)
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_an_exchange_of_two_people_is_two_switches(swapped: bool) -> None:
    names = ["body", track_crossings.BLIND, "iou"]
    counts = score_scene(iter(crossing(swapped)), names)
    for name in names:
        scores = track_crossings.per_scene([counts[name]] * 2, np.ones(2))
        assert scores["id switches"] == scores["shared ids"] == 2 * swapped
        assert scores["MOTA"] == pytest.approx(90 if swapped else 100)
        assert scores["IDF1"] == pytest.approx(50 if swapped else 100)


def test_differences_are_between_the_same_scenes() -> None:
    easy, hard = (score_scene(iter(crossing(swapped)), ["iou"])["iou"] for swapped in (False, True))
    rows = table({"body": [easy, hard], "iou": [easy, hard]}, samples=50)
    assert rows[2].startswith("| body | 1.0 (0.0 to 2.0) |")
    assert rows[4].startswith("| body less iou | +0.0 (+0.0 to +0.0) |")


def test_people_are_cut_out_of_the_release(tmp_path: Path) -> None:
    clips = Clips.open(write_release(tmp_path))
    assert len(clips.videos) == 3
    cutouts = clips.person(0)
    assert [int(each.mean()) for each in cutouts] == [10, 20, 30, 40]
    assert cutouts[0].shape == (120, 48, 3)


def test_a_folder_that_is_no_jhmdb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        Clips.open(tmp_path / "nothing")
