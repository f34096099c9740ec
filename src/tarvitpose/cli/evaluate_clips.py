"""`tarvitpose evaluate --degradations`: a model on clips made from stills of labelled people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tarvitpose.cli import checks, console
from tarvitpose.cli.evaluate_options import EvaluateConfig
from tarvitpose.utils.lists import parse_choices
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from tarvitpose.data.degrade import Degradation
    from tarvitpose.evaluation.clips import ClipScores

ALL_DEGRADED = "all degraded"


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
