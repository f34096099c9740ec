"""COCO's average precision by object keypoint similarity (OKS), computed by faster-coco-eval."""

from collections.abc import Collection
from typing import Any

import numpy as np

from tarvitpose.data.coco import labelled_points, xyxy_box
from tarvitpose.data.videos import crop_box
from tarvitpose.evaluation.comparison import Values
from tarvitpose.formats.posetrack_layout import (
    category_joints,
    image_id,
    is_of_category,
    keypoint_category,
)
from tarvitpose.metrics.oks import AREA_OF_BOX
from tarvitpose.skeleton import SIGMAS
from tarvitpose.utils.json_file import Entry
from tarvitpose.utils.optional import require

PERSON = 1  # the category, to the evaluator
# AP is the mean over the OKS thresholds 0.5, 0.55, .. 0.95, AR the recall over the same ones; APM
# is of people from 32² to 96² pixels, APL of larger ones.
COLUMNS = ("AP", "AP50", "AP75", "APM", "APL", "AR")
Person = dict[str, Any]


def coco_ap(truth: dict[str, Any], results: list[Person], known: Collection[str]) -> Values:
    """Return COCO's numbers (`COLUMNS`) for `results` against the content of a COCO keypoint file.

    They are 0..100, NaN where nobody of that size is labelled. `results` are COCO's: image_id,
    keypoints (x, y and a score of every joint of the file) and score. Only joints of the file
    whose names are in `known` are compared. Someone without an area has AREA_OF_BOX of the box,
    which is made from the labelled joints where there is none.
    Raises MissingDependencyError.
    """
    return _summary(_evaluator(truth, results, known))


def bootstrap_coco_ap(
    truth: dict[str, Any], results: list[Person], known: Collection[str], samples: int
) -> list[Values]:
    """Return COCO's numbers of each of `samples` draws of as many images, with replacement.

    The draws are always the same ones. Raises MissingDependencyError.
    """
    evaluator = _evaluator(truth, results, known)
    matches = evaluator._evalImgs_cpp  # by range of areas, then by image: each is matched once
    images = len(evaluator.params.imgIds)
    random, result = np.random.default_rng(0), []
    for _ in range(samples):
        drawn = random.integers(images, size=images)
        starts = range(0, len(matches), images)
        evaluator._evalImgs_cpp = [matches[start + at] for start in starts for at in drawn]
        result.append(_summary(evaluator))
    return result


def _evaluator(truth: dict[str, Any], results: list[Person], known: Collection[str]) -> Any:
    """Return faster-coco-eval's evaluator after it has matched the people of every image."""
    faster_coco_eval = require("faster_coco_eval", "AP of COCO data", "evaluate")
    content = Entry("annotations", truth)
    category = keypoint_category(content)
    entries = content["annotations"].items()
    people = [person for person in entries if is_of_category(person, category)]
    names = category_joints(category)
    order = [at for at, name in enumerate(names) if name in known and name in SIGMAS]
    labelled = faster_coco_eval.COCO(
        {
            "images": [{"id": image_id(image)} for image in content["images"].items()],
            "categories": [{"id": PERSON, "name": "person"}],
            "annotations": [
                {"id": number, **_labelled(person, order, len(names))}
                for number, person in enumerate(people, 1)  # to the evaluator 0 means: no match
            ],
        }
    )
    evaluator = faster_coco_eval.COCOeval_faster(
        labelled,
        labelled.loadRes([_predicted(person, order) for person in results]),
        iouType="keypoints",
        kpt_oks_sigmas=[SIGMAS[names[at]] for at in order],
        separate_eval=True,
    )
    evaluator.evaluate()
    return evaluator


def _summary(evaluator: Any) -> Values:
    evaluator.accumulate()
    evaluator.summarize()
    values = np.array(evaluator.stats[: len(COLUMNS)], np.float64)
    return dict(zip(COLUMNS, np.where(values < 0, np.nan, 100 * values).tolist(), strict=True))


def _labelled(person: Entry, order: list[int], joints: int) -> Person:
    """Return a labelled person with the compared joints alone; crowds and others stay, ignored."""
    points = labelled_points(person, joints)
    seen = points[points[:, 2] > 0, :2].astype(np.float32)
    box = xyxy_box(person.non_empty("bbox"))
    left, top, right, bottom = crop_box(box, seen) if len(seen) else box or (0, 0, 0, 0)
    area = person.non_empty("area")
    compared = points[order]
    return {
        "image_id": person["image_id"].identity(),
        "category_id": PERSON,
        "iscrowd": int(person.non_empty("iscrowd") is not None),
        "bbox": [left, top, right - left, bottom - top],
        "area": area.value if area else AREA_OF_BOX * (right - left) * (bottom - top),
        "keypoints": compared.ravel().tolist(),
        "num_keypoints": int((compared[:, 2] > 0).sum()),
    }


def _predicted(person: Person, order: list[int]) -> Person:
    points = np.array(person["keypoints"], np.float64).reshape(-1, 3)[order]
    return {
        "image_id": person["image_id"],
        "category_id": PERSON,
        "keypoints": points.ravel().tolist(),
        "score": person["score"],
    }
