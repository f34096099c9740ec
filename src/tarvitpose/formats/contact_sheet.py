"""One picture of a whole video: evenly spaced frames with the poses drawn on them."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tarvitpose.config import Colors
from tarvitpose.drawing import draw_poses, draw_text, fit_width, shown_time
from tarvitpose.formats.file_writer import PoseWriter, required_image
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image

TILES, COLUMNS, WIDTH = 12, 4, 1280
SAMPLES_PER_TILE = 6  # so that gaps between tiles differ by a third at most
MARGIN = 1.2  # of what people fill
SMALLEST_PART = 1 / 3  # of a frame's sides
PAPER, INK = (24, 24, 24), (235, 235, 235)


class ContactSheetWriter(PoseWriter):
    """Write a PNG of `tiles` evenly spaced frames, with the first and the last of the video.

    Each tile shows the part of its frame with people in it (`part_with_people`).

    The length of a video is known only at its end, as containers often state it wrongly. So every
    n-th frame is stored, small, and n doubles whenever they become too many.
    """

    def __init__(
        self,
        path: Path,
        *,
        tiles: int = TILES,
        columns: int = COLUMNS,
        width: int = WIDTH,
        keypoint_threshold: float = 0.3,
        colors: Colors = "track",
    ) -> None:
        super().__init__(path)
        self.tiles, self.columns, self.width = tiles, columns, width
        self.keypoint_threshold, self.colors = keypoint_threshold, colors
        self._interval = 1
        self._samples: list[tuple[UInt8, FramePoses]] = []
        self._last: tuple[UInt8, FramePoses] | None = None

    def _start(self, stack: ExitStack) -> None:
        self._temporary = stack.enter_context(atomic_file(self.path))

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._last = required_image(image), poses
        if self._frames % self._interval:
            return
        self._samples.append(self._small(*self._last))
        if len(self._samples) > SAMPLES_PER_TILE * self.tiles:
            self._samples = self._samples[::2]
            self._interval *= 2

    def _end(self) -> None:
        if self._last is not None and self._samples[-1][1].index != self._last[1].index:
            self._samples.append(self._small(*self._last))
        chosen = [self._samples[i] for i in spread(len(self._samples), self.tiles)]
        images = [self._drawn(image, poses) for image, poses in chosen]
        captions = [f"{shown_time(poses.time)}  frame {poses.index}" for _, poses in chosen]
        sheet = contact_sheet(images, captions, self.columns, self.width)
        write_image(self._temporary, sheet)

    def _small(self, image: UInt8, poses: FramePoses) -> tuple[UInt8, FramePoses]:
        left, top, width, height = part_with_people(poses)
        image = image[top : top + height, left : left + width]
        poses = poses.cropped(left, top, width, height)
        small = fit_width(image, _tile_width(self.columns, self.width))
        return small, poses.resized(small.shape)

    def _drawn(self, image: UInt8, poses: FramePoses) -> UInt8:
        return draw_poses(
            image,
            poses,
            keypoint_threshold=self.keypoint_threshold,
            legend=False,
            colors=self.colors,
        )


def part_with_people(poses: FramePoses) -> tuple[int, int, int, int]:
    """Return the part of a frame that its people fill, as left, top, width and height in pixels.

    It has the frame's aspect, a margin, and a third of the frame's sides at least, so that tiny
    people are seen in their surroundings; where nobody is seen it is the whole frame.
    """
    height, width = poses.image_size
    if not len(poses):
        return 0, 0, width, height
    low = poses.boxes[:, :2].min(0).clip(0, [width, height])
    high = poses.boxes[:, 2:].max(0).clip(0, [width, height])
    share = MARGIN * float(((high - low) / [width, height]).max())
    share = min(max(share, SMALLEST_PART), 1.0)
    size = np.array([round(share * width), round(share * height)])
    corner = ((low + high) / 2 - size / 2).round().clip(0, [width, height] - size).astype(int)
    return int(corner[0]), int(corner[1]), int(size[0]), int(size[1])


def contact_sheet(
    images: Sequence[UInt8], captions: Sequence[str], columns: int = COLUMNS, width: int = WIDTH
) -> UInt8:
    """Return one RGB image, `width` wide, with the images in rows and a caption under each."""
    tile_width = _tile_width(columns, width)
    tiles = [
        _tile(fit_width(image, tile_width), caption)
        for image, caption in zip(images, captions, strict=True)
    ]
    gap = _gap(width)
    rows = [_row(tiles[i : i + columns], gap, width) for i in range(0, len(tiles), columns)]
    return np.concatenate([_blank(gap, width), *rows])


def spread(count: int, chosen: int) -> list[int]:
    """Return at most `chosen` of the positions 0 to `count` - 1, evenly spaced, with both ends.

    >>> spread(9, 3), spread(2, 3), spread(5, 1)
    ([0, 4, 8], [0, 1], [0])
    """
    positions = np.linspace(0, count - 1, min(count, chosen)).tolist()
    return [round(position) for position in positions]


def _tile(image: UInt8, caption: str) -> UInt8:
    """Put the caption in a strip under the image."""
    width = image.shape[1]
    size = max(width / 26, 9)
    strip = _blank(round(2 * size), width)
    draw_text(strip, caption, (2, round(1.5 * size)), size, INK)
    return np.concatenate([image, strip])


def _row(tiles: Sequence[UInt8], gap: int, width: int) -> UInt8:
    """Put tiles side by side, aligned at the top, with gaps around them and below."""
    row = _blank(max(len(tile) for tile in tiles) + gap, width)
    left = gap
    for tile in tiles:
        height, tile_width = tile.shape[:2]
        row[:height, left : left + tile_width] = tile
        left += tile_width + gap
    return row


def _blank(height: int, width: int) -> UInt8:
    return np.full((height, width, 3), PAPER, np.uint8)


def _gap(width: int) -> int:
    return max(width // 160, 2)


def _tile_width(columns: int, width: int) -> int:
    return (width - (columns + 1) * _gap(width)) // columns
