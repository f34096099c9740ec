"""What smoothing does to results of `predict`: how steady, how late, how far from the raw joints.

    python -m tools.measure_smoothing results/dance.npz results/walk.npz

Jitter and distance are in percent of the height of the person's box. Delay is how much later slow
motion comes (what a window of 0.4 seconds leaves of it); with the shaking in it, which is on time
in whatever is left of it, the delay of motion would not be seen.   Axes: F frames, J joints.
"""

from __future__ import annotations

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
GRID = 0.002  # seconds, in which the delay is found
LONGEST = 75  # of these
METHODS: tuple[SmoothMethod, ...] = ("none", "one-euro", "savgol")


def tracks_of(frames: Sequence[FramePoses]) -> dict[int, tuple[Float64, float]]:
    """Return each person's joints, (F, J, 2), NaN where unsure or away, and mean box height."""
    shape = (len(frames), len(frames[0].joint_names), 2)
    points: dict[int, Float64] = defaultdict(lambda: np.full(shape, np.nan))
    heights = defaultdict[int, list[float]](list)
    for place, poses in enumerate(frames):
        for person, track in enumerate(poses.track_ids.tolist()):
            sure = poses.scores[person] >= LEAST_SCORE
            points[track][place, sure] = poses.keypoints[person, sure]
            heights[track].append(float(poses.boxes[person, 3] - poses.boxes[person, 1]))
    return {track: (points[track], float(np.mean(heights[track]))) for track in points}


def slow_motion(frames: Sequence[FramePoses]) -> dict[int, Float64]:
    """Return each person's slow motion on a fine grid of time, of the joints that are always sure.

    Who is away for a while between two frames is left out.
    """
    slow = tracks_of(list(smooth((as_raw(one) for one in frames), "savgol", window=SLOW)))
    times = np.array([poses.time for poses in frames])
    found = {}
    for track, (points, _) in slow.items():
        here = np.flatnonzero(~np.isnan(points).all((1, 2)))
        span = slice(here[0], here[-1] + 1)
        known = points[span][:, ~np.isnan(points[span]).any((0, 2))]  # (F, J, 2)
        if known.size and len(known) > 1:
            grid = np.arange(times[here[0]], times[here[-1]], GRID)
            found[track] = CubicSpline(times[span], known)(grid)
    return found


def as_raw(poses: FramePoses) -> FramePoses:
    """Return poses as if their joints had never been smoothed."""
    return replace(poses, raw_keypoints=None)


def row(raw: Sequence[FramePoses], method: SmoothMethod) -> str:
    """Return the cells of one method."""
    done = list(smooth(raw, method))
    before, after = tracks_of(raw), tracks_of(done)
    jitter = [100 * acceleration(points) / height for points, height in after.values()]
    apart = [100 * distance(after[track][0], before[track][0]) / after[track][1] for track in after]
    slow = slow_motion(done)
    late = lag([(one, slow[track]) for track, one in slow_motion(raw).items()], LONGEST)
    delay = "-" if late is None else f"{1000 * GRID * late:.0f} ms"
    usual = np.nanmedian(np.concatenate([one.ravel() for one in jitter]))
    return (
        f"{method} | {mean_of_known(jitter):.2f} | {usual:.2f} | {delay} | "
        f"{mean_of_known(apart):.2f}"
    )


def main() -> None:
    """Print a table with a row for each method and file."""
    parser = argparse.ArgumentParser(description="What smoothing does to results of predict.")
    parser.add_argument("results", nargs="+", type=Path, help="files that load_poses reads")
    print("| clip | method | jitter, mean | jitter, median | delay | from raw |")
    print("|--|--|--|--|--|--|")
    for path in parser.parse_args().results:
        raw = [as_raw(one) for one in load_poses(path)]
        for method in METHODS:
            print(f"| {path.stem} | {row(raw, method)} |")


if __name__ == "__main__":
    main()
