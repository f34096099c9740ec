"""PCK of the box, OKS and jitter of labelled people: cases computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tarvitpose.evaluation.comparison import (
    DIFFERENCE,
    MEAN_HEATMAPS,
    SINGLE_FRAME,
    TEMPORAL,
    ModeComparison,
    known_differences,
)
from tarvitpose.evaluation.datasets import LabelledFrame, LabelledPeople, LabelledVideo
from tarvitpose.evaluation.people_scores import (
    BOX,
    JITTER,
    LIMBS,
    OKS,
    labelled_joints,
    people_comparisons,
)
from tarvitpose.skeleton import POSETRACK_15, SIGMAS
from tarvitpose.utils.json_file import Entry

JOINTS = POSETRACK_15.joints
ELBOW, WRIST, NOSE = (JOINTS.index(name) for name in ("left_elbow", "left_wrist", "nose"))


def frame(number: int, people: list[list[int]], *, track: int | None = 7) -> LabelledFrame:
    """Return a frame whose people, 50 x 100 pixels, have these joints labelled at 0, 0."""
    visible = np.zeros((len(people), 15), np.float32)
    for row, joints in zip(visible, people, strict=True):
        row[joints] = 1
    labelled = LabelledPeople(
        boxes=np.tile(np.array([0, 0, 50, 100], np.float32), (len(people), 1)),
        keypoints=np.zeros((len(people), 15, 2), np.float32),
        visible=visible,
        heads=np.full((len(people), 4), np.nan),
        areas=np.full(len(people), 3600.0),
        tracks=(track,) * len(people),
    )
    path = (Path(f"{number}.jpg"),)
    return LabelledFrame(f"{number}.jpg", path, 0, labelled, number)


def video(*frames: LabelledFrame, stills: bool = False) -> LabelledVideo:
    content = Entry("a.json", {}) if stills else None
    return LabelledVideo("a", Path("a.json"), frames, content=content)


def compared(videos: list[LabelledVideo], samples: int = 0, **points: Any) -> Any:
    truth = labelled_joints(videos, POSETRACK_15, JOINTS)
    modes = {name.replace("_", "-"): np.float32(value) for name, value in points.items()}
    return {each.metric: each for each in people_comparisons(truth, modes, samples)}


def test_each_person_counts_the_same_however_many_joints_are_labelled() -> None:
    videos = [video(frame(0, [[ELBOW, WRIST, NOSE]])), video(frame(0, [[ELBOW], []]))]
    joints = np.zeros((3, 15, 2))
    joints[0, WRIST] = 0, 21  # more than a fifth of the box's longer side
    joints[0, NOSE] = 99, 99  # no limb
    box = compared(videos, 200, temporal=joints)[BOX]
    values = box.values[TEMPORAL]
    assert values[LIMBS] == pytest.approx(75)  # one half, and one whole
    assert values["mean"] == pytest.approx(50)  # two of four joints
    assert (values["left_elbow"], values["Wrist"], values["Head"]) == (100, 0, 0)
    assert np.isnan(values["Knee"])
    assert np.isnan(box.intervals[TEMPORAL]["Knee"]).all()
    assert box.intervals[TEMPORAL][LIMBS] == (50, 100)  # both videos are the first, or the second
    joints[0, WRIST] = 0, 20
    assert compared(videos, temporal=joints)[BOX].values[TEMPORAL][LIMBS] == 100


def test_oks_falls_to_its_known_value_one_sigma_away() -> None:
    joints = np.zeros((1, 15, 2))
    joints[0, WRIST, 0] = 2 * SIGMAS["left_wrist"] * 60  # COCO's k is twice sigma; the area is 60²
    stills = [video(frame(1, [[WRIST, ELBOW]]), stills=True)]
    oks = compared(stills, temporal=joints)[OKS]
    assert oks.values[TEMPORAL]["Wrist"] == pytest.approx(100 * np.exp(-0.5), abs=1e-3)
    assert oks.values[TEMPORAL][LIMBS] == pytest.approx(50 + 50 * np.exp(-0.5), abs=1e-3)
    assert OKS not in compared([video(frame(1, [[WRIST]]))], temporal=joints)  # of stills alone


def test_jitter_is_the_second_difference_of_a_track_in_heights() -> None:
    frames = [frame(at, [[WRIST]]) for at in (4, 5, 6)]
    joints = np.zeros((3, 15, 2))
    joints[:, WRIST, 0] = 0, 5, 0  # there and back: 10 pixels of a height of 100
    jitter = compared([video(*frames)], temporal=joints, single_frame=joints * 3)[JITTER]
    assert jitter.values[TEMPORAL]["left_wrist"] == pytest.approx(10)
    assert jitter.rows[DIFFERENCE][LIMBS] == pytest.approx(-20)
    assert "labels themselves have 0.00" in jitter.note
    steady = np.zeros((3, 15, 2))
    steady[:, WRIST, 0] = 0, 5, 10
    assert compared([video(*frames)], temporal=steady)[JITTER].values[TEMPORAL][LIMBS] == 0


@pytest.mark.parametrize(
    "frames",
    [
        [frame(at, [[WRIST]]) for at in (1, 2, 4)],  # a gap
        [frame(at, [[WRIST]], track=at) for at in (1, 2, 3)],  # three people
        [frame(at, [[WRIST]], track=None) for at in (1, 2, 3)],  # nobody knows
        [frame(1, [[WRIST]]), frame(2, [[ELBOW]]), frame(3, [[WRIST]])],  # no joint thrice
    ],
)
def test_jitter_needs_one_joint_of_one_person_in_three_frames(frames: Any) -> None:
    assert JITTER not in compared([video(*frames)], temporal=np.zeros((3, 15, 2)))


def test_what_is_learned_is_the_gain_over_the_mean_of_heatmaps() -> None:
    modes = {SINGLE_FRAME: 50.0, MEAN_HEATMAPS: 60.0, TEMPORAL: 65.0}
    rows = ModeComparison("x", {mode: {"mean": value} for mode, value in modes.items()}).rows
    assert rows[DIFFERENCE] == {"mean": 15}
    assert rows[f"over {MEAN_HEATMAPS}"] == {"mean": 5}
    assert known_differences([SINGLE_FRAME]) == {}
