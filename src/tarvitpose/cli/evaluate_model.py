"""`tarvitpose evaluate --weights`: a model on a data set, with and without its temporal part."""

from typing import Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import EvaluateConfig, labelled_videos
from tarvitpose.cli.tables import comparison_table, drawn, headline_table, joints_table
from tarvitpose.evaluation.boxes import open_boxes
from tarvitpose.evaluation.calibration import CALIBRATION, plot_reliability
from tarvitpose.evaluation.comparison import SINGLE_FRAME
from tarvitpose.evaluation.datasets import every_nth
from tarvitpose.evaluation.run import Evaluation, evaluate, load_predictors
from tarvitpose.evaluation.scores import AP, LIMBS_AP, OKS_AP
from tarvitpose.inference.devices import choose_device
from tarvitpose.metrics.posetrack_ap import GROUPS, JOINTS
from tarvitpose.runs.pipeline import RunProgress
from tarvitpose.utils.optional import check_installed
from tarvitpose.utils.words import counted
from tarvitpose.weights.folder import load_config


def score_model(options: EvaluateConfig) -> None:
    """Score a model on a data set, with and without its temporal part."""
    assert options.weights is not None
    assert options.annotations is not None
    videos = labelled_videos(options, load_config(options.weights).joints)
    if options.reliability is not None:
        check_installed("matplotlib", "--reliability", "plot")
    settings: dict[str, Any] = {}
    if options.every > 1:
        videos, settings = every_nth(videos, options.every), {"every": options.every}
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
            samples=options.draws,
            output=options.output,
            overwrite=options.overwrite,
            settings={"precision": predictors[SINGLE_FRAME].engine.precision, **settings},
            on_frames=lambda done, total: show(RunProgress(done, total, people)),
        )
    checks.save_json(options.json_file, numbers(result, options))
    report(result, options)
    if options.reliability is not None:
        plot_reliability(result.reliabilities, options.reliability)


def report(result: Evaluation, options: EvaluateConfig) -> None:
    """Print what an evaluation found, the groups in the paper's order."""
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
    whole = (*by_size, *(each for each in result.comparisons if each.metric == CALIBRATION))
    by_joint = [each for each in result.comparisons if each not in whole]
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
            comparison.metric: {**comparison.numbers, "note": comparison.note}
            for comparison in result.comparisons
        },
        "warnings": result.warnings,
    }
