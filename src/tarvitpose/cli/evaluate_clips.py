"""`tarvitpose evaluate --degradations`: clips made from labelled people, clean and degraded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import DRAWS, EvaluateConfig, parse_degradations
from tarvitpose.cli.tables import comparison_table, drawn, headline_table
from tarvitpose.config import RowMode
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.calibration import ScoredJoints, plot_reliability
from tarvitpose.metrics.posetrack_ap import GROUPS
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.optional import check_installed
from tarvitpose.utils.words import counted
from tarvitpose.weights.folder import load_config

if TYPE_CHECKING:  # which loads PyTorch
    from tarvitpose.evaluation.clips import Encoded

BASELINES: tuple[RowMode, ...] = ("mean-heatmaps", "pooled", "tar", "fused")


def score_clips(options: EvaluateConfig) -> None:
    """Score a model on clips of labelled people, with each degradation."""
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
    from tarvitpose.evaluation.clip_scores import scored_clips
    from tarvitpose.evaluation.clips import encoded_versions, score_modes
    from tarvitpose.inference.devices import choose_device
    from tarvitpose.inference.fast import fold_attention
    from tarvitpose.model.tarvitpose import TARViTPose

    device = choose_device(options.device)
    model = fold_attention(TARViTPose.from_pretrained(options.weights).to(device))
    if not model.config.temporal:
        console.warn(f"{options.weights} has no temporal part: all modes are the same")
    modes: list[RowMode] = [options.temporal]
    if options.baselines and model.config.temporal:
        modes = [*(mode for mode in BASELINES if mode != options.temporal), options.temporal]
    people = counted(len(records), "person", "people")
    title = f"{options.weights} on clips of {options.annotations}: {people}"
    console.say(f"{title}, boxes: ground truth", style="bold")
    sets = [validation_clips(records, model.config, each) for each in degradations]
    with console.count_bar(options.annotations.name) as show:
        encoded = watched(encoded_versions(model, sets, device), len(records), show)
        parts = scored_clips(score_modes(model, encoded, modes), degradations)
    keys = report(parts, joints)
    if options.reliability is not None:
        curves = next(reversed(parts.values())).reliabilities
        plot_reliability(curves, options.reliability)
        console.say(f"reliability of {next(reversed(parts))}: {options.reliability}")
    content = {"boxes": "ground truth", "weights": options.weights, "people": len(records)}
    checks.save_json(options.json_file, content | keys)


def report(parts: dict[str, ScoredJoints], joints: JointSet) -> dict[str, Any]:
    """Print PCK and calibration error by degradation, and return them for JSON."""
    from tarvitpose.evaluation.clip_scores import clip_comparisons

    results = [clip_comparisons(name, part, joints, DRAWS) for name, part in parts.items()]
    accuracy, calibration = ([row[at] for row in results] for at in range(2))
    console.say("PCK@0.2 of the torso")
    console.say(drawn(comparison_table(accuracy, [*GROUPS, "mean"])))
    console.say("\nSummary: PCK@0.2, 95% intervals over people")
    console.say(drawn(headline_table(accuracy)))
    console.say("\nExpected calibration error of the scores")
    console.say(drawn(headline_table(calibration)))
    return {
        "pck": {each.metric: each.numbers for each in accuracy},
        "calibration_error": {each.metric: each.numbers for each in calibration},
    }


def watched(
    batches: Iterable[Encoded], total: int, show: Callable[[int, int], None]
) -> Iterator[Encoded]:
    """Yield what is encoded of `total` people, and show how many are done."""
    for done, batch in enumerate(batches):
        show(done, total)
        yield batch
