"""`tarvitpose evaluate --predictions`: poses in files against labels, or against a correction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import EvaluateConfig
from tarvitpose.cli.tables import (
    ap_table,
    correction_table,
    drawn,
    mota_table,
    tracking_table,
)
from tarvitpose.errors import DataError
from tarvitpose.evaluation.comparison import Intervals
from tarvitpose.evaluation.corrections import compare
from tarvitpose.evaluation.posetrack_pairs import read_videos
from tarvitpose.formats.posetrack_layout import NO_SCORE
from tarvitpose.formats.reading import load_poses
from tarvitpose.metrics.posetrack_ap import (
    FramePair,
    Matches,
    aggregate,
    bootstrap,
    interval,
    match,
    present,
)
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from tarvitpose.evaluation.track_scores import TrackScorer

UNKNOWN_BOXES = "unknown"  # files of poses do not say whose boxes they come from


def score_files(options: EvaluateConfig) -> None:
    """Score PoseTrack JSON by PoseTrack's average precision, as poseval does, and its tracks."""
    assert options.predictions is not None
    assert options.annotations is not None
    scorer = None
    if options.tracks:
        from tarvitpose.evaluation.track_scores import TrackScorer  # needs SciPy, AP does not

        scorer = TrackScorer(options.predictions)
    videos = read_matches(options.predictions, options.annotations, scorer)
    number = counted(len(videos), "video")
    title = f"of {options.predictions}, {number}, boxes: {UNKNOWN_BOXES}"
    content: dict[str, Any] = {}
    if scorer is None or not scorer.without_head:
        content = score_ap(videos, options.samples or 0, f"PoseTrack AP {title}")
    if scorer is not None:
        content |= score_tracks(scorer, options.samples or 0, f"Tracks {title}")
    checks.save_json(options.json_file, {**content, "boxes": UNKNOWN_BOXES})


def score_correction(options: EvaluateConfig) -> None:
    """Score a file of poses against what somebody corrected."""
    assert options.predictions is not None
    assert options.correction is not None
    predicted, corrected = load_poses(options.predictions), load_poses(options.correction)
    try:
        result = compare(predicted, corrected)
    except DataError as error:
        raise DataError(f"{options.correction}: {error}") from None
    number = counted(len(result.sizes) + result.missed, "person", "people")
    console.say(f"{options.predictions} against {options.correction}", style="bold")
    if rows := result.rows():
        console.say(drawn(correction_table(rows)))
    console.say(
        f"{number} in {counted(len(corrected), 'frame')}, each counted in each frame; "
        f"{result.missed} not predicted, {result.extra} predicted and removed"
    )
    people = {"people": len(result.sizes), "missed": result.missed, "extra": result.extra}
    checks.save_json(options.json_file, {**people, "joints": rows})


def score_ap(videos: list[Matches], samples: int, title: str) -> dict[str, Any]:
    """Print PoseTrack's average precision, and return it for JSON."""
    result = aggregate(videos)
    ranges = intervals(videos, samples)
    console.say(title, style="bold")
    console.say(drawn(ap_table(result, ranges)))
    names = (*result.joints, "mean")
    content: dict[str, Any] = {"ap": {name: result.columns[name] for name in names}}
    if ranges:
        content["interval95"] = {name: ranges[name] for name in names}
    return content


def score_tracks(scorer: TrackScorer, samples: int, title: str) -> dict[str, Any]:
    """Print the scores of identities, and return them for JSON."""
    people, joints = scorer.scores(), scorer.joint_scores()
    several = len(scorer.people) > 1
    of_people, of_joints = scorer.intervals(samples if several else 0)
    console.say(title, style="bold")
    console.say(drawn(tracking_table(people, of_people)))
    if joints:
        console.say("PoseTrack MOTA of each joint")
        console.say(drawn(mota_table(joints, of_joints)))
    else:
        number = counted(scorer.without_head, "labelled person", "labelled people")
        console.warn(f"{number} without a head: no PoseTrack AP and no PoseTrack MOTA")
    content = {"tracks": people, "posetrack_mota": joints}
    if not of_people:
        return content
    return {**content, "tracks_interval95": of_people, "posetrack_mota_interval95": of_joints}


def read_matches(
    predictions: Path, annotations: Path, scorer: TrackScorer | None = None
) -> list[Matches]:
    """Read and match each video, one in memory at a time where each has its file.

    A `scorer` counts its tracks. Warns of joints without a score, and of frames that other names
    made match by order.
    """
    videos, unscored = [], 0
    renamed: list[str] = []
    tracks = scorer is not None
    for pairs in read_videos(predictions, annotations, renamed.append, tracks=tracks):
        unscored += count_unscored(pairs)
        videos.append(match(pairs))
        if scorer is not None:
            scorer.add(pairs)
    if renamed:
        number = counted(len(renamed), "video")
        console.warn(
            f"{number} with other frame names than annotated, matched by order as poseval does "
            f"(the first: {renamed[0]})"
        )
    if unscored:
        number = counted(unscored, "predicted joint")
        console.warn(f"{number} without a score, ranked below all others and misses first")
    return videos


def count_unscored(pairs: list[FramePair]) -> int:
    """Return how many predicted joints have no score in their file."""
    frames = [predicted for _, predicted in pairs]
    return sum(int((frame.scores[present(frame.keypoints)] == NO_SCORE).sum()) for frame in frames)


def intervals(videos: list[Matches], samples: int) -> Intervals:
    """Return the 95% intervals of the groups, the joints and the mean; none without samples."""
    if samples and len(videos) == 1:
        console.warn("--bootstrap draws whole videos, but only one is given: no interval")
    if not samples or len(videos) == 1:
        return {}
    draws = [result.columns for result in bootstrap(videos, samples)]
    return {name: interval(draw[name] for draw in draws) for name in draws[0]}
