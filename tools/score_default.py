"""Score weights on held-out stills turned into clips: with and without the temporal part.

python tools/score_default.py --annotations ../shared/data/lspet/val.json --kinds clean motion_blur
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from tarvitpose.data.coco import read_coco
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import KINDS
from tarvitpose.evaluation.clips import ClipScores, encoded_batches, score_clips
from tarvitpose.model.tarvitpose import TARViTPose


def main() -> None:
    """Print one row for each kind of spoilt current frame, and one for all spoilt ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--limit", type=int, default=None, help="people; all if not given")
    arguments = parser.parse_args()
    model = TARViTPose.from_pretrained(arguments.weights)
    records = read_coco(arguments.annotations, model.config.joints)[: arguments.limit]
    print(f"{len(records)} people, PCK@0.2 of the torso, 95% interval of the gain over clips")
    spoilt = []
    for kind in arguments.kinds:
        clips = validation_clips(records, model.config, kind)
        scores = score_clips(model, encoded_batches(model, clips, torch.device("cpu")))
        show(kind, scores)
        if kind != "clean":
            spoilt.append(scores)
    if spoilt:
        show("all spoilt", pooled(spoilt))


def pooled(parts: list[ClipScores]) -> ClipScores:
    """Return all parts as one: the joints of a person stand side by side, so it is drawn whole."""
    columns = zip(*((part.temporal, part.single, part.visible) for part in parts), strict=True)
    return ClipScores(*(np.concatenate(column, axis=1) for column in columns))


def show(kind: str, scores: ClipScores) -> None:
    """Print a row."""
    gain, low, high = scores.gain
    print(
        f"{kind:15s} single-frame {scores.single_pck:5.1f}  TAR {scores.temporal_pck:5.1f}  "
        f"gain {gain:+5.1f} ({low:+.1f} to {high:+.1f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
