"""Make the pictures of docs/gallery.md: single frames with the poses of the default weights.

    python -m tools.gallery_pictures data/clips docs/pictures

Writes `gallery-right.jpg` and `gallery-wrong.jpg`. A frame is predicted after a short lead-in, so
that it has neighbours before it, and only a part of it is shown; nothing else is done to it.
`compare.jpg` shows frames of the demo clip, predicted as a whole, without and with neighbours.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tarvitpose.cli.demo import demo_clip
from tarvitpose.drawing import draw_poses
from tarvitpose.formats.comparison import draw_comparison
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.images import write_image
from tarvitpose.video.sources import open_source

HEIGHT, GAP, QUALITY = 420, 6, 80  # pixels, pixels between the panels, of the JPEG
LEAD_IN = 0.15  # seconds
DEMO = "demo"  # the clip inside the package


class Panel(NamedTuple):
    """A part of one frame of a clip."""

    clip: str
    time: float  # seconds
    part: tuple[int, int, int, int]  # left, top, right, bottom


PICTURES = {
    "gallery-right": (
        Panel("juggle.mp4", 2.0, (540, 20, 960, 720)),
        Panel("walk_indoor.mp4", 2.0, (830, 200, 1240, 700)),
        Panel("one_by_one.mp4", 8.0, (300, 0, 620, 430)),
        Panel("two_people_cam02.mp4", 1.0, (0, 400, 900, 1500)),
    ),
    "gallery-wrong": (
        Panel("street_above.mov", 2.26, (320, 420, 580, 720)),
        Panel("two_people_cam03.mp4", 0.8, (100, 480, 820, 1400)),
        Panel(DEMO, 1.41, (30, 180, 530, 660)),
    ),
}
COMPARED, PART, WIDTH = (28, 42), 768, 1400  # frames of the demo clip, rows, pixels of the picture


def cut_out(estimator: PoseEstimator, clips: Path, panel: Panel) -> UInt8:
    """Return the part of the frame with its poses, HEIGHT pixels tall."""
    path = demo_clip() if panel.clip == DEMO else clips / panel.clip
    start, end = panel.time - LEAD_IN, panel.time + 0.01
    *_, poses = estimator.stream(path, start=start, end=end)
    with open_source(path, start=start, end=end) as source:
        image = next(frame.image for frame in source if frame.index == poses.index)
    left, top, right, bottom = panel.part
    drawn = draw_poses(image, poses, legend=False)[top:bottom, left:right]
    width = round(drawn.shape[1] * HEIGHT / drawn.shape[0])
    return np.asarray(cv2.resize(drawn, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def compare() -> UInt8:
    """Return the compared frames beside each other, WIDTH pixels wide."""
    estimator = PoseEstimator.from_pretrained("default", compare=True)
    poses = {frame.index: frame for frame in estimator.stream(demo_clip())}
    with open_source(demo_clip()) as source:
        images = {frame.index: frame.image for frame in source if frame.index in COMPARED}
    drawn = [draw_comparison(images[index], poses[index])[:PART] for index in COMPARED]
    gap = np.full((PART, 2 * GAP, 3), 255, np.uint8)
    picture = np.concatenate([drawn[0], gap, drawn[1]], 1)
    height = round(PART * WIDTH / picture.shape[1])
    return np.asarray(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def main(clips: Path, output: Path) -> None:
    """Write all three pictures."""
    estimator = PoseEstimator.from_pretrained("default")
    for name, panels in PICTURES.items():
        gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
        parts = [part for panel in panels for part in (gap, cut_out(estimator, clips, panel))]
        write_image(output / f"{name}.jpg", np.concatenate(parts[1:], 1), QUALITY)
    write_image(output / "compare.jpg", compare(), QUALITY)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
