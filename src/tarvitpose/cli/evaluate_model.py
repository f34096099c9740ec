"""The ways of `tarvitpose evaluate` that run a model."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import DRAWS, EvaluateConfig
from tarvitpose.cli.tables import (
    comparison_table,
    drawn,
    headline_table,
    joints_table,
    plain_table,
)
from tarvitpose.utils.lists import parse_choices
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.table import Table

    from tarvitpose.data.degrade import Degradation
    from tarvitpose.evaluation.clips import ClipScores
    from tarvitpose.evaluation.run import Evaluation
    from tarvitpose.evaluation.video_jitter import VideoJitter
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.results import FramePoses
    from tarvitpose.runs.pipeline import RunProgress

ALL_DEGRADED = "all degraded"


def score_model(options: EvaluateConfig) -> None:
    """Score a model on a data set, with and without its temporal part."""
    from tarvitpose.evaluation.boxes import open_boxes
    from tarvitpose.evaluation.datasets import every_nth, read_labelled
    from tarvitpose.runs.pipeline import RunProgress
    from tarvitpose.weights.folder import load_config

    assert options.weights is not None
    assert options.annotations is not None
    videos = read_labelled(
        options.layout,
        options.annotations,
        load_config(options.weights).joints,
        images=options.images,
        limit=options.limit,
        set_name=options.set_name,
    )
    settings: dict[str, Any] = {}
    if options.every > 1:
        videos, settings = every_nth(videos, options.every), {"every": options.every}
    from tarvitpose.evaluation.comparison import SINGLE_FRAME
    from tarvitpose.evaluation.run import evaluate, load_predictors
    from tarvitpose.inference.devices import choose_device

    device = choose_device(options.device)
    boxes = open_boxes(options.boxes or "gt", options.box_threshold, device, videos)
    predictors = load_predictors(
        options.weights,
        temporal=options.temporal,
        baselines=options.baselines,
        device=device,
        precision=options.precision,
        flip_test=options.flip_test,
        batch_size=options.batch_size,
    )
    people = sum(len(frame.people.boxes) for video in videos for frame in video.frames)
    with console.progress_bar(options.annotations.name, quiet=False) as show:
        result = evaluate(
            predictors,
            videos,
            boxes,
            samples=DRAWS if options.samples is None else options.samples,
            output=options.output,
            overwrite=options.overwrite,
            settings={"precision": predictors[SINGLE_FRAME].engine.precision, **settings},
            on_frames=lambda done, total: show(RunProgress(done, total, people)),
        )
    checks.save_json(options.json_file, numbers(result, options))
    report(result, options)


def report(result: Evaluation, options: EvaluateConfig) -> None:
    """Print what an evaluation found, the groups in the paper's order."""
    from tarvitpose.evaluation.scores import AP, LIMBS_AP, OKS_AP
    from tarvitpose.metrics.posetrack_ap import GROUPS

    for warning in result.warnings:
        console.warn(warning)
    people = counted(result.people, "person", "people")
    counts = [counted(result.frames, "still"), people]
    if not result.are_stills:
        videos = counted(result.videos, "video")
        counts = [videos, counted(result.frames, "labelled frame"), people]
    part = f", set {options.set_name}" if options.set_name else ""
    title = f"{options.weights} on {options.annotations}{part}: {', '.join(counts)}"
    console.say(f"{title}, boxes: {result.boxes}", style="bold")
    by_size = [each for each in result.comparisons if each.metric in (OKS_AP, LIMBS_AP)]
    by_joint = [each for each in result.comparisons if each not in by_size]
    if by_size:
        console.say(drawn(comparison_table(by_size, list(next(iter(by_size[0].values.values()))))))
    if by_joint:
        console.say(drawn(comparison_table(by_joint, [*GROUPS, "mean"])))
    for comparison in result.comparisons:
        if comparison.note:
            console.say(f"{comparison.metric}: {comparison.note}")
    for comparison in result.comparisons:
        if comparison.metric == AP:
            console.say(f"\n{AP} of each joint")
            console.say(drawn(joints_table(comparison)))
    console.say("\nSummary")
    console.say(drawn(headline_table(result.comparisons)))


