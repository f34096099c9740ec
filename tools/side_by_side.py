"""Draw the results of two weights side by side (the paper's Figure 3).

`predict --compare` shows the single-frame mode of the same weights; the paper compares with a
separately trained ViTPose. Run `predict` with both weights and the same boxes, and then:
python -m tools.side_by_side vitpose.npz tar.npz clip.mp4 --output figure3.mp4
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from tarvitpose import load_poses
from tarvitpose.errors import DataError, UserError
from tarvitpose.formats.comparison import ComparisonWriter
from tarvitpose.results import FramePoses
from tarvitpose.video.sources import open_source

TOLERANCE = 0.01  # pixels: formats round


def paired(left: list[FramePoses], right: list[FramePoses]) -> dict[int, FramePoses]:
    """Return the right poses by index, with the left poses as their single-frame poses.

    Raises DataError unless both have the same joints, and the same people in the same frames.
    """
    others = {poses.index: poses for poses in left}
    if others.keys() != {poses.index for poses in right}:
        raise DataError(f"the results have different frames: {len(left)} and {len(right)}")
    pairs = {}
    for poses in right:
        other = others[poses.index]
        if other.joint_names != poses.joint_names:
            raise DataError("the results have different joints")
        if len(other) != len(poses) or not np.allclose(other.boxes, poses.boxes, atol=TOLERANCE):
            raise DataError(
                f"frame {poses.index}: the results have different boxes; run predict twice with "
                "the same --boxes, or the same detector and options"
            )
        pairs[poses.index] = replace(
            poses, single_keypoints=other.keypoints, single_scores=other.scores
        )
    return pairs


def draw(left: Path, right: Path, source: str, output: Path) -> None:
    """Write the video of both. Raises UserError."""
    poses = paired(load_poses(left), load_poses(right))
    with open_source(source, live=False) as frames, ComparisonWriter(output, frames) as writer:
        for frame in frames:
            if frame.index in poses:
                shown = replace(poses[frame.index], time=frame.time)
                writer.write(shown, frame.image)


def main() -> None:
    """Read the arguments and write the video."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("left", type=Path, help="result of the single-frame ViTPose")
    parser.add_argument("right", type=Path, help="result of TAR-ViTPose")
    parser.add_argument("source", help="the video, or the folder of frames")
    parser.add_argument("--output", "-o", type=Path, default=Path("figure3.mp4"))
    options = parser.parse_args()
    try:
        draw(options.left, options.right, options.source, options.output)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
