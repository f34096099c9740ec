"""Fit the score curves of weights, so that a score is the share of joints that are right.

    python -m tools.calibrate data/default/runs/stage2/weights data/lspet/train.json
    python -m tools.calibrate data/default/runs/stage2/weights data/lspet/train.json \\
        data/default/photographs_train.json=data/coco_kpt --flip-test

Clips are made of people of the training part, as `evaluate --degradations` makes them of others;
of each data set equally many people, so that scores are right on average over the sets. Each
person's clip has one degradation (of lost frames there is nothing to tell). The curves, one for
each of the modes of --temporal, or that of single frames with the flip test alone, are written into
the folder's config.json.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from tarvitpose import heatmaps as codec
from tarvitpose.config import ALL_CURVES, CURVES, FLIP_CURVE, Curve, window_offsets
from tarvitpose.data.dataset import ClipDataset, validation_clips
from tarvitpose.data.degrade import DEGRADATIONS
from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.calibration import reliability
from tarvitpose.evaluation.clips import encoded_batches, score_modes
from tarvitpose.inference.engine import FlipTestEngine
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import hits, torso_size
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.atomic import atomic_file

KNOTS = 12  # of a fitted curve, at most
SLOPE = 0.01  # least rise of a fitted curve, so that equal scores stay rare
Scored = dict[str, Float32]  # by the field of a curve, (2, n): raw scores, and 1 where right
SHOWN = [kind for kind in DEGRADATIONS if kind != "dropped"]


def main() -> None:
    """Fit a curve and write it."""
    parser = argparse.ArgumentParser(description="Fit the score curve of weights.")
    parser.add_argument("weights", type=Path)
    parser.add_argument(
        "annotations", nargs="+", help="labelled people, as ANNOTATIONS or ANNOTATIONS=IMAGES"
    )
    parser.add_argument("--people", type=int, default=320, help="of each data set")
    parser.add_argument(
        "--flip-test", action="store_true", help="fit the curve of single pictures alone"
    )
    given = parser.parse_args()
    torch.set_num_threads(2)
    model = TARViTPose.from_pretrained(str(given.weights))
    fields = [FLIP_CURVE] if given.flip_test else [*CURVES.values()]
    config = model.config
    model.config = config.model_copy(update=dict.fromkeys(ALL_CURVES, ()))
    records = [
        record
        for source in given.annotations
        for record in read_people(source, config.joints, given.people)
    ]
    score = score_flip_test if given.flip_test else score_all_modes
    parts: list[Scored] = []
    for at, kind in enumerate(SHOWN):
        clips = validation_clips(records[at :: len(SHOWN)], model.config, kind, seed=1)
        parts.append(score(model, clips))
        shares = {field: f"{100 * right.mean():.1f}" for field, (_, right) in parts[-1].items()}
        print(f"{kind}, PCK: {shares}", flush=True)
    curves = {
        field: _fitted(field, *np.concatenate([part[field] for part in parts], 1))
        for field in fields
    }
    with atomic_file(given.weights / "config.json") as path:
        fitted = config.model_copy(update=curves)
        path.write_text(fitted.model_dump_json(indent=2) + "\n", encoding="utf-8")


def score_all_modes(model: TARViTPose, clips: ClipDataset) -> Scored:
    """Return raw scores of the labelled joints of clips and which are right, of each mode."""
    rows = score_modes(model, encoded_batches(model, clips, torch.device("cpu")), [*CURVES])
    scored: Scored = {}
    for mode, field in CURVES.items():
        seen = rows[mode].visible
        scored[field] = np.stack([rows[mode].temporal_scores[seen], rows[mode].temporal[seen]])
    return scored


def score_flip_test(model: TARViTPose, clips: ClipDataset) -> Scored:
    """Return raw scores of the labelled joints of the current frames, with the flip test."""
    engine = FlipTestEngine(TorchEngine(model, device="cpu", precision="fp32"))
    current = window_offsets(model.config.offsets)[1]
    rows = []
    for clip in (clips[at] for at in range(len(clips))):
        heatmaps = engine.single_frame(clip["clip"][current].numpy()[None])
        points, scores = codec.decode(heatmaps, model.config.input_size, model.config.codec)
        truth, seen = clip["keypoints"].numpy()[None], clip["visible"].numpy()[None] > 0
        torso = torso_size(truth, seen, model.config.joints)
        seen = seen & np.isfinite(torso)[:, None]
        right = hits(points, truth, torso, TORSO_SHARE)
        rows.append(np.stack([scores[seen], right[seen]]))
    return {FLIP_CURVE: np.concatenate(rows, 1)}


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


def _fitted(field: str, scores: Float32, right: Float32) -> Curve:
    curve = fit_curve(scores, right)
    error = 100 * reliability(scores, right).error
    print(f"{field}: {len(scores)} joints, error of raw scores {error:.1f}%, curve {curve}")
    return curve


if __name__ == "__main__":
    main()