def numbers(result: Evaluation, options: EvaluateConfig) -> dict[str, Any]:
    """Return what `--json` holds: `ap` is of the whole model, `metrics` of every mode."""
    from tarvitpose.evaluation.scores import AP
    from tarvitpose.metrics.posetrack_ap import JOINTS

    content: dict[str, Any] = {}
    for comparison in result.comparisons:
        if comparison.metric == AP:
            whole = list(comparison.values.values())[-1]
            content["ap"] = {name: whole[name] for name in (*JOINTS, "mean")}
    return {
        **content,
        "boxes": result.boxes,
        "weights": options.weights,
        "annotations": str(options.annotations),
        **({"set": options.set_name} if options.set_name else {}),
        "flip_test": options.flip_test,
        "videos": result.videos,
        "frames": result.frames,
        "people": result.people,
        "metrics": {
            comparison.metric: {
                "values": comparison.rows,
                "interval95": comparison.intervals,
                "note": comparison.note,
            }
            for comparison in result.comparisons
        },
        "warnings": result.warnings,
    }


def score_clips(options: EvaluateConfig) -> None:
    """Score a model on clips of labelled people, one degradation after the other."""
    from tarvitpose.data.sources import read_records
    from tarvitpose.utils.optional import check_installed
    from tarvitpose.weights.folder import load_config

    assert options.weights is not None
    assert options.annotations is not None
    degradations = parse_degradations(options.degradations or "")
    joints = load_config(options.weights).joints
    records = read_records(
        options.layout, options.annotations, joints, options.images, set_name=options.set_name
    )
    records = records[: options.limit]
    if options.reliability is not None:
        check_installed("matplotlib", "--reliability", "plot")
    from tarvitpose.data.dataset import validation_clips
    from tarvitpose.evaluation.calibration import plot_reliability
    from tarvitpose.evaluation.clips import encoded_batches, side_by_side
    from tarvitpose.evaluation.clips import score_clips as score
    from tarvitpose.inference.devices import choose_device
    from tarvitpose.inference.fast import fold_attention
    from tarvitpose.model.tarvitpose import TARViTPose

    device = choose_device(options.device)
    model = fold_attention(TARViTPose.from_pretrained(options.weights).to(device))
    if not model.config.temporal:
        console.warn(f"{options.weights} has no temporal part: both columns are the same")
    people = counted(len(records), "person", "people")
    title = f"{options.weights} on clips of {options.annotations}: {people}"
    console.say(f"{title}, boxes: ground truth", style="bold")
    console.say(
        "PCK@0.2 of the torso, 95% interval of the gain over people, and the expected calibration "
        "error of the scores (0 to 100, single-frame and temporal)"
    )
    scores: dict[str, ClipScores] = {}
    for degradation in degradations:
        clips = validation_clips(records, model.config, degradation)
        scores[degradation] = score(model, encoded_batches(model, clips, device), options.temporal)
        say_clips(degradation, scores[degradation])
    degraded = [each for name, each in scores.items() if name != "clean"]
    if degraded:
        scores[ALL_DEGRADED] = side_by_side(degraded)
        say_clips(ALL_DEGRADED, scores[ALL_DEGRADED])
    if options.reliability is not None:
        whole = side_by_side([scores[name] for name in degradations])
        single, temporal = whole.single_reliability, whole.temporal_reliability
        plot_reliability({"single-frame": single, "temporal": temporal}, options.reliability)
        console.say(f"reliability of all degradations together: {options.reliability}")
    content = {"boxes": "ground truth", "weights": options.weights, "people": len(records)}
    rows = {name: clip_numbers(each) for name, each in scores.items()}
    checks.save_json(options.json_file, {**content, "pck": rows})


def parse_degradations(text: str) -> tuple[Degradation, ...]:
    """Return the degradations of a list with commas; "all" is every one. Raises ConfigError.

    >>> parse_degradations("dark, clean")
    ('clean', 'dark')
    """
    from tarvitpose.data.degrade import DEGRADATIONS

    names = parse_choices("--degradations", text, DEGRADATIONS, allow_all=True)
    return tuple(name for name in DEGRADATIONS if name in names)


def say_clips(degradation: str, scores: ClipScores) -> None:
    """Print the row of a degradation."""
    gain, low, high = scores.gain
    console.say(
        f"{degradation:12} single-frame {scores.single_pck:5.1f}  "
        f"temporal {scores.temporal_pck:5.1f}  "
        f"difference {gain:+5.1f} ({low:+.1f} to {high:+.1f})  "
        f"calibration error {100 * scores.single_reliability.error:4.1f} "
        f"{100 * scores.temporal_reliability.error:4.1f}"
    )


