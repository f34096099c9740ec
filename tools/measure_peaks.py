"""Measure what linked peaks change on JHMDB: PCK, and how much joints shake, over whole clips.

    python -m tools.measure_peaks data/jhmdb --split val

Every frame of a clip is cropped with its labelled box; the same heatmaps are read by their highest
peaks and by linked ones. Intervals are bootstrapped over clips.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tarvitpose import PoseEstimator
from tarvitpose.inference.peak_linking import linked
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.metrics.jitter import relative_acceleration
from tarvitpose.metrics.pck import hits, pck, ratio_interval
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.smoothing.peaks import LAG
from tarvitpose.utils.arrays import Float32
from tarvitpose.video.sources import open_source
from tools.measure_angle_jumps import labelled_joints, options, read_labels

WAYS = {"highest": None, "linked": LAG, "linked, no lag": 0.0}


class Clip(NamedTuple):
    """The frames of a clip with the labelled person's box, and where the joints are."""

    frames: list[TrackedFrame]
    labels: Float32  # (F, 12, 2), not finite outside the picture


def read_clip(folder: Path, entry: dict[str, Any]) -> Clip:
    """Return one clip of `labels.json`."""
    with open_source(folder / entry["file"]) as source:
        frames = list(source)
    boxes = np.array(entry["boxes"], np.float32)[: len(frames), None]  # (F, 1, 4)
    height, width = frames[0].image.shape[:2]
    labels = labelled_joints(entry, (width, height))[: len(frames)]
    one = np.ones(1, np.float32)
    tracked = [
        TrackedFrame(Frame(index, frame.time, frame.image), box, one, np.ones(1, np.int64))
        for index, (frame, box) in enumerate(zip(frames, boxes, strict=False))
    ]
    return Clip(tracked, labels)


def decoded(estimator: PoseEstimator, clip: Clip) -> list[PoseArrays]:
    """Return the joints of each frame, with lower peaks."""
    predictor, last = estimator.predictor, len(clip.frames) - 1
    windows = [
        [clip.frames[min(max(at + offset, 0), last)] for offset in predictor.offsets]
        for at in range(last + 1)
    ]
    return predictor.windowed(windows)


def scores(clip: Clip, points: Float32) -> tuple[float, float, float]:
    """Return PCK@0.2 and PCK@0.1 of the box in %, and the median second difference in box sides."""
    sides = np.array([(f.boxes[0, 2:] - f.boxes[0, :2]).max() for f in clip.frames])
    known = np.isfinite(clip.labels).all(-1)
    large, small = (pck(hits(points, clip.labels, sides, share), known) for share in (0.2, 0.1))
    shaking = relative_acceleration(points.astype(np.float64), sides.astype(np.float64))
    return large, small, float(np.median(shaking))


def interval(values: Float32) -> str:
    """Return a mean with its 95% interval over clips."""
    low, high = ratio_interval(values, np.ones_like(values), samples=5000)
    return f"{values.mean():.4g} ({low:.4g}..{high:.4g})"


def main() -> None:
    """Print a line for each way of reading the heatmaps, and its difference from the first."""
    parser = options("Measure linked peaks on JHMDB.")
    parser.add_argument("--single-frame", action="store_true")
    given = parser.parse_args()
    content = read_labels(given.folder, given.split)
    joints = [POSETRACK_15.joints.index(name) for name in content["joints"]]
    estimator = PoseEstimator.from_pretrained(
        given.weights, single_frame=given.single_frame, crop_policy="window"
    )
    table: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    for entry in content["clips"]:
        clip = read_clip(given.folder, entry)
        results = list(zip(clip.frames, decoded(estimator, clip), strict=True))
        for way, lag in WAYS.items():
            chosen = results if lag is None else list(linked(results, lag))
            points = np.stack([poses.keypoints[0, joints] for _, poses in chosen])
            table[way].append(scores(clip, points))
    for way, rows in table.items():
        print(f"{way}, {len(rows)} clips")
        for name, values, before in zip(
            ("PCK@0.2 of the box", "PCK@0.1 of the box", "shaking, box sides"),
            np.array(rows, np.float32).T,
            np.array(table["highest"], np.float32).T,
            strict=True,
        ):
            print(f"  {name}: {interval(values)}, difference {interval(values - before)}")


if __name__ == "__main__":
    main()
