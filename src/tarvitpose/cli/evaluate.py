"""`tarvitpose evaluate`: scores of a model's poses, or of poses in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_model import parse_degradations, score_clips, score_model, score_videos
from tarvitpose.cli.evaluate_options import EvaluateConfig, check_files
from tarvitpose.cli.options import with_options
from tarvitpose.cli.tables import ap_table, drawn

if TYPE_CHECKING:
    from tarvitpose.cli.tables import Intervals
    from tarvitpose.metrics.posetrack_ap import FramePair, Matches

UNKNOWN_BOXES = "unknown"  # files of poses do not say whose boxes they come from


@with_options(EvaluateConfig)
def run(*, config: EvaluateConfig) -> None:
    """Score poses against labels.

    With --weights a model is scored with and without its temporal part: PoseTrack's AP and PCK,
    COCO's AP (--format coco), PCK of clips made from stills (--degradations), or jitter (--videos).
    With --predictions, files are scored: PoseTrack's AP as poseval computes it, for any of its
    formats.
    """
    mode = config.mode()
    if config.degradations is not None:
        parse_degradations(config.degradations)
    check_files(config)
    SCORERS[mode](config)


def score_files(options: EvaluateConfig) -> None:
    """Score PoseTrack JSON by PoseTrack's average precision, as poseval does."""
    from tarvitpose.metrics.posetrack_ap import aggregate

    assert options.predictions is not None
    assert options.annotations is not None
    videos = read_matches(options.predictions, options.annotations)
    result = aggregate(videos)
    ranges = intervals(videos, options.samples or 0)
    names = (*result.joints, "mean")
    content: dict[str, Any] = {"ap": {name: result.columns[name] for name in names}}
    if ranges:
        content["interval95"] = {name: ranges[name] for name in names}
    checks.save_json(options.json_file, {**content, "boxes": UNKNOWN_BOXES})
    counted = console.counted(len(videos), "video")
    title = f"PoseTrack AP of {options.predictions}, {counted}, boxes: {UNKNOWN_BOXES}"
    console.say(title, style="bold")
    console.say(drawn(ap_table(result, ranges)))


def read_matches(predictions: Path, annotations: Path) -> list[Matches]:
    """Read and match each video, one in memory at a time where each has its file.

    Warns of joints without a score, and of frames that other names made match by order.
    """
    from tarvitpose.evaluation.posetrack_pairs import read_videos
    from tarvitpose.metrics.posetrack_ap import match

    videos, unscored = [], 0
    renamed: list[str] = []
    for pairs in read_videos(predictions, annotations, renamed.append):
        unscored += count_unscored(pairs)
        videos.append(match(pairs))
    if renamed:
        number = console.counted(len(renamed), "video")
        console.warn(
            f"{number} with other frame names than annotated, matched by order as poseval does "
            f"(the first: {renamed[0]})"
        )
    if unscored:
        number = console.counted(unscored, "predicted joint")
        console.warn(f"{number} without a score, ranked below all others and misses first")
    return videos


def count_unscored(pairs: list[FramePair]) -> int:
    """Return how many predicted joints have no score in their file."""
    from tarvitpose.formats.posetrack_layout import NO_SCORE
    from tarvitpose.metrics.posetrack_ap import present

    frames = [predicted for _, predicted in pairs]
    return sum(int((frame.scores[present(frame.keypoints)] == NO_SCORE).sum()) for frame in frames)


def intervals(videos: list[Matches], samples: int) -> Intervals:
    """Return the 95% intervals of the groups, the joints and the mean; none without samples."""
    from tarvitpose.metrics.posetrack_ap import bootstrap, interval

    if samples and len(videos) == 1:
        console.warn("--bootstrap draws whole videos, but only one is given: no interval")
    if not samples or len(videos) == 1:
        return {}
    draws = [result.columns for result in bootstrap(videos, samples)]
    return {name: interval(draw[name] for draw in draws) for name in draws[0]}


SCORERS = {
    "predictions": score_files,
    "weights": score_model,
    "degradations": score_clips,
    "videos": score_videos,
}
