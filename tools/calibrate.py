"""Fit the score curve of weights, so that a score is the share of joints that are right.

    python tools/calibrate.py .work/runs/stage2/weights ../shared/data/lspet/train.json

Clips are made of people of the training part, as the benchmark of `evaluate --kinds` makes them of
others, each person's spoilt in one of the kinds (of lost frames there is nothing to tell). The
curve is one for both modes, single-frame and temporal. It is written into the folder's config.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import KINDS
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.calibration import fit_curve, reliability
from tarvitpose.evaluation.clips import encoded_batches, score_clips
from tarvitpose.files import replace_when_done
from tarvitpose.model.tarvitpose import TARViTPose

SHOWN = [kind for kind in KINDS if kind != "dropped"]


def main() -> None:
    """Fit a curve and write it."""
    parser = argparse.ArgumentParser(description="Fit the score curve of weights.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("annotations", type=Path, help="labelled stills (COCO layout)")
    parser.add_argument("--people", type=int, default=320)
    given = parser.parse_args()
    torch.set_num_threads(2)
    model = TARViTPose.from_pretrained(str(given.weights))
    raw = model.config.model_copy(update={"score_curve": ()})
    model.config = raw
    records = read_records("coco", given.annotations, raw.joints)
    records = records[:: max(len(records) // given.people, 1)][: given.people]
    scores, right = [], []
    for at, kind in enumerate(SHOWN):
        clips = validation_clips(records[at :: len(SHOWN)], raw, kind, seed=1)
        found = score_clips(model, encoded_batches(model, clips, torch.device("cpu")))
        scores += [part[found.visible] for part in (found.temporal_scores, found.single_scores)]
        right += [part[found.visible] for part in (found.temporal, found.single)]
        print(f"{kind}: {found.single_pck:.1f} single-frame, {found.temporal_pck:.1f}", flush=True)
    every, hits = np.concatenate(scores), np.concatenate(right)
    curve = fit_curve(every, hits)
    print(f"{len(every)} joints, error of raw scores {100 * reliability(every, hits).error:.1f}%")
    print(curve)
    config = raw.model_copy(update={"score_curve": curve})
    with replace_when_done(given.weights / "config.json") as path:
        path.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
