"""Fit the score curves of weights, so that a score is the share of joints that are right.

    python -m tools.calibrate data/default/runs/stage2/weights data/lspet/train.json \\
        data/default/photographs_train.json=data/coco_kpt

Clips are made of people of the training part, as `evaluate --degradations` makes them of others;
of each data set equally many people, so that scores are right on average over the sets. Each
person's clip has one degradation (of lost frames there is nothing to tell). The curves, one for
each of the modes of --temporal, are written into the folder's config.json.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from tarvitpose.config import CURVES, Curve, TemporalMode
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import DEGRADATIONS
from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.calibration import reliability
from tarvitpose.evaluation.clips import encoded_batches, score_clips
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.atomic import atomic_file

KNOTS = 12  # of a fitted curve, at most
SLOPE = 0.01  # least rise of a fitted curve, so that equal scores stay rare
SHOWN = [kind for kind in DEGRADATIONS if kind != "dropped"]


def main() -> None:
    """Fit a curve and write it."""
    parser = argparse.ArgumentParser(description="Fit the score curve of weights.")
    parser.add_argument("weights", type=Path)
    parser.add_argument(
        "annotations", nargs="+", help="labelled people, as ANNOTATIONS or ANNOTATIONS=IMAGES"
    )
    parser.add_argument("--people", type=int, default=320, help="of each data set")
    given = parser.parse_args()
    torch.set_num_threads(2)
    model = TARViTPose.from_pretrained(str(given.weights))
    raw = model.config.model_copy(update=dict.fromkeys(CURVES.values(), ()))
    model.config = raw
    records = [
        record
        for source in given.annotations
        for record in read_people(source, raw.joints, given.people)
    ]
    rows: dict[TemporalMode, list[tuple[Float32, Float32]]] = {mode: [] for mode in CURVES}
    for at, kind in enumerate(SHOWN):
        clips = validation_clips(records[at :: len(SHOWN)], raw, kind, seed=1)
        encoded = list(encoded_batches(model, clips, torch.device("cpu")))
        for mode, parts in rows.items():
            scored = score_clips(model, encoded, mode)
            seen = scored.visible
            parts.append((scored.temporal_scores[seen], scored.temporal[seen].astype(np.float32)))
            print(f"{kind}, {mode}: {scored.temporal_pck:.1f}", flush=True)
    curves = {
        CURVES[mode]: _fitted(mode, *(np.concatenate(part) for part in zip(*parts, strict=True)))
        for mode, parts in rows.items()
    }
    config = raw.model_copy(update=curves)
    with atomic_file(given.weights / "config.json") as path:
        path.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_people(source: str, joints: JointSet, number: int) -> list[Record]:
    """Read evenly spaced people of a data set, given as ANNOTATIONS or ANNOTATIONS=IMAGES."""
    annotations, _, images = source.partition("=")
    records = read_records(None, Path(annotations), joints, Path(images) if images else None)
    return records[:: max(len(records) // number, 1)][:number]


def fit_curve(scores: ArrayLike, right: ArrayLike) -> tuple[tuple[float, float], ...]:
    """Return points (score, probability) for `ModelConfig.score_curve`.

    `scores` (n,) are raw ones, `right` (n,) tells which joints were right. The curve is an isotonic
    regression, taken at quantiles of the scores and made to rise everywhere, from 0: a heatmap
    without a peak shows no joint, though a few such joints are right by chance. Raises ValueError
    with fewer than two different scores.
    """
    values, hits = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    order = np.argsort(values, kind="stable")
    smooth = isotonic_regression(hits[order]).x
    parts = [part for part in np.array_split(np.arange(len(order)), KNOTS) if len(part)]
    x = np.array([values[order][part].mean() for part in parts])
    y = np.array([smooth[part].mean() for part in parts])
    x, first = np.unique(np.round(x, 4), return_index=True)
    if len(x) < 2:
        raise ValueError("a score curve needs at least two different scores")
    y = (1 - SLOPE) * y[first]
    if x[0] > 0 and x[-1] < 1:
        x, y = np.concatenate([[0], x, [1]]), np.concatenate([[0], y, y[-1:]])
    rising = y + SLOPE * x
    return tuple((round(float(a), 4), round(float(b), 4)) for a, b in zip(x, rising, strict=True))


def _fitted(mode: str, scores: Float32, right: Float32) -> Curve:
    curve = fit_curve(scores, right)
    error = 100 * reliability(scores, right).error
    print(f"{mode}: {len(scores)} joints, error of raw scores {error:.1f}%, curve {curve}")
    return curve


if __name__ == "__main__":
    main()
