"""Linked peaks: hand-made cases, and the sequence against trying all sequences."""

import gc
import itertools

import numpy as np
import pytest

import tarvitpose.smoothing.peaks as peaks_module
from tarvitpose.smoothing.peaks import HIGHEST_COST, SPEED, PeakLinker
from tarvitpose.utils.arrays import Float32

RATE, SIDE = 25.0, 100.0


def links(
    peaks: Float32, lag: float = 100.0, times: list[float] | None = None, track: int = 1
) -> list[list[int]]:
    """Return the chosen peaks (F, J) of one person with peaks (F, J, K, 3)."""
    linker = PeakLinker(lag)
    at = times or [frame / RATE for frame in range(len(peaks))]
    chosen = []
    for time, person in zip(at, peaks, strict=True):
        chosen += list(linker.take(time, [track], [SIDE], person[None]))
    chosen += list(linker.rest())
    return [people[0].tolist() for people in chosen]


def two_legs(swapped: tuple[int, ...], frames: int = 8) -> Float32:
    """Return peaks (F, 1, 2, 3) at x = 0, but in `swapped` frames the higher one is at x = 60."""
    peaks = np.zeros((frames, 1, 2, 3), np.float32)
    peaks[:, 0, 0, 2], peaks[:, 0, 1, 2], peaks[:, 0, 1, 0] = 0.6, 0.5, 60
    peaks[list(swapped), 0, :, 0] = (60, 0)
    return peaks


def test_a_joint_does_not_jump_to_a_slightly_higher_peak_and_back() -> None:
    assert links(two_legs((3, 4))) == [[0], [0], [0], [1], [1], [0], [0], [0]]


def test_a_lasting_move_is_followed() -> None:
    moved = two_legs(tuple(range(10, 20)), frames=20)
    moved[:, 0, 0, 2], moved[:, 0, 1, 2] = 0.9, 0.05  # the other peak is hardly there
    assert links(moved) == [[0]] * 20


def test_without_lag_the_past_alone_decides() -> None:
    assert links(two_legs((3, 4)), lag=0.0) == links(two_legs((3, 4)))
    first = two_legs((0,))  # the swap comes first: only the frames after it tell
    assert links(first, lag=0.0)[0] == [0]
    assert links(first)[0] == [1]


def test_lag_answers_as_soon_as_it_is_over() -> None:
    linker = PeakLinker(0.19)
    counts = [
        len(list(linker.take(frame / RATE, [1], [SIDE], person[None])))
        for frame, person in enumerate(two_legs((), frames=8))
    ]
    assert counts == [0, 0, 0, 0, 0, 1, 1, 1]
    assert len(list(linker.rest())) == 5


def test_a_frame_is_answered_at_once_where_nothing_can_change_it() -> None:
    alone = np.zeros((6, 1, 2, 3), np.float32)
    alone[:, 0, 0, 2] = 0.6  # there is no second peak
    linker = PeakLinker(9.0)
    for frame, person in enumerate(alone):
        assert len(list(linker.take(frame / RATE, [1], [SIDE], person[None]))) == 1


@pytest.mark.parametrize("lag", [0.05, 0.19, 9.0])
def test_early_answers_are_those_that_waiting_gives(
    lag: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    peaks = rng.normal(0, 12, (120, 3, 3, 3)).astype(np.float32).cumsum(0)
    peaks[..., 2] = np.sort(rng.uniform(0, 1, (120, 3, 3)) ** 4)[..., ::-1]
    peaks[..., 2] *= peaks[..., 2] > 0.01
    early = links(peaks, lag)
    monkeypatch.setattr(peaks_module._Link, "is_settled", lambda link: False)
    assert early == links(peaks, lag)
    assert any(map(any, early))  # not only the highest


def test_a_gap_in_time_and_another_track_begin_anew() -> None:
    peaks = two_legs((1,), frames=2)
    assert links(peaks, times=[0.0, 0.04]) != [[0], [0]]
    assert links(peaks, times=[0.0, 1.0]) == [[0], [0]]
    linker = PeakLinker(9.0)
    for frame, track in enumerate((1, 2)):
        assert not list(linker.take(frame / RATE, [track], [SIDE], peaks[frame][None]))
    assert [people[0].tolist() for people in linker.rest()] == [[0], [0]]


def test_peaks_that_are_not_there_are_never_taken() -> None:
    peaks = two_legs((3,))
    peaks[3, 0, 1, 2] = 0
    assert links(peaks)[3] == [0]


def test_what_is_decided_is_forgotten() -> None:
    linker = PeakLinker(0.19)
    for frame in range(100):
        list(linker.take(frame / RATE, [1], [SIDE], two_legs((), frames=1)))
    gc.collect()
    links = [thing for thing in gc.get_objects() if type(thing) is peaks_module._Link]
    assert len(links) <= 6  # the frames that wait, and the one before them


def test_people_who_come_and_go_keep_their_order() -> None:
    linker = PeakLinker(0.0)
    peaks = two_legs((), frames=2)
    both = np.concatenate([peaks[0][None], peaks[1][None]])
    assert len(next(linker.take(0.0, [5, 3], [SIDE, SIDE], both))) == 2
    assert len(next(linker.take(0.04, [], [], both[:0]))) == 0
    assert len(next(linker.take(0.08, [3], [SIDE], both[:1]))) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0, 60, (5, 2, 3, 3)).astype(np.float32)
    peaks[..., 2] = np.sort(rng.uniform(0.1, 1, (5, 2, 3)))[..., ::-1]

    def cost(joint: int, sequence: tuple[int, ...]) -> float:
        at = peaks[range(5), joint, sequence].astype(np.float64)
        heights = -np.log(at[:, 2] / peaks[:, joint, 0, 2]).sum()
        jumps = (np.diff(at[:, :2], axis=0) ** 2).sum(-1) / (SPEED / RATE * SIDE) ** 2
        return float(heights + np.minimum(jumps, HIGHEST_COST).sum())

    chosen = np.array(links(peaks))  # (F, J)
    for joint in range(2):
        best = min(itertools.product(range(3), repeat=5), key=lambda s: cost(joint, s))
        assert tuple(chosen[:, joint]) == best
