"""Make the pictures of docs/gallery.md: single frames with the poses of the default weights.

    python -m tools.gallery_pictures data/clips docs/pictures

Writes `gallery-right.jpg` and `gallery-wrong.jpg`. A frame is predicted after a short lead-in, so
that it has neighbours before it, and only a part of it is shown; nothing else is done to it.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tarvitpose.cli.demo import demo_clip
from tarvitpose.drawing import draw_poses
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
        Panel("walk_outdoor.mp4", 4.0, (600, 480, 1080, 980)),
        Panel(DEMO, 0.3, (30, 200, 530, 780)),
        Panel("street_above.mov", 2.0, (40, 260, 640, 710)),
    ),
}


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


def main(clips: Path, output: Path) -> None:
    """Write both pictures."""
    estimator = PoseEstimator.from_pretrained("default")
    for name, panels in PICTURES.items():
        gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
        parts = [part for panel in panels for part in (gap, cut_out(estimator, clips, panel))]
        write_image(output / f"{name}.jpg", np.concatenate(parts[1:], 1), QUALITY)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
