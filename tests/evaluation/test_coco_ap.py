"""COCO's AP: cases computed by hand, and OKS from its definition."""

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from tarvitpose.errors import MissingDependencyError
from tarvitpose.evaluation.coco_ap import AREA_OF_BOX, COLUMNS, bootstrap_coco_ap, coco_ap
from tarvitpose.skeleton import COCO_17, POSETRACK_15, SIGMAS
from tarvitpose.utils.arrays import Float64

pytest.importorskip("faster_coco_eval")


def person(number: int, points: ArrayLike, **changes: Any) -> dict[str, Any]:
    """Return a labelled person of 100 x 200 pixels in the image of the same number."""
    entry = {"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 100, 200]}
    return {**entry, "keypoints": np.ravel(points).tolist(), "area": 10_000, **changes}


def truth_of(people: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "images": [{"id": number} for number in sorted({person["image_id"] for person in people})],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
    }


def prediction(number: int, points: ArrayLike, score: float = 0.9) -> dict[str, Any]:
    return {"image_id": number, "keypoints": np.ravel(points).tolist(), "score": score}


def random_people(count: int, joints: int) -> list[Float64]:
    """Return poses (J, 3) whose every joint is labelled."""
    random = np.random.default_rng(0)
    return [np.c_[random.uniform(0, 200, (joints, 2)), np.full(joints, 2)] for _ in range(count)]


def oks(guess: Float64, points: Float64, names: tuple[str, ...], area: float) -> float:
    """Object keypoint similarity, straight from COCO's definition."""
    total = labelled = 0.0
    for (x, y, seen), (gx, gy, _), name in zip(points, guess, names, strict=True):
        if seen > 0:
            k = 2 * SIGMAS[name]
            total += np.exp(-((x - gx) ** 2 + (y - gy) ** 2) / (2 * area * k**2))
            labelled += 1
    return total / labelled


@pytest.mark.parametrize("joints", [COCO_17, POSETRACK_15], ids=lambda joints: joints.name)
def test_perfect_predictions(joints: Any) -> None:
    poses = random_people(4, len(joints))
    people = [person(i, pose, area=[2000, 20_000][i % 2]) for i, pose in enumerate(poses)]
    truth = truth_of(people, joints.joints)
    results = [prediction(i, pose) for i, pose in enumerate(poses)]
    assert coco_ap(truth, results, joints.joints) == dict.fromkeys(COLUMNS, 100)


def test_nothing_found() -> None:
    truth = truth_of([person(0, random_people(1, 17)[0])], COCO_17.joints)
    result = coco_ap(truth, [], COCO_17.joints)
    assert (result["AP"], result["AR"], result["APL"]) == (0, 0, 0)
    assert np.isnan(result["APM"])  # nobody is that small


def test_an_oks_computed_by_hand() -> None:
    # Two of 17 joints are labelled. One is right, the nose is 0.052 x 100 x sqrt(2 ln 2) away:
    # exp(-ln 2) = 0.5, so OKS = 0.75 and exactly the thresholds up to 0.7 are met (0.75 by a hair).
    pose = np.zeros((17, 3))
    pose[0], pose[5] = (50, 50, 2), (80, 80, 2)
    guess = pose.copy()
    guess[0, 0] += 5.2 * np.sqrt(2 * np.log(2)) - 1e-6
    result = coco_ap(
        truth_of([person(0, pose)], COCO_17.joints), [prediction(0, guess)], COCO_17.joints
    )
    assert result["AP"] == pytest.approx(60)  # 0.5, 0.55, .. 0.75: six of ten thresholds
    assert (result["AP50"], result["AP75"], result["AR"]) == pytest.approx((100, 100, 60))


@pytest.mark.parametrize("joints", [COCO_17, POSETRACK_15], ids=lambda joints: joints.name)
def test_every_similarity_is_the_one_of_the_definition(joints: Any) -> None:
    random = np.random.default_rng(1)
    for number, pose in enumerate(random_people(40, len(joints))):
        pose[random.uniform(size=len(pose)) < 0.3, 2] = 0
        pose[0, 2] = 2
        guess = pose + random.normal(0, 6, pose.shape) * [1, 1, 0]
        area = random.uniform(1000, 30_000)
        truth = truth_of([person(number, pose, area=area)], joints.joints)
        similarity = oks(guess, pose, joints.joints, area)
        met = (np.arange(0.5, 0.96, 0.05) <= similarity).sum()
        result = coco_ap(truth, [prediction(number, guess)], joints.joints)
        assert result["AP"] == pytest.approx(10 * met)
        assert result["AR"] == pytest.approx(10 * met)


def test_a_surer_mistake_costs_precision() -> None:
    first, second = random_people(2, 17)
    truth = truth_of([person(0, first), person(1, second)], COCO_17.joints)
    results = [prediction(0, first, 0.8), prediction(1, first, 0.9)]  # the second is somewhere else
    # Precision is 1/2 up to recall 1/2: 51 of 101 steps.
    assert coco_ap(truth, results, COCO_17.joints)["AP"] == pytest.approx(100 * 0.5 * 51 / 101)


def test_only_joints_that_both_know_are_compared() -> None:
    pose = random_people(1, 17)[0]
    wrong_eyes = pose.copy()
    wrong_eyes[1:5, :2] += 500  # the eyes and ears that POSETRACK_15 does not have
    truth = truth_of([person(0, pose)], COCO_17.joints)
    assert coco_ap(truth, [prediction(0, wrong_eyes)], POSETRACK_15.joints)["AP"] == 100
    assert coco_ap(truth, [prediction(0, wrong_eyes)], COCO_17.joints)["AP"] < 100


def test_people_without_compared_joints_and_crowds_are_ignored() -> None:
    pose = random_people(1, 17)[0]
    only_eyes = pose * [1, 1, 0]
    only_eyes[1, 2] = 2
    people = [person(0, pose), person(1, only_eyes), person(2, pose, iscrowd=1)]
    results = [prediction(number, pose) for number in range(3)]
    assert coco_ap(truth_of(people, COCO_17.joints), results, POSETRACK_15.joints)["AP"] == 100


def test_only_the_category_with_joints_counts() -> None:
    pose = random_people(1, 17)[0]
    truth = truth_of([person(0, pose, category_id=7)], COCO_17.joints)
    truth["categories"][0]["id"] = 7
    truth["categories"].insert(0, {"id": 1, "name": "dog"})
    truth["annotations"].append({"id": 5, "image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1]})
    assert coco_ap(truth, [prediction(0, pose)], COCO_17.joints)["AP"] == 100


def test_an_area_that_is_missing_comes_from_the_box() -> None:
    pose = random_people(1, 17)[0]
    guess = pose + np.array([4, 0, 0])
    with_area = person(0, pose, area=AREA_OF_BOX * 100 * 200)
    without = {key: value for key, value in with_area.items() if key != "area"}
    expected, came = (
        coco_ap(truth_of([labelled], COCO_17.joints), [prediction(0, guess)], COCO_17.joints)
        for labelled in (with_area, without)
    )
    assert came["AP"] == expected["AP"]


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tarvitpose\[evaluate\]'"):
        coco_ap({}, [], ())


def test_draws_are_of_whole_images_and_always_the_same() -> None:
    pose = np.c_[np.arange(34.0).reshape(17, 2) + 40, np.full(17, 2)]
    truth = truth_of([person(image, pose) for image in range(4)], COCO_17.joints)
    results = [prediction(image, pose + (100 if image else 0)) for image in range(4)]
    draws = [drawn["AP"] for drawn in bootstrap_coco_ap(truth, results, COCO_17.joints, 200)]
    assert {round(value) for value in draws} >= {0, 25, 50}  # how often the right image is drawn
    again = [drawn["AP"] for drawn in bootstrap_coco_ap(truth, results, COCO_17.joints, 200)]
    assert draws == again
    right = [prediction(image, pose) for image in range(4)]
    assert {drawn["AP"] for drawn in bootstrap_coco_ap(truth, right, COCO_17.joints, 9)} == {100}
