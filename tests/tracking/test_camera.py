"""How the camera turned, on pictures whose motion is known, and what the tracker makes of it."""

import cv2
import numpy as np
import pytest

from tarvitpose.tracking import BodyTracker
from tarvitpose.tracking.camera import CameraMotion
from tarvitpose.utils.arrays import Float32, Float64, UInt8

SIZE = (640, 360)
NOBODY = np.zeros((0, 4), np.float32)
CORNERS = np.array([[0, 0], [640, 0], [640, 360], [0, 360]], np.float64)


def wallpaper(seed: int = 0) -> UInt8:
    """Return blocks of random colours, larger than a frame."""
    blocks = np.random.default_rng(seed).integers(0, 255, (25, 40, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(blocks, (1200, 750), interpolation=cv2.INTER_NEAREST), np.uint8)


def seen(matrix: Float64, seed: int = 0) -> UInt8:
    """Return the wallpaper as a camera sees it; `matrix` (2, 3) takes its points to the frame's."""
    return np.asarray(cv2.warpAffine(wallpaper(seed), matrix, SIZE), np.uint8)


def with_person(image: UInt8, x: float) -> tuple[UInt8, Float32]:
    """Return an image with a striped block, 100 pixels tall, at x, and the block's box."""
    image = image.copy()
    image[130:230, int(x) : int(x) + 40] = 255
    image[130:230:20, int(x) : int(x) + 40] = 0
    return image, np.array([[int(x), 130, int(x) + 40, 230]], np.float32)


def farthest(first: Float64, second: Float64) -> float:
    """Return how far apart two motions take a corner of the frame, in pixels."""
    moved = [CORNERS @ each[:, :2].T + each[:, 2] for each in (first, second)]
    return float(np.abs(moved[0] - moved[1]).max())


@pytest.mark.parametrize(("angle", "scale", "shift"), [(0, 1, 30), (0, 1, -18), (3, 1.04, 8)])
def test_a_camera_that_turns_zooms_or_rolls_is_followed(
    angle: float, scale: float, shift: float
) -> None:
    first = np.array([[1.0, 0, -200], [0, 1, -150]])
    turn = cv2.getRotationMatrix2D((320, 180), angle, scale)
    turn[:, 2] += [shift, shift / 3]
    second = turn @ np.vstack([first, [0, 0, 1]])
    camera = CameraMotion()
    assert np.array_equal(camera.to(seen(first), NOBODY), np.eye(2, 3))
    matrix = camera.to(seen(second), NOBODY)
    assert farthest(matrix, turn) < 3


def test_people_who_walk_are_no_camera() -> None:
    camera, still = CameraMotion(), seen(np.array([[1.0, 0, -200], [0, 1, -150]]))
    for x in (100, 130, 160):
        image, boxes = with_person(still, x)
        assert farthest(camera.to(image, boxes), np.eye(2, 3)) < 1


def test_a_cut_and_a_blank_picture_move_nothing() -> None:
    camera, first = CameraMotion(), np.array([[1.0, 0, -200], [0, 1, -150]])
    blank = np.full((*SIZE[::-1], 3), 90, np.uint8)
    for image in (seen(first), seen(first, seed=1), blank, blank, seen(first)[:300]):
        assert np.array_equal(camera.to(image, NOBODY), np.eye(2, 3))


def test_who_stands_while_the_camera_jerks_keeps_the_number() -> None:
    numbers: dict[bool, set[int]] = {}
    for sees in (False, True):
        tracker = BodyTracker()
        numbers[sees] = set()
        for index, corner in enumerate([200] * 10 + [200 + 60 * step for step in range(5)]):
            matrix = np.array([[1.0, 0, -corner], [0, 1, -150]])
            image, boxes = with_person(seen(matrix), 500 - corner)
            ids = tracker.update(boxes, [0.9], index, index / 30, image if sees else None)
            numbers[sees].update(ids.tolist())
    assert numbers[True] == {1}
    assert len(numbers[False]) > 1


def test_a_picture_that_shrinks_between_borders_and_springs_back_keeps_the_numbers() -> None:
    tracker, still = BodyTracker(), seen(np.array([[1.0, 0, -200], [0, 1, -150]]))
    image, boxes = with_person(still, 520)
    smaller = np.zeros_like(image)
    smaller[45:315, 80:560] = cv2.resize(image, (480, 270), interpolation=cv2.INTER_AREA)
    small_boxes = boxes * np.float32(0.75) + np.float32([80, 45, 80, 45])
    quarter = cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA)
    views = [(image, boxes), (smaller, small_boxes), (image, boxes), (quarter, boxes / 2)] * 2
    for index, (view, where) in enumerate(views):
        ids = tracker.update(where, [0.9], index, index / 10, np.asarray(view, np.uint8))
        assert ids.tolist() == [1]


def test_borders_that_cover_a_picture_move_nothing() -> None:
    camera, still = CameraMotion(), seen(np.array([[1.0, 0, -200], [0, 1, -150]]))
    covered = still.copy()
    covered[:60] = covered[-60:] = 0
    for image in (still, covered, still):
        assert farthest(camera.to(image, NOBODY), np.eye(2, 3)) < 1
