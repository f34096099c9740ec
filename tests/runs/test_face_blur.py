"""Hiding faces over time: whoever is missed for a while stays hidden, and no frame is lost."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from drawn_people import people
from numpy.typing import NDArray

from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.face_blur import without_faces
from tarvitpose.utils.arrays import UInt8

SIZE = 200, 320
CORNER, HEIGHT = (100.0, 60.0), 120
HEAD = slice(60, 84), slice(148, 172)  # of the person there
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
Pair = tuple[Frame, FramePoses]


def somebody(x: float = CORNER[0]) -> FramePoses:
    return people((x, CORNER[1]), height=HEIGHT, size=SIZE)


def nobody() -> FramePoses:
    return somebody().only(np.zeros(1, np.bool_))


def hidden(frames: Sequence[FramePoses], rate: float = 30.0) -> list[UInt8]:
    """Return the images of frames after all faces are hidden."""

    def pairs() -> Generator[Pair]:
        for index, poses in enumerate(frames):
            timed = replace(poses, index=index, time=index / rate)
            yield Frame(index, index / rate, IMAGE), timed

    done = list(without_faces(pairs()))
    assert [frame.index for frame, _ in done] == list(range(len(frames)))
    assert [len(poses) for _, poses in done] == [len(poses) for poses in frames]
    return [frame.image for frame, _ in done]


def is_hidden(image: UInt8, part: tuple[slice, slice] = HEAD) -> bool:
    difference: NDArray[np.int64] = np.abs(image[part].astype(int) - IMAGE[part])
    return bool(difference.mean() > 40)


def test_a_head_is_hidden_in_every_frame_in_which_its_person_is_seen() -> None:
    for image in hidden([somebody()] * 5):
        assert is_hidden(image)
        assert np.array_equal(image[120:], IMAGE[120:])


def test_a_head_that_is_missed_for_a_while_stays_hidden() -> None:
    images = hidden([somebody()] * 3 + [nobody()] * 8 + [somebody()] * 3)
    assert all(map(is_hidden, images))


def test_a_head_is_hidden_before_it_is_seen_for_the_first_time_and_after_the_last() -> None:
    images = hidden([nobody()] * 25 + [somebody()] + [nobody()] * 25)
    assert [is_hidden(image) for image in images[12:39]] == [True] * 27
    assert not is_hidden(images[0])
    assert not is_hidden(images[-1])


def test_a_head_that_moves_on_leaves_nothing_behind() -> None:
    images = hidden([somebody(60 + 4 * step) for step in range(20)])
    begin = slice(60, 84), slice(108, 124)  # of the head in the first frame
    assert is_hidden(images[0], begin)
    assert np.array_equal(images[-1][:, :140], IMAGE[:, :140])


def test_someone_who_is_left_out_is_hidden_too() -> None:
    box = np.array([[10, 30, 60, 150]], np.float32)
    images = hidden([replace(nobody(), left_out=box)] * 2)
    assert all(is_hidden(image, (slice(30, 70), slice(10, 60))) for image in images)
    assert np.array_equal(images[0][100:], IMAGE[100:])


def test_frames_far_apart_in_time_are_apart() -> None:
    images = hidden([somebody(), nobody(), nobody()], rate=1.0)
    assert [is_hidden(image) for image in images] == [True, False, False]
