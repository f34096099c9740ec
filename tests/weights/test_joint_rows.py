"""Weights of one joint set start a network with another: by name, or as the released code does."""

from pathlib import Path

import pytest
import torch
from tiny_models import tiny_model
from tiny_training import experiment, write_stills

from tarvitpose.errors import ConfigError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import COCO_17, POSETRACK_15, POSETRACK_17, JointSet
from tarvitpose.training.config import TrainConfig
from tarvitpose.weights.joint_rows import JOINT_TENSORS, match_joints, new_joints_of

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop


def row(model: TARViTPose, name: str, joint: str) -> torch.Tensor:
    return model.state_dict()[name][model.config.joints.joints.index(joint)]


def started(
    tmp_path: Path, start: TARViTPose, joint_set: str, **changes: object
) -> tuple[TARViTPose, TrainConfig]:
    start.save_pretrained(tmp_path / "start_here")
    config = experiment(
        write_stills(tmp_path),
        tmp_path / "run",
        init=str(tmp_path / "start_here"),
        model={"joint_set": joint_set, "offsets": [-1, 1]},
        **changes,
    )
    torch.manual_seed(3)
    return loop.build_model(config), config


@pytest.mark.parametrize("want", [POSETRACK_15, POSETRACK_17], ids=lambda joints: joints.name)
@pytest.mark.parametrize("temporal", [False, True])
def test_joints_are_taken_over_by_name(tmp_path: Path, want: JointSet, temporal: bool) -> None:
    """Also where both sets have 17: channels 1 and 2 are other joints."""
    start = tiny_model(joint_set="coco17", offsets=(-1, 1) if temporal else ())
    model, _ = started(tmp_path, start, want.name)
    for name in JOINT_TENSORS if temporal else JOINT_TENSORS[:2]:
        for joint in want.joints:
            same = joint in COCO_17.joints and torch.equal(
                row(model, name, joint), row(start, name, joint)
            )
            assert same == (joint in COCO_17.joints), (name, joint)
    eyes = torch.stack(
        [row(start, "decoder.final.weight", eye) for eye in ("left_eye", "right_eye")]
    )
    heads = [row(model, "decoder.final.weight", name) for name in ("head_bottom", "head_top")]
    assert not any(torch.equal(head, eye) for head in heads for eye in eyes)


def test_the_released_way_starts_the_head_from_the_eyes(tmp_path: Path) -> None:
    start = tiny_model(joint_set="coco17", offsets=())
    model, config = started(tmp_path, start, "posetrack15", new_joints="eyes")
    for name in ("decoder.final.weight", "decoder.final.bias"):
        assert torch.equal(row(model, name, "head_bottom"), row(start, name, "left_eye"))
        assert torch.equal(row(model, name, "head_top"), row(start, name, "right_eye"))
        assert torch.equal(row(model, name, "left_knee"), row(start, name, "left_knee"))
    lines: list[str] = []
    loop.train(config, lines.append)
    assert f"{config.init} lacks head_bottom, head_top: they start from the eyes" in lines


def test_nothing_is_said_where_no_joint_is_new(tmp_path: Path) -> None:
    _, config = started(tmp_path, tiny_model(), "posetrack15")
    lines: list[str] = []
    loop.train(config, lines.append)
    assert not any("lacks" in line for line in lines)


def test_slots_of_the_released_layout_stay_together(tmp_path: Path) -> None:
    start = tiny_model(joint_set="posetrack17", layout="released", mask_rule="released")
    with pytest.raises(ConfigError, match="released layout, whose posetrack17 cannot be taken"):
        started(tmp_path, start, "posetrack15")


def test_other_tensors_and_the_source_stay_as_they_are() -> None:
    start = tiny_model(joint_set="coco17").state_dict()
    before = {name: value.clone() for name, value in start.items()}
    fresh = tiny_model(1).state_dict()
    matched = match_joints(start, COCO_17, POSETRACK_15, fresh, "eyes")
    assert all(torch.equal(value, before[name]) for name, value in start.items())
    assert all(matched[name] is start[name] for name in start if name not in JOINT_TENSORS)
    assert new_joints_of(COCO_17, POSETRACK_15) == ("head_bottom", "head_top")
    assert matched["jta.query"].shape == fresh["jta.query"].shape
    assert torch.equal(matched["jta.query"][1], start["jta.query"][1])  # the left eye's
