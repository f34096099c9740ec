"""A second person beside the first: cut out along the limbs, behind or in front, moving."""

from pathlib import Path

import numpy as np

from tarvitpose.data.crowd import add_person, can_be_cut_out, outline
from tarvitpose.data.records import Record
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import UInt8

T, H, W, J = 3, 128, 96, len(POSETRACK_15)
HEIGHT = 120.0  # of the other person's box


def figure(x: float, y: float, height: float) -> np.ndarray:
    """A standing person's joints (J, 2) about a middle."""
    rows = {"nose": -0.4, "bottom": -0.32, "top": -0.48, "shoulder": -0.3, "elbow": -0.15}
    rows |= {"wrist": 0.0, "hip": 0.02, "knee": 0.25, "ankle": 0.48}
    names = POSETRACK_15.joints
    aside = [0.1 * (name.startswith("left") - name.startswith("right")) for name in names]
    down = [rows[name.rpartition("_")[2]] for name in names]
    return (np.array([x, y]) + height * np.stack([aside, down], -1)).astype(np.float32)


def other(visible: int = J) -> Record:
    known = np.arange(J) < visible
    points = figure(80, 80, HEIGHT)
    return Record("other", (Path("o.png"),), 0, (50, 20, 110, 140), points, known.astype(float))


def joined(seed: int, *known: str) -> UInt8:
    """A white person put into black frames that show our own, whose joints are known, or all."""
    names = POSETRACK_15.joints
    visible = np.array([not known or name in known for name in names], np.float32)
    clip = np.zeros((T, H, W, 3), np.uint8)
    joints = np.tile(figure(W / 2, H / 2, 100), (T, 1, 1))
    image = np.full((160, 160, 3), 255, np.uint8)
    return add_person(
        clip,
        joints,
        visible,
        current=1,
        image=image,
        other=other(),
        joints=POSETRACK_15,
        rng=np.random.default_rng(seed),
    )


def test_the_outline_covers_the_joints_and_little_else() -> None:
    points = figure(80, 80, HEIGHT)
    mask = outline((160, 160), points, np.ones(J), HEIGHT, POSETRACK_15)
    x, y = np.rint(points).astype(int).T
    assert mask[y, x].all()
    assert 0.1 < mask[20:140, 50:110].mean() < 0.7
    assert not mask[:, :40].any()
    nobody = outline((160, 160), points, np.zeros(J), HEIGHT, POSETRACK_15)
    assert not nobody.any()


def test_the_newcomer_stands_beside_and_is_behind_as_often_as_in_front() -> None:
    x, y = np.rint(figure(W / 2, H / 2, 100)).astype(int).T
    hidden, shares = [], []
    for seed in range(40):
        clip = joined(seed)
        shares.append((clip[1] > 128).mean())
        hidden.append((clip[1, y, x, 0] > 128).any())
    assert 0.01 < np.mean(shares) < 0.3
    assert max(shares) < 0.5
    assert 0.2 < np.mean(hidden) < 0.8  # behind, our own joints are never covered


def test_it_moves_steadily() -> None:
    def middle(frame: UInt8) -> np.ndarray:
        weights = frame[..., 0].astype(float)
        return np.array(
            [np.average(np.arange(n), weights=weights.sum(1 - i)) for i, n in enumerate((H, W))]
        )

    compared = 0
    for seed in range(60):
        clip = joined(seed, "left_wrist")  # has no outline that could hide a part of the newcomer
        edges = clip[:, :, [0, -1]].any() or clip[:, [0, -1]].any()
        if not edges:
            before, now, after = (middle(frame) for frame in clip)
            np.testing.assert_allclose(after - now, now - before, atol=1)
            compared += 1
    assert compared > 5


def test_a_person_with_few_joints_is_not_cut_out() -> None:
    assert can_be_cut_out(other(8))
    assert not can_be_cut_out(other(7))


def test_a_clip_without_known_joints_stays_as_it_is() -> None:
    clip = np.full((T, H, W, 3), 7, np.uint8)
    unchanged = add_person(
        clip,
        np.zeros((T, J, 2), np.float32),
        np.zeros(J),
        current=1,
        image=np.zeros((160, 160, 3), np.uint8),
        other=other(),
        joints=POSETRACK_15,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_array_equal(unchanged, clip)
