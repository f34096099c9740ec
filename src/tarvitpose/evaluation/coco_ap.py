"""COCO's average precision by object keypoint similarity (OKS), computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from tarvitpose.errors import MissingDependencyError
from tarvitpose.skeleton import COCO_17

COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),  # nose, eyes, ears
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),  # shoulders, elbows, wrists
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),  # hips, knees, ankles
)
SIGMAS = {
    **dict(zip(COCO_17.joints, COCO_SIGMAS, strict=True)),
    # COCO does not label these; CrowdPose does (neck, top of the head), and gives both 0.079.
    **{"head_bottom": 0.079, "head_top": 0.079},
}
AREA_OF_BOX = 0.53  # what a person fills of its box, where the annotation has no area
Person = dict[str, Any]


@dataclass(frozen=True)
class CocoAp:
    """COCO's six numbers, 0..100; NaN where nobody of that size is labelled."""

    ap: float  # mean over the OKS thresholds 0.5, 0.55, .. 0.95
    ap50: float
    ap75: float
    ap_medium: float  # of people from 32² to 96² pixels
    ap_large: float
    ar: float  # average recall over the same thresholds

    @property
    def columns(self) -> dict[str, float]:
        """The numbers by the names that COCO prints."""
        return dict(zip(("AP", "AP50", "AP75", "APM", "APL", "AR"), astuple(self), strict=True))


def coco_ap(truth: dict[str, Any], results: list[Person], known: Collection[str]) -> CocoAp:
    """Return the AP of `results` against the content of a COCO keypoint file.

    `results` are COCO's: image_id, keypoints (x, y and a score of every joint of the file) and
    score. Only joints of the file that the model knows, whose names are in `known`, are compared.
    Raises MissingDependencyError.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415 - an optional package
    except ImportError:
        raise MissingDependencyError("faster-coco-eval", "AP of COCO data", "evaluate") from None
    category = next(one for one in truth["categories"] if one.get("keypoints"))
    people = [one for one in truth["annotations"] if one["category_id"] == category["id"]]
    names = category["keypoints"]
    order = [at for at, name in enumerate(names) if name in known and name in SIGMAS]
    labelled = COCO(
        {
            "images": [{"id": image["id"]} for image in truth["images"]],
            "categories": [{"id": category["id"], "name": "person"}],
            "annotations": [
                {"id": number, **_labelled(person, order)}  # to the evaluator 0 means: no match
                for number, person in enumerate(people, 1)
            ],
        }
    )
    found = [_found(person, order, category["id"]) for person in results]
    sigmas = [SIGMAS[names[at]] for at in order]
    judge = COCOeval_faster(
        labelled, labelled.loadRes(found), iouType="keypoints", kpt_oks_sigmas=sigmas
    )
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    values = np.array(judge.stats[:6], np.float64)
    return CocoAp(*np.where(values < 0, np.nan, 100 * values).tolist())


def _labelled(person: Person, order: list[int]) -> Person:
    """Return a labelled person with the compared joints alone; crowds and others stay, ignored."""
    points = np.array(person["keypoints"], np.float64).reshape(-1, 3)[order]
    _, _, width, height = person["bbox"]
    return {
        "image_id": person["image_id"],
        "category_id": person["category_id"],
        "iscrowd": int(person.get("iscrowd", 0)),
        "bbox": person["bbox"],
        "area": person.get("area", AREA_OF_BOX * width * height),
        "keypoints": points.ravel().tolist(),
        "num_keypoints": int((points[:, 2] > 0).sum()),
    }


def _found(person: Person, order: list[int], category: int) -> Person:
    points = np.array(person["keypoints"], np.float64).reshape(-1, 3)[order]
    return {
        "image_id": person["image_id"],
        "category_id": category,
        "keypoints": points.ravel().tolist(),
        "score": person["score"],
    }
