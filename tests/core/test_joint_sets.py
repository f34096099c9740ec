"""Joint sets: those of the package, and others that a file or a config describes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from error_lines import error_line

from tarvitpose.config import ModelConfig, vit_small
from tarvitpose.errors import ConfigError
from tarvitpose.skeleton import (
    COCO_17,
    JOINT_SETS,
    SIGMAS,
    JointSet,
    limbs_of,
    parse_joint_set,
    set_of,
    sides_of,
)
from tarvitpose.utils.config_files import parse_config
from tarvitpose.weights.joint_sets import find_joint_set, stored

WHOLE_BODY = JOINT_SETS["wholebody133"]
HAND = {
    "name": "hand3",
    "joints": ["wrist", "Left-Tip", "rtip"],
    "limbs": [["wrist", "Left-Tip"], ["wrist", "rtip"]],
    "pairs": [["Left-Tip", "rtip"]],
    "colors": {"rtip": "#ff8000"},
    "sigmas": {"wrist": 0.03},
}


@pytest.mark.parametrize("joints", JOINT_SETS.values(), ids=JOINT_SETS)
def test_sets_of_the_package_hold_together(joints: JointSet) -> None:
    flip, sides = joints.flip_order, sides_of(joints.joints)
    assert [flip[at] for at in flip] == list(range(len(joints)))
    swapped = {"left": "right", "right": "left", "": ""}
    assert [sides[at] for at in flip] == [swapped[side] for side in sides]
    assert joints.sigmas.keys() == {*joints.joints}
    assert parse_joint_set(json.loads(json.dumps(_fields(joints)))) == joints
    reached = {joint for limb in joints.limbs for joint in limb}
    assert {*joints.joints} - reached <= {"left_ear", "right_ear"}  # as PoseTrack draws them


def _fields(joints: JointSet) -> dict[str, Any]:
    return {name: getattr(joints, name) for name in JointSet.__dataclass_fields__}


def test_numbers_of_joints_are_those_of_the_data_sets() -> None:
    sizes = {name: len(joints) for name, joints in JOINT_SETS.items()}
    assert sizes == {
        **{"posetrack15": 15, "posetrack17": 17, "coco17": 17, "coco25": 25, "halpe26": 26},
        **{"body25": 25, "wholebody133": 133},
    }
    for name in ("halpe26", "wholebody133"):
        assert JOINT_SETS[name].joints[:17] == COCO_17.joints
    assert WHOLE_BODY.joints[91] == "left_hand_root"
    assert (WHOLE_BODY.joints[112], WHOLE_BODY.joints[132]) == (
        "right_hand_root",
        "right_pinky_finger4",
    )


def test_a_mirrored_face_swaps_its_sides() -> None:
    # The 68 points of iBUG: the jaw runs from the person's right ear to the left one.
    face = WHOLE_BODY.joints.index("face_0")
    flip = [at - face for at in WHOLE_BODY.flip_order[face : face + 68]]
    assert flip[:17] == list(range(16, -1, -1))
    assert (flip[17], flip[27], flip[36], flip[39], flip[40], flip[48]) == (26, 27, 45, 42, 47, 54)
    sides = sides_of(WHOLE_BODY.joints)[face:]
    assert (sides[0], sides[16], sides[8], sides[36], sides[42]) == (
        *("right", "left", "", "right", "left"),
    )


def test_the_sigma_of_a_joint_is_that_of_coco_first() -> None:
    assert SIGMAS["left_wrist"] == 0.062
    assert SIGMAS["left_big_toe"] == 0.068  # 0.079 in Halpe
    assert SIGMAS["head_top"] == 0.079


# ------------------------------------------------------------------------------- sets of others


@pytest.mark.parametrize(("ending", "dump"), [("json", json.dumps), ("yaml", yaml.safe_dump)])
def test_a_file_describes_a_set(tmp_path: Path, ending: str, dump: Any) -> None:
    path = tmp_path / f"hand.{ending}"
    path.write_text(dump(HAND))
    joints = find_joint_set(str(path))
    assert joints.flip_order == (0, 2, 1)
    assert sides_of(joints.joints) == ("", "left", "right")
    assert limbs_of(joints.joints) == ((0, 1), (0, 2))
    assert stored(joints) == joints
    assert stored(COCO_17) == "coco17"


def test_a_config_holds_a_set_whole() -> None:
    config = vit_small(joint_set={**HAND, "name": "hand4"})
    assert (config.joints.name, len(config.joints)) == ("hand4", 3)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    assert ModelConfig(**config.model_dump()) == config


def test_a_set_of_the_package_stays_as_it_is() -> None:
    vit_small(joint_set={"name": "mine", "joints": list(COCO_17.joints), "limbs": []})
    assert set_of(COCO_17.joints) == COCO_17


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"limbs": [["wrist", "palm"]]}, "limbs: palm is not among the joints"),
        ({"limbs": ["wrist"]}, "limbs.0: "),
        ({"joints": ["a", "b", "a"]}, "joints: a is there twice"),
        ({"joints": []}, "joints: "),
        ({"name": "two words"}, "name: "),
        ({"sigmas": {"wrist": -1}}, "sigmas.wrist: must be above 0, got -1"),
        ({"colors": {"wrist": "red"}}, "colors.wrist: "),
        ({"edges": []}, "edges: "),
        ({"name": "coco17"}, "name: coco17 is a set of the package; choose another"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    path = tmp_path / "hand.json"
    path.write_text(json.dumps({**HAND, **change}))
    assert error_line(ConfigError, find_joint_set, str(path)).startswith(f"{path}: {line}")


def test_wrong_names_are_one_line(tmp_path: Path) -> None:
    message = error_line(ConfigError, parse_config, ModelConfig, {**_size(), "joint_set": "c"}, "x")
    assert message.startswith("x: joint_set: must be one of posetrack15, posetrack17")
    message = error_line(
        ConfigError, parse_config, ModelConfig, {**_size(), "joint_set": {"name": "a"}}, "x"
    )
    assert message == "x: joint_set: joints: is missing"
    assert error_line(ConfigError, find_joint_set, "wholebody").endswith("mean wholebody133?")
    gone = tmp_path / "gone.yaml"
    assert error_line(ConfigError, find_joint_set, str(gone)).startswith(f"{gone}: no such")


def _size() -> dict[str, int]:
    return {"width": 24, "depth": 1, "heads": 3}
