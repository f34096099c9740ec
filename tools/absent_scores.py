"""Do joints that are not in the picture get low scores?

    python -m tools.absent_scores data/lspet/val.json

Of every person the picture ends at six tenths of the box, from above: what lies below is not there,
and the box is cut off as a detector would. Printed are the scores of joints that are there and of
those that are lost, and how often a lost joint's score is the lower of two (area under the ROC).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from tarvitpose import PoseEstimator
from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.utils.arrays import Float32

KEPT = 0.6  # of the box, from above
DRAWN = 0.3  # score from which joints are drawn


def cut_scores(estimator: PoseEstimator, record: Record) -> Float32:
    """Return the scores (J,) of a person whose picture ends within the box."""
    image = read_image(record.frames[record.current], record.name)
    left, top, right, bottom = record.box
    cut = image[: max(int(top + KEPT * (bottom - top)), 1)]
    poses = estimator.predict(
        [cut] * len(estimator.predictor.offsets), [(left, top, right, len(cut))]
    )
    return np.asarray(poses.scores[0], np.float32)


def lost_joints(record: Record) -> NDArray[np.bool_]:
    """Return which joints (J,) lie below where the picture ends."""
    _, top, _, bottom = record.box
    return np.asarray(record.keypoints[:, 1] >= top + KEPT * (bottom - top))


def main() -> None:
    """Print a row for the joints that are there, one for those that are lost."""
    parser = argparse.ArgumentParser(description="Scores of joints beyond the picture's edge.")
    parser.add_argument("annotations", type=Path, help="labelled stills (COCO layout)")
    parser.add_argument("--weights", default="default")
    given = parser.parse_args()
    torch.set_num_threads(2)
    estimator = PoseEstimator.from_pretrained(given.weights, device="cpu", backend="torch")
    records = read_records("coco", given.annotations, estimator.predictor.config.joints)
    scores = np.concatenate([cut_scores(estimator, record) for record in records])
    lost = np.concatenate([lost_joints(record) for record in records])
    seen = np.concatenate([record.visible > 0 for record in records])
    groups = {"there": scores[seen & ~lost], "lost": scores[seen & lost]}
    for name, values in groups.items():
        print(
            f"{name:6} {len(values)} joints  score {values.mean():.2f} in the mean, "
            f"{np.median(values):.2f} in the median, {(values >= DRAWN).mean():.0%} from {DRAWN} on"
        )
    there, gone = groups["there"], groups["lost"]
    ranks = rankdata(np.concatenate([there, gone]))[: len(there)].sum()
    area = (ranks - len(there) * (len(there) + 1) / 2) / (len(there) * len(gone))
    print(f"a lost joint's score is the lower one in {area:.1%} of pairs, {len(records)} people")


if __name__ == "__main__":
    main()
