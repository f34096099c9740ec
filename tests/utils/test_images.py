"""Images that are written: the pixels come back, as RGB."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from tarvitpose.utils.images import decode_image, encode_image, write_image

RED = (200, 30, 10)


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 6), (".JPEG", 6)])
def test_an_image_is_written_as_rgb(tmp_path: Path, suffix: str, tolerance: int) -> None:
    image = np.full((8, 12, 3), RED, np.uint8)
    write_image(tmp_path / f"a{suffix}", image)
    stored = cv2.cvtColor(cv2.imread(str(tmp_path / f"a{suffix}")), cv2.COLOR_BGR2RGB)
    assert stored.shape == image.shape
    assert np.abs(stored.astype(int) - image).max() <= tolerance


@pytest.mark.parametrize("suffix", ["", ".xyz", ".99", "."])
def test_a_name_of_no_known_kind_gets_a_png(suffix: str) -> None:
    image = np.full((8, 12, 3), RED, np.uint8)
    assert encode_image(image, suffix) == encode_image(image, ".png")


def test_lower_quality_gives_smaller_jpegs() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(encode_image(image, ".jpg", 20)) < len(encode_image(image, ".jpg", 90))
    assert encode_image(image, ".png", 20) == encode_image(image, ".png", 90)


def test_a_damaged_picture_writes_nothing_to_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    png = encode_image(np.full((8, 12, 3), RED, np.uint8), ".png")
    assert decode_image(png.replace(b"IHDR", b"IEND", 1)) is None
    assert capfd.readouterr().err == ""


def test_a_picture_of_few_bytes_that_states_many_pixels_is_not_decoded() -> None:
    png = bytearray(encode_image(np.full((8, 12, 3), RED, np.uint8), ".png"))
    png[16:24] = struct.pack(">II", 12_000, 12_000)
    with pytest.raises(ValueError, match="states 12000 x 12000 pixels, and has"):
        decode_image(bytes(png))
    empty_page = encode_image(np.zeros((6000, 6000, 3), np.uint8), ".png")
    assert np.asarray(decode_image(empty_page)).shape == (6000, 6000, 3)


def test_a_part_of_a_png_that_states_many_bytes_is_not_waited_for() -> None:
    png = bytearray(encode_image(np.full((8, 12, 3), RED, np.uint8), ".png"))
    png[33:37] = struct.pack(">I", 2**29)  # the length of the pixels
    with pytest.raises(ValueError, match="states 536,870,957 bytes, and has"):
        decode_image(bytes(png))
