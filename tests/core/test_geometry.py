"""Boxes and crops, by hand."""

import numpy as np
import pytest

from tarvitpose.geometry import (
    IMAGE_MEAN,
    IMAGE_STD,
    Codec,
    box_iou,
    centre_and_size,
    crop_matrices,
    invert,
    normalise,
    transform_points,
    warp,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

SIZE = (256, 192)  # height, width


def random_crops(codec: Codec, people: int = 5) -> np.ndarray:
    random = np.random.default_rng(0)
    centre = random.uniform(-50, 500, (people, 2))
    size = random.uniform(20, 300, (people, 2))
    return crop_matrices(centre, size, SIZE, codec, random.uniform(-90, 90, people))


def test_boxes_change_their_form_and_back() -> None:
    boxes = np.array([[1, 2, 3, 5], [-4, 0, 10, 1]], np.float32)
    assert xywh_to_xyxy(boxes).tolist() == [[1, 2, 4, 7], [-4, 0, 6, 1]]
    np.testing.assert_array_equal(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes)
    assert boxes[0].tolist() == [1, 2, 3, 5]  # the argument is left alone


def test_iou_by_hand() -> None:
    first = [[0, 0, 4, 2], [10, 10, 12, 12]]
    second = [[0, 0, 4, 2], [2, 1, 6, 3], [4, 0, 8, 2], [0, 0, 40, 20]]
    expected = [[1, 2 / 14, 0, 8 / 800], [0, 0, 0, 4 / 800]]
    np.testing.assert_allclose(box_iou(first, second), expected, rtol=1e-6)


def test_iou_of_nothing() -> None:
    assert box_iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert box_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]).tolist() == [[0.0]]


def test_the_shorter_side_grows_to_the_aspect() -> None:
    boxes = [[10, 20, 40, 140], [0, 0, 90, 60]]  # 30 x 120 is too narrow, 90 x 60 too wide
    centre, size = centre_and_size(boxes, SIZE)
    assert centre.tolist() == [[25, 80], [45, 30]]
    np.testing.assert_allclose(size, [[90 * 1.25, 120 * 1.25], [90 * 1.25, 120 * 1.25]])


def test_padding_is_an_argument() -> None:
    _, size = centre_and_size([[0, 0, 90, 120]], SIZE, padding=2)
    np.testing.assert_allclose(size, [[180, 240]])


def test_an_empty_box_still_has_a_crop() -> None:
    _, size = centre_and_size([[7, 7, 7, 7]], SIZE)
    assert (size > 0).all()


def test_udp_spans_the_crop_from_first_to_last_pixel() -> None:
    matrix = crop_matrices([[100, 200]], [[191, 255]], SIZE, "udp")
    corners = [[[4.5, 72.5], [195.5, 327.5], [100, 200]]]
    np.testing.assert_allclose(
        transform_points(matrix, corners), [[[0, 0], [191, 255], [95.5, 127.5]]], atol=1e-4
    )


def test_classic_spans_the_crop_from_edge_to_edge() -> None:
    matrix = crop_matrices([[100, 200]], [[96, 128]], SIZE, "classic")
    corners = [[[52, 136], [148, 264], [100, 200]]]
    np.testing.assert_allclose(
        transform_points(matrix, corners), [[[0, 0], [192, 256], [96, 128]]], atol=1e-4
    )


def test_a_matrix_by_hand() -> None:
    matrix = crop_matrices([[50, 40]], [[24, 32]], SIZE, "classic")  # 8 crop pixels for each
    np.testing.assert_allclose(matrix, [[[8, 0, 96 - 400], [0, 8, 128 - 320]]])
    turned = crop_matrices([[50, 40]], [[24, 32]], SIZE, "classic", rotation=90)
    np.testing.assert_allclose(turned, [[[0, -8, 96 + 320], [8, 0, 128 - 400]]], atol=1e-4)


