"""Do joints that are not in the picture get low scores?

    python -m tools.absent_scores data/lspet/val.json

The picture of every person is cut off at six tenths of the box, from above, and so is the box, as a
detector would do it. Prints the scores of visible and of cut-off joints, and how often the cut-off
joint of a pair has the lower score (area under the ROC curve).
"""

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

VISIBLE = 0.6  # share of the box, from above
DRAWN = 0.3  # score from which joints are drawn


def cropped_scores(estimator: PoseEstimator, record: Record) -> Float32:
    """Return the scores (J,) of a person whose picture ends within the box."""
    image = read_image(record.frames[record.current], record.name)
    left, top, right, bottom = record.box
    visible = image[: max(int(top + VISIBLE * (bottom - top)), 1)]
    poses = estimator.predict(
        [visible] * len(estimator.predictor.offsets), [(left, top, right, len(visible))]
    )
    return np.asarray(poses.scores[0], np.float32)


def lost_joints(record: Record) -> NDArray[np.bool_]:
    """Return which joints (J,) are below the end of the picture."""
    _, top, _, bottom = record.box
    return np.asarray(record.keypoints[:, 1] >= top + VISIBLE * (bottom - top))


def main() -> None:
    """Print a row for visible joints, and one for joints that are cut off."""
    parser = argparse.ArgumentParser(description="Scores of joints beyond the picture's edge.")
    parser.add_argument("annotations", type=Path, help="labelled stills (COCO layout)")
    parser.add_argument("--weights", default="default")
    given = parser.parse_args()
    torch.set_num_threads(2)
    estimator = PoseEstimator.from_pretrained(given.weights, device="cpu", backend="torch")
    records = read_records("coco", given.annotations, estimator.predictor.config.joints)
    scores = np.concatenate([cropped_scores(estimator, record) for record in records])
    lost = np.concatenate([lost_joints(record) for record in records])
    seen = np.concatenate([record.visible > 0 for record in records])
    groups = {"visible": scores[seen & ~lost], "cut off": scores[seen & lost]}
    for name, values in groups.items():
        print(
            f"{name:8} {len(values)} joints  score: mean {values.mean():.2f}, "
            f"median {np.median(values):.2f}, {(values >= DRAWN).mean():.0%} at least {DRAWN}"
        )
    visible, absent = groups["visible"], groups["cut off"]
    ranks = rankdata(np.concatenate([visible, absent]))[: len(visible)].sum()
    area = (ranks - len(visible) * (len(visible) + 1) / 2) / (len(visible) * len(absent))
    print(f"{len(records)} people: in {area:.1%} of pairs the cut-off joint has the lower score")


if __name__ == "__main__":
    main()
