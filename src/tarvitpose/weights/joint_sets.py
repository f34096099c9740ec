"""Find the joints of a head: a set of the package, a file, or the labels of a config."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tarvitpose.errors import ConfigError, WeightsError
from tarvitpose.skeleton import JOINT_SETS, JointSet, joint_name, parse_joint_set, remember
from tarvitpose.utils.config_files import read_yaml

FILES = (".json", ".yaml", ".yml")
BY_CHANNELS = {len(JOINT_SETS[name]): JOINT_SETS[name] for name in (
    "posetrack15", "coco17", "coco25", "halpe26", "wholebody133"
)}  # fmt: skip


def find_joint_set(name: str) -> JointSet:
    """Return the joint set of the package with this name, or that of a file. Raises ConfigError."""
    if name in JOINT_SETS:
        return JOINT_SETS[name]
    path = Path(name).expanduser()
    if path.suffix.lower() not in FILES:
        close = get_close_matches(name, JOINT_SETS, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(
            f"joint set {name}: expected one of {', '.join(JOINT_SETS)}, or a file "
            f"({', '.join(FILES)}){hint}"
        )
    try:
        joints = parse_joint_set(read_yaml(path))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if joints.name in JOINT_SETS and joints.joints != JOINT_SETS[joints.name].joints:
        raise ConfigError(f"{path}: name: {joints.name} is a set of the package; choose another")
    remember(joints)
    return joints


def stored(joints: JointSet) -> str | JointSet:
    """Return how a config stores a joint set: by name where the package has it."""
    return joints.name if JOINT_SETS.get(joints.name) == joints else joints


def head_joints(channels: int, settings: dict[str, Any], origin: str) -> JointSet:
    """Return the joints of a head with so many channels: as its labels name them, else by number.

    `settings` is a Hugging Face config, or empty. Raises WeightsError where neither is known.
    """
    if channels in BY_CHANNELS:
        return BY_CHANNELS[channels]
    labelled = _labelled(channels, settings)
    if labelled is None:
        known = ", ".join(f"{count} ({joints.name})" for count, joints in BY_CHANNELS.items())
        raise WeightsError(
            f"{origin} predicts {channels} joints, known are heads of {known}: name its joints "
            "with --source-joints and a joint set or a file"
        )
    return labelled


def _labelled(channels: int, settings: dict[str, Any]) -> JointSet | None:
    """Return the joints that the labels and edges of a config describe, None without them."""
    labels, edges = settings.get("id2label"), settings.get("edges") or ()
    if not isinstance(labels, dict) or {*labels} != {str(at) for at in range(channels)}:
        return None
    names = [joint_name(str(labels[str(at)])) for at in range(channels)]
    if all(name.startswith("label_") for name in names):
        return None
    try:
        limbs = [(names[first], names[second]) for first, second in edges]
        return parse_joint_set({"name": f"labelled{channels}", "joints": names, "limbs": limbs})
    except (ValueError, TypeError, IndexError):
        return None
