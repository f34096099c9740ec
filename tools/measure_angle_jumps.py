"""Measure on JHMDB how often joint angles jump, and how often a jump is a mistake.

    python -m tools.measure_angle_jumps data/jhmdb --split val

The labelled person of each clip is predicted as `predict --boxes` does, with labelled boxes.
Exact angles are those of the labelled joints, seen from where the prediction says that the person
faces. A step is from one frame in which an angle is known to the next; it is wrong where the
predicted angle is more than 30 degrees off at either end. Intervals are bootstrapped over clips.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose import PoseEstimator
from tarvitpose.angles.definitions import BY_NAME
from tarvitpose.angles.landmarks import landmarks
from tarvitpose.angles.series import angles_of, joint_angles
from tarvitpose.metrics.pck import ratio_interval
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float32, Float64
from tarvitpose.visualization.report_angles import FASTEST, JUMP

LIMITS = (30.0, JUMP, 50.0, 60.0)
WRONG = 30.0  # degrees
COUNTS = ("exact steps", "exact jumps", "steps", "wrong", "jumps", "wrong jumps")


def labelled_joints(entry: dict[str, Any], size: tuple[int, int]) -> Float32:
    """Return the labelled joints of a clip, (F, 12, 2), NaN outside the picture."""
    labels = np.array(entry["xy"], np.float32)
    labels[(labels < 0).any(-1) | (labels >= np.array(size)).any(-1)] = np.nan
    return labels


def predicted(folder: Path, entry: dict[str, Any], weights: str) -> list[FramePoses]:
    """Return the poses of a clip in its labelled boxes."""
    boxes = [
        {"image_id": at, "bbox": [x, y, right - x, bottom - y], "score": 1.0, "track_id": 1}
        for at, (x, y, right, bottom) in enumerate(entry["boxes"])
    ]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "boxes.json"
        path.write_text(json.dumps(boxes), encoding="utf-8")
        estimator = PoseEstimator.from_pretrained(weights, boxes=path)
        return list(estimator.stream(folder / entry["file"]))


def count_steps(
    poses: list[FramePoses], labels: Float32, joints: tuple[str, ...], limit: float
) -> dict[str, Float64]:
    """Return `COUNTS` of one clip of all angles and by their names."""
    counts: dict[str, Float64] = defaultdict(lambda: np.zeros(len(COUNTS)))
    for series in joint_angles(poses):
        at = series.frames[series.frames < len(labels)]
        seen = np.asarray(np.isfinite(labels[at]).all(-1), np.float32)
        exact = angles_of(landmarks(joints, labels[at], seen, 0.5), series.facing[: len(at)])
        for name in (name for name in exact if BY_NAME[name].joint):
            truth, degrees = exact[name], series.degrees[name][: len(at)]
            error = np.abs((degrees - truth + 180) % 360 - 180)
            steps = _steps(truth, series.times, limit) + _steps(degrees, series.times, limit, error)
            for kind in ("all", name.partition("_")[2]):
                counts[kind] += steps
    return counts


def _steps(
    degrees: Float64, times: Float64, limit: float, error: Float64 | None = None
) -> tuple[float, ...]:
    """Return how many steps and jumps there are; with errors those whose error is known alone."""
    known = np.flatnonzero(np.isfinite(degrees))
    size = np.abs(np.diff(degrees[known]))
    if error is None:
        size = np.minimum(size, 360 - size)  # not unwrapped
    jumps = (size >= limit) & (size >= FASTEST * np.diff(times[known]))
    if error is None:
        return len(size), jumps.sum()
    worst = np.maximum(error[known[:-1]], error[known[1:]])
    sure = np.isfinite(worst)
    wrong = worst > WRONG
    return sure.sum(), wrong.sum(), (jumps & sure).sum(), (jumps & wrong).sum()


def share(part: Float64, whole: Float64) -> str:
    """Return a share of sums over clips with its 95% interval."""
    if not whole.any():
        return "none"
    low, high = ratio_interval(part, whole, samples=5000)
    total = part.sum() / whole.sum()
    return f"{part.sum():.0f} of {whole.sum():.0f}: {total:.1%} ({low:.1%} to {high:.1%})"


def options(description: str) -> argparse.ArgumentParser:
    """Return what a measurement on JHMDB takes: folder, split and weights."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="val", choices=["train", "val"])
    parser.add_argument("--weights", default="default")
    return parser


def read_labels(folder: Path, split: str) -> dict[str, Any]:
    """Return the content of `labels.json`, the clips of one split alone."""
    content: dict[str, Any] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return {**content, "clips": [clip for clip in content["clips"] if clip["split"] == split]}


def main() -> None:
    """Print a block for each limit, and a line for each joint."""
    given = options("Measure how often angles jump on JHMDB.").parse_args()
    content = read_labels(given.folder, given.split)
    clips = [
        (predicted(given.folder, entry, given.weights), labelled_joints(entry, content["size"]))
        for entry in content["clips"]
    ]
    for limit in LIMITS:
        tables = [count_steps(*clip, tuple(content["joints"]), limit) for clip in clips]
        print(f"{limit:.0f} degrees, {len(clips)} clips")
        for kind in sorted({kind for table in tables for kind in table}):
            exact, exact_jumps, steps, wrong, jumps, wrong_jumps = np.stack(
                [table[kind] for table in tables], 1
            )
            print(f"  {kind}")
            print(f"    exact angles jump: {share(exact_jumps, exact)}")
            print(f"    predicted ones jump: {share(jumps, steps)}")
            print(f"    of the jumps wrong: {share(wrong_jumps, jumps)}")
            print(f"    steps wrong: {share(wrong, steps)}")
            print(f"    of the wrong steps jump: {share(wrong_jumps, wrong)}")
        any_in = np.sum([table["all"] > 0 for table in tables], 0)
        print(
            "  clips with", ", ".join(f"{name} {n}" for name, n in zip(COUNTS, any_in, strict=True))
        )


if __name__ == "__main__":
    main()
