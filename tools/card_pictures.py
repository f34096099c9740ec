"""Draw three frames of every clip whose licence is known, as docs/model-card.md shows them.

python -m tools.card_pictures data/clips docs/pictures/clips.jpg
"""

import argparse
from pathlib import Path

from tarvitpose.drawing import draw_poses
from tarvitpose.formats.contact_sheet import contact_sheet
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image
from tarvitpose.video.sources import open_source

WIDTH = 1100
MOMENTS, LEAD_IN = (0.2, 0.5, 0.8), 0.3  # shares of a clip, and seconds predicted before each
QUALITY = 80
UNLICENSED = ("crowd_above",)  # clips of unknown origin


def clip_sheet(clips: Path) -> UInt8:
    """Return a contact sheet with a few frames of each clip."""
    estimator = PoseEstimator.from_pretrained("default", crop_policy="anchored")
    tiles, captions = [], []
    for path in sorted(path for path in clips.glob("*.m*") if path.stem not in UNLICENSED):
        for at, (image, poses) in enumerate(some_frames(estimator, path)):
            tiles.append(draw_poses(image, poses, legend=False))
            captions.append(path.stem if at == 0 else f"{poses.time:.1f} s")
    return contact_sheet(tiles, captions, 2 * len(MOMENTS), WIDTH)


def some_frames(estimator: PoseEstimator, path: Path) -> list[tuple[UInt8, FramePoses]]:
    """Return a few frames of a clip with their poses, each predicted after a short lead-in."""
    with open_source(path) as source:
        times = [frame.time for frame in source]
    moments = [times[round(share * (len(times) - 1))] for share in MOMENTS]
    shown = [
        list(estimator.stream(path, start=max(moment - LEAD_IN, 0), end=moment + 0.01))[-1]
        for moment in moments
    ]
    indices = {poses.index for poses in shown}
    with open_source(path) as source:
        images = {frame.index: frame.image for frame in source if frame.index in indices}
    return [(images[poses.index], poses) for poses in shown]


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description="The clips in docs/model-card.md.")
    parser.add_argument("clips", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    sheet = clip_sheet(given.clips)
    with atomic_file(given.output) as path:
        write_image(path, sheet, QUALITY)


if __name__ == "__main__":
    main()
