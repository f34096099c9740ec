"""Which frames a clip shows: sides are kept, ends repeat, time may run backwards."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tarvitpose.config import ModelConfig
from tarvitpose.data.augment import NO_AUGMENTATION
from tarvitpose.data.framing import FRAMING, ClipSettings, inference_framing
from tarvitpose.data.records import Record
from tarvitpose.data.windows import (
    check_span,
    is_symmetric,
    random_offsets,
    window_clip,
)
from tarvitpose.errors import ConfigError

SIZE, FRAMES = (64, 48), 6
IDENTITY = np.eye(2, 3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def video(tmp_path: Path) -> Record:
    """A video whose frame k is of the one grey level 10 + 20 k; the third is the labelled one."""
    paths = tuple(tmp_path / f"{at}.png" for at in range(FRAMES))
    for at, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((100, 80, 3), 10 + 20 * at, np.uint8))
    return Record("video/2#0", paths, 2, (10, 10, 60, 90), np.zeros((15, 2)), np.ones(15))


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ((-1, 0), [1, 2]),
        ((-1, 0, 1), [1, 2, 3]),
        ((-2, -1, 0, 1, 2), [0, 1, 2, 3, 4]),
        ((-5, -3, 0, 4), [0, 0, 2, 5]),
        ((2, 1, 0, -1, -2), [4, 3, 2, 1, 0]),
        ((0,), [2]),
    ],
)
def test_a_window_shows_the_frames_at_its_offsets_and_repeats_the_ends(
    video: Record, offsets: tuple[int, ...], expected: list[int]
) -> None:
    clip = window_clip(video, IDENTITY, offsets, SIZE)
    assert clip.shape == (len(offsets), *SIZE, 3)
    assert clip[:, 5, 5, 0].tolist() == [10 + 20 * at for at in expected]


def test_a_window_has_one_transform_or_one_for_each_frame(video: Record) -> None:
    turned = np.array([[0.5, 0.2, 9], [-0.2, 0.5, 30]])
    offsets = (-1, 0, 1)
    alike = [(frame == 0).all(-1) for frame in window_clip(video, turned, offsets, SIZE)]
    assert alike[0].any()
    assert all(np.array_equal(mask, alike[0]) for mask in alike)
    steps = np.tile(IDENTITY, (3, 1, 1))
    steps[:, 0, 2] = 3, 0, -50  # pixels to the right
    outside = [(frame == 0).all(-1).sum(1) for frame in window_clip(video, steps, offsets, SIZE)]
    assert [int(columns[0]) for columns in outside] == [3, 0, 18]  # images are 80 pixels wide


@pytest.mark.parametrize("offsets", [(-1,), (-1, 1), (-2, -1, 1, 2), (-3, 7), (2, 5), ()])
@pytest.mark.parametrize("span", [2, 5])
def test_random_offsets_keep_their_sides_within_the_span(
    offsets: tuple[int, ...], span: int
) -> None:
    seen = set()
    for seed in range(60):
        drawn = random_offsets(offsets, span, rng(seed))
        assert list(drawn) == sorted(set(drawn))
        assert 0 not in drawn
        assert np.sign(drawn).tolist() == np.sign(offsets).tolist()
        assert max(map(abs, drawn), default=0) <= span
        seen |= set(drawn)
    sides = {int(side) for side in np.sign(offsets)}
    assert seen == {side * step for side in sides for step in range(1, span + 1)}


def test_random_offsets_come_from_the_generator() -> None:
    drawn = [random_offsets((-2, -1, 1, 2), 9, rng(seed)) for seed in range(20)]
    assert drawn == [random_offsets((-2, -1, 1, 2), 9, rng(seed)) for seed in range(20)]
    assert len(set(drawn)) > 10


def test_a_span_must_hold_the_offsets_of_either_side() -> None:
    with pytest.raises(ConfigError, match=r"offset_span 1 is too small .* use 2 or more"):
        check_span((-2, -1, 1), 1)
    for offsets, span in (((-2, -1, 1), 2), ((-2, -1, 1), 0), ((-1, 1), 1), ((), 1)):
        check_span(offsets, span)


def shown(
    record: Record, offsets: tuple[int, ...], *, seed: int = 0, **changes: float
) -> tuple[int, ...]:
    """Which frames a clip of the record shows."""
    model = ModelConfig(width=32, depth=1, heads=2, input_size=SIZE, offsets=offsets)
    settings = ClipSettings(model, NO_AUGMENTATION.model_copy(update=changes), [record])
    framing = inference_framing(record, model)
    for transform in FRAMING:
        framing = transform.apply(
            framing, settings, np.random.default_rng((seed, transform.stream))
        )
    return framing.offsets


@pytest.mark.parametrize(
    ("offsets", "symmetric"),
    [((-1, 1), True), ((-2, -1, 1, 2), True), ((-1,), False), ((-2, 1), False), ((), True)],
)
def test_only_symmetric_windows_run_backwards(
    video: Record, offsets: tuple[int, ...], symmetric: bool
) -> None:
    plain, backwards = (shown(video, offsets, reverse=chance) for chance in (0, 1))
    assert is_symmetric(offsets) == symmetric
    assert list(plain) == sorted((*offsets, 0))
    assert backwards == (tuple(-offset for offset in plain) if symmetric else plain)


def test_time_is_reversed_with_its_probability(video: Record) -> None:
    windows = [shown(video, (-1, 1), reverse=0.3, seed=seed) for seed in range(400)]
    assert set(windows) == {(-1, 0, 1), (1, 0, -1)}
    assert 0.2 < np.mean([window[0] == 1 for window in windows]) < 0.4