def clip_numbers(scores: ClipScores) -> dict[str, Any]:
    """Return a degradation's row for JSON."""
    gain, low, high = scores.gain
    return {
        "single-frame": scores.single_pck,
        "temporal": scores.temporal_pck,
        "difference": gain,
        "interval95": (low, high),
        "calibration_error": {
            "single-frame": 100 * scores.single_reliability.error,
            "temporal": 100 * scores.temporal_reliability.error,
        },
    }


def score_videos(options: EvaluateConfig) -> None:
    """Print how much joints tremble in videos, with and without the temporal part."""
    from tarvitpose.evaluation.video_jitter import MIN_SCORE, compare_jitter

    single, temporal = estimators(options)
    jitters: dict[str, VideoJitter] = {}
    for video in options.videos:
        with console.progress_bar(Path(video).name, quiet=False) as show:
            runs = (estimator.stream(video, end=options.end) for estimator in (single, temporal))
            jitters[video] = compare_jitter(*(watched(run, show) for run in runs))
    label = options.boxes or "nanodet"
    title = f"{options.weights} on {counted(len(jitters), 'video')}, boxes: {label}"
    console.say(title, style="bold")
    console.say("Jitter: mean second difference of joints, in pixels and % of the box's height.")
    console.say(
        f"Distance: mean distance of the two modes. Only joints of score {MIN_SCORE:g} or more in "
        "both count."
    )
    console.say(drawn(jitter_table(jitters)))
    content = {"boxes": label, "weights": options.weights}
    rows = {  # `apart` is the mean distance's name of version 0.5
        video: {**asdict(jitter), "apart": jitter.mean_distance}
        for video, jitter in jitters.items()
    }
    checks.save_json(options.json_file, {**content, "videos": rows})


def estimators(options: EvaluateConfig) -> tuple[PoseEstimator, PoseEstimator]:
    """Return the same model and detector without and with other frames. Raises UserError."""
    from tarvitpose.config import EstimatorConfig, NetworkConfig
    from tarvitpose.evaluation.boxes import OWN_DETECTOR, is_file_of_boxes
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.inference.predictor import Predictor
    from tarvitpose.utils.config_files import OPTIONS, parse_config

    network = options.model_dump(include=set(NetworkConfig.model_fields))
    values = {
        **network,
        "weights": options.weights,
        "temporal": options.temporal,
        "box_threshold": options.box_threshold,
    }
    boxes = options.boxes or OWN_DETECTOR
    if is_file_of_boxes(boxes):
        values["boxes"] = boxes
    elif boxes != OWN_DETECTOR:
        values["detector"] = boxes
    temporal = PoseEstimator.from_config(parse_config(EstimatorConfig, values, OPTIONS))
    single = PoseEstimator(
        Predictor(
            temporal.predictor.engine,
            temporal="none",
            flip_test=options.flip_test,
            batch_size=options.batch_size,
        ),
        temporal.detector,
        EstimatorConfig(box_threshold=temporal.config.start_threshold),
    )
    return single, temporal


def watched(run: Iterable[FramePoses], show: Callable[[RunProgress], None]) -> Iterator[FramePoses]:
    """Yield a run's poses and show how far it is."""
    from tarvitpose.runs.pipeline import RunProgress

    for poses in run:
        yield poses
        show(RunProgress(poses.index + 1, None, len(poses)))


def jitter_table(jitters: dict[str, VideoJitter]) -> Table:
    """Return a row for each video."""
    headings = ("", "frames", "tracks", "jitter single", "jitter temporal", "distance", "lag")
    rows = plain_table(headings)
    for video, jitter in jitters.items():
        pairs = (jitter.jitter_single, jitter.jitter_temporal, jitter.mean_distance)
        cells = (  # without a joint that both saw in three frames, there is nothing to tell
            "-" if math.isnan(pixels) else f"{pixels:.2f} px {100 * share:.2f}%"
            for pixels, share in pairs
        )
        lag = "-" if jitter.lag is None else counted(jitter.lag, "frame")
        rows.add_row(Path(video).name, str(jitter.frames), str(jitter.tracks), *cells, lag)
    return rows