def test_rotation_is_clockwise_as_seen() -> None:
    matrix = crop_matrices([[50, 40]], [[24, 32]], SIZE, "classic", rotation=90)
    above = transform_points(matrix, [[[50, 30]]])[0, 0]  # twelve o'clock goes to three o'clock
    np.testing.assert_allclose(above, [96 + 80, 128], atol=1e-3)


def test_each_crop_may_have_its_own_rotation() -> None:
    centre, size = [[1, 2], [3, 4]], [[24, 32], [24, 32]]
    both = crop_matrices(centre, size, SIZE, "udp", [10, -20])
    second = crop_matrices(centre[1:], size[1:], SIZE, "udp", -20)
    np.testing.assert_array_equal(both[1:], second)


@pytest.mark.parametrize("codec", ["udp", "classic"])
def test_inverse_and_transform_cancel(codec: Codec) -> None:
    matrices = random_crops(codec)
    points = np.random.default_rng(1).uniform(-100, 900, (5, 7, 2)).astype(np.float32)
    moved = transform_points(matrices, points)
    np.testing.assert_allclose(transform_points(invert(matrices), moved), points, atol=0.01)


def test_transforms_of_several_crops_are_each_its_own() -> None:
    matrices = random_crops("udp")
    points = np.random.default_rng(1).uniform(0, 100, (5, 7, 2)).astype(np.float32)
    one_by_one = [transform_points(matrices[i : i + 1], points[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(transform_points(matrices, points), one_by_one, rtol=1e-5, atol=1e-3)


def test_nobody_has_no_crops() -> None:
    centre, size = centre_and_size(np.zeros((0, 4)), SIZE)
    matrices = crop_matrices(centre, size, SIZE, "udp")
    assert matrices.shape == invert(matrices).shape == (0, 2, 3)
    assert transform_points(matrices, np.zeros((0, 15, 2))).shape == (0, 15, 2)


def test_a_box_partly_outside_is_not_clipped() -> None:
    centre, size = centre_and_size([[-60, -80, 30, 40]], SIZE)
    assert centre.tolist() == [[-15, -20]]
    np.testing.assert_allclose(size, [[112.5, 150]])


def test_outside_is_black_and_inside_lands_where_the_matrix_says() -> None:
    image = np.full((40, 30, 3), 200, np.uint8)
    image[10, 20] = (250, 0, 90)
    matrix = crop_matrices([[20, 10]], [[48, 64]], (64, 48), "classic")[0]  # a shift by 4 and 22
    crop = warp(image, matrix, (64, 48))
    assert crop.shape == (64, 48, 3)
    assert crop[32, 24].tolist() == [250, 0, 90]
    assert (crop[:22] == 0).all()
    assert (crop[:, 34:] == 0).all()
    assert (crop[22:62, 4:34] > 0).any(-1).all()
    assert (crop[62:] == 0).all()


@pytest.mark.parametrize("codec", ["udp", "classic"])
def test_pixels_and_points_move_alike(codec: Codec) -> None:
    image = np.zeros((80, 90, 3), np.uint8)
    image[33:36, 51:54] = 255  # around x 52, y 34
    matrix = crop_matrices([[45, 40]], [[30, 40]], SIZE, codec, rotation=25)
    crop = warp(image, matrix[0], SIZE)[..., 0].astype(float)
    y, x = np.indices(crop.shape)
    middle = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
    np.testing.assert_allclose(middle, transform_points(matrix, [[[52, 34]]])[0, 0], atol=0.1)


def test_normalised_crops() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    ready = normalise(crops)
    assert ready.shape == (2, 3, 6, 5)
    assert ready.dtype == np.float32
    assert ready.flags.c_contiguous
    expected = (crops[1, 4, 2, 1] / 255 - IMAGE_MEAN[1]) / IMAGE_STD[1]
    assert ready[1, 1, 4, 2] == pytest.approx(expected, abs=1e-5)
