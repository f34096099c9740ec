"""`tarvitpose evaluate --motion`: labelled videos by how fast joints move, beside baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import EvaluateConfig, labelled_videos
from tarvitpose.cli.tables import drawn, plain_table, shown
from tarvitpose.errors import ConfigError, DataError
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from rich.table import Table

    from tarvitpose.evaluation.comparison import ModeComparison
    from tarvitpose.evaluation.motion_scores import MotionScores

WIDTH = 120
SEED = 0  # of degradations and shifted boxes


def score_motion(options: EvaluateConfig) -> None:
    """Score a model and baselines on labelled videos, clean, degraded and with shifted boxes."""
    from tarvitpose.evaluation.comparison import TEMPORAL
    from tarvitpose.evaluation.datasets import every_nth
    from tarvitpose.weights.folder import load_config

    assert options.weights is not None
    assert options.annotations is not None
    config = load_config(options.weights)
    if not config.temporal:
        raise ConfigError(f"{options.weights}: has no temporal part, which --motion compares")
    videos = labelled_videos(options, config.joints)
    if videos[0].are_stills:
        raise DataError(f"{options.annotations}: has stills; --motion needs labelled videos")
    from tarvitpose.evaluation.motion import estimate
    from tarvitpose.evaluation.motion_scores import score_motion as score
    from tarvitpose.evaluation.motion_scores import video_speeds
    from tarvitpose.evaluation.run import load_predictors

    speeds = video_speeds(videos)
    if options.every > 1:
        videos = every_nth(videos, options.every)
    predictor = load_predictors(
        options.weights,
        baselines=True,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
    )[TEMPORAL]
    total = sum(len(frame.people.boxes) for video in videos for frame in video.frames)
    done = 0
    with console.count_bar(options.annotations.name) as show:

        def count(people: int) -> None:
            nonlocal done
            done += people
            show(done, total)

        joints = estimate(predictor, videos, seed=SEED, on_people=count)
    scores = score(videos, speeds, joints, config.joints, options.draws)
    size = f"{counted(len(videos), 'video')}, {counted(total, 'person', 'people')}"
    title = f"{options.weights} on {options.annotations}: {size}"
    console.say(f"{title}, boxes: ground truth", style="bold")
    report(scores)
    content = {"boxes": "ground truth", "weights": options.weights, "seed": SEED}
    counts = {"videos": len(videos), "people": total, "every": options.every}
    checks.save_json(options.json_file, {**content, **counts, **numbers(scores)})


def report(scores: MotionScores) -> None:
    """Print the estimators of each condition below each other."""
    low, high = scores.limits
    console.say(
        f"Thirds by a joint's motion from frame to frame: up to {low:.2f}% of the box's longer "
        f"side, up to {high:.2f}%, and more. 95% intervals over videos."
    )
    for metric, conditions in scores.comparisons.items():
        for condition, comparison in conditions.items():
            console.say(f"\n{metric}, {condition}")
            console.say(drawn(condition_table(comparison, scores.joints), WIDTH))


def condition_table(comparison: ModeComparison, joints: dict[str, int]) -> Table:
    """Return the estimators, and their differences with intervals."""
    from tarvitpose.evaluation.comparison import DIFFERENCES

    rows = plain_table(["", *(f"{name} ({count})" for name, count in joints.items())])
    for mode, values in comparison.rows.items():
        if mode not in DIFFERENCES:
            rows.add_row(mode, *(shown(value) for value in values.values()))
            continue
        ends = comparison.intervals.get(mode, {})
        cells = []
        for name, value in values.items():
            between = "..".join(shown(end, "+") for end in ends.get(name, ()))
            cells.append(f"{shown(value, '+')} ({between})" if between else shown(value, "+"))
        rows.add_row(mode, *cells)
    return rows


def numbers(scores: MotionScores) -> dict[str, Any]:
    """Return what `--json` holds."""
    return {
        "limits": scores.limits,
        "joints": scores.joints,
        "motion": {
            metric: {condition: each.numbers for condition, each in conditions.items()}
            for metric, conditions in scores.comparisons.items()
        },
    }
