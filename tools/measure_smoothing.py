"""Measure what smoothing does to results of `predict`: jitter, lag, distance to the raw joints.

    python -m tools.measure_smoothing results/dance.npz results/walk.npz

Jitter and distance are in percent of the height of the person's box. Lag is that of slow motion,
the part that a window of 0.4 seconds leaves: jitter, which has no lag, would hide it.
Axes: F frames, J joints.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from tarvitpose import FramePoses, load_poses, smooth
from tarvitpose.config import SmoothMethod
from tarvitpose.metrics.jitter import acceleration, distance, lag, mean_of_known
from tarvitpose.smoothing.runs import LEAST_SCORE
from tarvitpose.utils.arrays import Float64

SLOW = 0.4  # seconds
GRID = 0.002  # seconds, the resolution of the lag
LONGEST = 75  # steps of the grid
METHODS: tuple[SmoothMethod, ...] = ("none", "one-euro", "savgol")


def tracks_of(frames: Sequence[FramePoses]) -> dict[int, tuple[Float64, float]]:
    """Return each track's joints, (F, J, 2), NaN where absent or unsure, and mean box height."""
    shape = (len(frames), len(frames[0].joint_names), 2)
    points: dict[int, Float64] = defaultdict(lambda: np.full(shape, np.nan))
    heights = defaultdict[int, list[float]](list)
    for index, poses in enumerate(frames):
        for person, track in enumerate(poses.track_ids.tolist()):
            sure = poses.scores[person] >= LEAST_SCORE
            points[track][index, sure] = poses.keypoints[person, sure]
            heights[track].append(float(poses.boxes[person, 3] - poses.boxes[person, 1]))
    return {track: (points[track], float(np.mean(heights[track]))) for track in points}


def slow_motion(frames: Sequence[FramePoses]) -> dict[int, Float64]:
    """Return each track's slow motion on a fine grid of time, of joints that are always sure.

    Tracks with a gap are left out.
    """
    slow = tracks_of(list(smooth((as_raw(poses) for poses in frames), "savgol", window=SLOW)))
    times = np.array([poses.time for poses in frames])
    motion = {}
    for track, (points, _) in slow.items():
        present = np.flatnonzero(~np.isnan(points).all((1, 2)))
        span = slice(present[0], present[-1] + 1)
        known = points[span][:, ~np.isnan(points[span]).any((0, 2))]  # (F, J, 2)
        if known.size and len(known) > 1:
            grid = np.arange(times[present[0]], times[present[-1]], GRID)
            motion[track] = CubicSpline(times[span], known)(grid)
    return motion


def as_raw(poses: FramePoses) -> FramePoses:
    """Return poses as if their joints had never been smoothed."""
    return replace(poses, raw_keypoints=None)


def row(raw: Sequence[FramePoses], method: SmoothMethod) -> str:
    """Return the cells of one method."""
    done = list(smooth(raw, method))
    before, after = tracks_of(raw), tracks_of(done)
    jitter = [100 * acceleration(points) / height for points, height in after.values()]
    distances = [
        100 * distance(after[track][0], before[track][0]) / after[track][1] for track in after
    ]
    slow = slow_motion(done)
    steps = lag([(motion, slow[track]) for track, motion in slow_motion(raw).items()], LONGEST)
    seconds = "-" if steps is None else f"{1000 * GRID * steps:.0f} ms"
    median = np.nanmedian(np.concatenate([values.ravel() for values in jitter]))
    return (
        f"{method} | {mean_of_known(jitter):.2f} | {median:.2f} | {seconds} | "
        f"{mean_of_known(distances):.2f}"
    )


def main() -> None:
    """Print a table with a row for each method and file."""
    parser = argparse.ArgumentParser(description="Jitter, lag and distance of smoothed poses.")
    parser.add_argument("results", nargs="+", type=Path, help="files that load_poses reads")
    print("| clip | method | jitter, mean | jitter, median | lag | distance |")
    print("|--|--|--|--|--|--|")
    for path in parser.parse_args().results:
        raw = [as_raw(poses) for poses in load_poses(path)]
        for method in METHODS:
            print(f"| {path.stem} | {row(raw, method)} |")


if __name__ == "__main__":
    main()
