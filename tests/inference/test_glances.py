"""Whom nobody has seen in some looks is looked at less often, and found when seen after all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streaming_runs import CountingEngine, tracked_frame
from video_files import make_video
from walkers import Walker

from tarvitpose.config import EstimatorConfig
from tarvitpose.detection import Detections
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.glances import ENOUGH, REST, Glances
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Float32
from tarvitpose.video.sources import open_source

PERSON, OTHER = [10.0, 5, 60, 80], [90.0, 5, 140, 80]


def joints(scores: list[float]) -> Float32:
    return np.repeat(np.float32(scores)[:, None], 15, 1)


def looks(
    scores: list[float], *, box_score: float = 1.0, least: float = 0.35, thing_until: int = 0
) -> list[int]:
    """Return the frames, 25 a second, in which somebody of these scores is looked at."""
    frames: list[int] = []
    index = 0
    glances = Glances(least, lambda track: track == 2 and 3 <= index < thing_until)
    for index, score in enumerate(scores):
        frame = tracked_frame(index, {1: PERSON, 2: OTHER})
        frame.scores[1] = box_score
        due = glances.due(frame)
        assert 1 in due.track_ids  # somebody else, whom all looks show
        if 2 in due.track_ids:
            frames.append(index)
        glances.note(due, joints([0.9, score][: len(due.track_ids)]))
    return frames


def test_whom_no_look_shows_is_looked_at_four_times_a_second() -> None:
    assert REST == 0.25
    assert looks([0.1] * 40) == [0, 1, 2, 9, 16, 23, 30, 37]
    assert looks([0.5] * 20, box_score=0.3) == [0, 1, 2, 9, 16]  # a shadow


def test_what_closer_looks_do_not_confirm_is_looked_at_four_times_a_second() -> None:
    assert looks([0.8] * 30, thing_until=20) == [0, 1, 2, 9, 16, *range(20, 30)]


def test_who_comes_into_view_is_found_by_the_next_look_and_seen_from_then_on() -> None:
    frames = looks([0.1] * 50 + [0.8] * 30)
    found = next(index for index in frames if index >= 50)
    assert (found - 50) / 25 <= REST
    assert frames[frames.index(found) :] == [*range(found, 80)]


def test_who_was_seen_once_is_looked_at_while_hidden() -> None:
    assert looks([0.8] * 20 + [0.1] * 15) == [*range(35)]
    assert looks([0.8] * 20, box_score=0.35) == [*range(20)]


def test_who_goes_on_in_faint_boxes_is_looked_at_all_the_time() -> None:
    glances = Glances(0.35, faint_below=0.2)
    for index in range(40):
        frame = tracked_frame(index, {1: PERSON})
        frame.scores[0] = 0.1 if index % 8 else 0.24
        assert glances.due(frame).track_ids.tolist() == [1]
        glances.note(frame, joints([0.9]))


def test_whom_no_look_shows_is_looked_at_as_rarely_in_faint_boxes() -> None:
    glances, frames = Glances(0.35, faint_below=0.2), []
    for index in range(20):
        frame = tracked_frame(index, {1: PERSON})
        frame.scores[0] = 0.1 if index else 0.3
        due = glances.due(frame)
        glances.note(due, joints([0.5] * len(due.track_ids)).reshape(-1, 15))
        frames += [index] * len(due.track_ids)
    assert frames == [0, 1, 2, 9, 16]


def test_everybody_is_looked_at_where_nobody_is_left_out() -> None:
    assert looks([0.0] * 20, least=0.0) == [*range(20)]


def test_a_doubtful_box_is_seen_alone_until_it_shows_a_person() -> None:
    glances, alone = Glances(0.35), []
    for index, score in enumerate([0.1, 0.1, 0.9, 0.9]):
        frame = tracked_frame(index, {1: PERSON, 2: OTHER})
        frame.scores[1] = 0.3
        due = glances.due(frame)
        assert due.alone is not None
        alone.append(due.alone.tolist())
        glances.note(due, joints([0.9, score]))
    assert alone == [[False, True]] * 3 + [[False, False]]


def test_who_has_no_box_is_seen_alone_so_that_no_other_frame_shows_somebody_gone() -> None:
    glances = Glances(0.35, faint_below=0.2)
    for index in range(5):
        glances.note(tracked_frame(index, {1: PERSON, 2: OTHER}), joints([0.9, 0.9]))
    frame = tracked_frame(5, {1: PERSON, 2: OTHER})
    frame.scores[:] = 0.1, 0
    due = glances.due(frame)
    assert due.alone is not None
    assert due.alone.tolist() == [False, True]


def test_who_is_not_looked_at_is_left_out_and_not_forgotten() -> None:
    glances = Glances(0.35)
    for index in range(ENOUGH):
        glances.note(tracked_frame(index, {2: OTHER}), joints([0.1]))
    frame = glances.due(tracked_frame(ENOUGH, {1: PERSON, 2: OTHER}))
    assert frame.track_ids.tolist() == [1]
    assert frame.left_out is not None
    assert frame.left_out.tolist() == [OTHER]


@pytest.mark.parametrize("policy", ["anchored", "own"])
def test_who_is_seen_alone_costs_one_crop_and_is_what_a_single_frame_shows(policy: str) -> None:
    engine = CountingEngine()
    predictor = Predictor(engine, temporal="fused")
    rule = EstimatorConfig().anchor if policy == "anchored" else None
    video = [tracked_frame(index, {1: PERSON}) for index in range(5)]
    alone = replace(video[2], alone=np.array([True]))
    (poses,) = open_streamer(predictor, rule).joints([[*video[:2], alone, *video[3:]]])
    assert engine.totals["encode"] == 1
    (expected,) = open_streamer(predictor, rule).joints([[video[2]] * 5])
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=1e-3)


class Still(Walker):
    """Detects somebody who stands still."""

    def detect(self, frame: Frame) -> Detections:
        return super().detect(replace(frame, index=0))


def test_a_ghost_costs_few_crops(tmp_path: Path) -> None:
    video = make_video(tmp_path / "walk.mp4", 40)

    def encoded(**options: Any) -> int:
        engine = CountingEngine()
        config = EstimatorConfig(box_threshold=0, **options)
        with open_source(video) as source:
            estimator = PoseEstimator(Predictor(engine), Still(), config)
            assert len(list(estimator.run(source))) == 40
        return engine.totals["encode"]

    assert encoded(keep_all=True) == 40  # one for each frame
    assert encoded(person_score=1.0) < 30
