"""`tarvitpose evaluate --degradations`: clips made from labelled people, clean and degraded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import EvaluateConfig
from tarvitpose.cli.tables import LIMBS, drawn, plain_table, shown
from tarvitpose.skeleton import BODY, JointSet
from tarvitpose.utils.lists import parse_choices
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.table import Table

    from tarvitpose.config import RowMode
    from tarvitpose.data.degrade import Degradation
    from tarvitpose.evaluation.clips import ClipScores, Encoded

    Rows = dict[str, dict[RowMode, ClipScores]]  # by degradation and mode

WIDTH = 110
ALL_DEGRADED = "all degraded"
BASELINES: tuple[RowMode, ...] = ("mean-heatmaps", "pooled", "tar", "fused")


def score_clips(options: EvaluateConfig) -> None:
    """Score a model on clips of labelled people, with each degradation."""
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
    from tarvitpose.evaluation.clips import encoded_versions, score_modes, side_by_side
    from tarvitpose.inference.devices import choose_device
    from tarvitpose.inference.fast import fold_attention
    from tarvitpose.model.tarvitpose import TARViTPose

    device = choose_device(options.device)
    model = fold_attention(TARViTPose.from_pretrained(options.weights).to(device))
    if not model.config.temporal:
        console.warn(f"{options.weights} has no temporal part: all rows are the same")
    modes: list[RowMode] = [options.temporal]
    if options.baselines and model.config.temporal:
        modes += [mode for mode in BASELINES if mode != options.temporal]
    people = counted(len(records), "person", "people")
    title = f"{options.weights} on clips of {options.annotations}: {people}"
    console.say(f"{title}, boxes: ground truth", style="bold")
    console.say(
        "PCK@0.2 of the torso, 95% intervals over people, and the expected calibration error of "
        "the scores"
    )
    sets = [validation_clips(records, model.config, each) for each in degradations]
    with console.count_bar(options.annotations.name) as show:
        encoded = watched(encoded_versions(model, sets, device), len(records), show)
        scored = score_modes(model, encoded, modes)
    rows: Rows = {
        degradation: {
            mode: scores.of(slice(at, None, len(sets))) for mode, scores in scored.items()
        }
        for at, degradation in enumerate(degradations)
    }
    whole = {mode: side_by_side([row[mode] for row in rows.values()]) for mode in modes}
    if degraded := [row for degradation, row in rows.items() if degradation != "clean"]:
        rows[ALL_DEGRADED] = {mode: side_by_side([row[mode] for row in degraded]) for mode in modes}
    console.say(drawn(clips_table(rows, joints), WIDTH))
    if options.reliability is not None:
        curves = {label(mode): scores.temporal_reliability for mode, scores in whole.items()}
        single = whole[options.temporal].single_reliability
        plot_reliability({"single-frame": single, **curves}, options.reliability)
        console.say(f"reliability of all degradations together: {options.reliability}")
    content = {"boxes": "ground truth", "weights": options.weights, "people": len(records)}
    numbers = {
        mode: {name: clip_numbers(row[mode], joints) for name, row in rows.items()}
        for mode in modes
    }
    first, *others = modes
    baselines = {"baselines": {label(mode): numbers[mode] for mode in others}} if others else {}
    checks.save_json(options.json_file, {**content, "pck": numbers[first], **baselines})


def parse_degradations(text: str) -> tuple[Degradation, ...]:
    """Return the degradations of a list with commas; "all" is every one. Raises ConfigError.

    >>> parse_degradations("dark, clean")
    ('clean', 'dark')
    """
    from tarvitpose.data.degrade import DEGRADATIONS

    names = parse_choices("--degradations", text, DEGRADATIONS, allow_all=True)
    return tuple(name for name in DEGRADATIONS if name in names)


def label(mode: RowMode) -> str:
    """Return the name of a mode in tables and files."""
    from tarvitpose.evaluation.comparison import MODES

    return mode if mode == "mean-heatmaps" else MODES[mode]


def watched(
    batches: Iterable[Encoded], total: int, show: Callable[[int, int], None]
) -> Iterator[Encoded]:
    """Yield what is encoded of `total` people, and show how many are done."""
    for done, batch in enumerate(batches):
        show(done, total)
        yield batch


def clips_table(rows: Rows, joints: JointSet) -> Table:
    """Return the rows of each degradation: single frames, and each mode beside them."""
    headings = ("PCK@0.2", "95% interval", "over single-frame", "12 limbs", "calibration error")
    table = plain_table(["", "", *headings], left=2)
    for degradation, modes in rows.items():
        first = next(iter(modes.values()))
        between = interval_text(*first.interval(first.single))
        error = shown(100 * first.single_reliability.error)
        limbs = shown(first.of_joints(joints.joints, BODY).single_pck)
        single = ("single-frame", shown(first.single_pck), between, "", limbs, error)
        table.add_row(degradation, *single)
        for mode, scores in modes.items():
            gain, low, high = scores.gain
            table.add_row(
                *("", label(mode), shown(scores.temporal_pck)),
                interval_text(*scores.interval(scores.temporal)),
                f"{shown(gain, '+')} ({interval_text(low, high, '+')})",
                shown(scores.of_joints(joints.joints, BODY).temporal_pck),
                shown(100 * scores.temporal_reliability.error),
            )
    return table


def interval_text(low: float, high: float, sign: str = "") -> str:
    """Return an interval as people read it.

    >>> interval_text(70.21, 78)
    '70.2 to 78.0'
    """
    return f"{shown(low, sign)} to {shown(high, sign)}"


def clip_numbers(scores: ClipScores, joints: JointSet) -> dict[str, Any]:
    """Return a degradation's row for JSON."""
    gain, low, high = scores.gain
    groups = {LIMBS: BODY, **{name: (name,) for name in joints.joints}}
    by_joint = {name: scores.of_joints(joints.joints, group) for name, group in groups.items()}
    return {
        "single-frame": scores.single_pck,
        "temporal": scores.temporal_pck,
        "difference": gain,
        "interval95": (low, high),
        "intervals95": {
            "single-frame": scores.interval(scores.single),
            "temporal": scores.interval(scores.temporal),
        },
        "joints": {
            "single-frame": {name: each.single_pck for name, each in by_joint.items()},
            "temporal": {name: each.temporal_pck for name, each in by_joint.items()},
        },
        "calibration_error": {
            "single-frame": 100 * scores.single_reliability.error,
            "temporal": 100 * scores.temporal_reliability.error,
        },
    }
