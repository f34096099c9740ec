"""Names, left/right pairs and limbs of each joint set; joints are always mapped by name.

The sets of the package are the files in `assets/joint_sets`; a file of the same form describes any
other set.
"""

import json
import re
from collections import Counter
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from tarvitpose.utils.config_messages import in_words

PERSON_NAMES = frozenset({"person", "pedestrian", "human"})  # of the class, in lower case

LIMB_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BODY = tuple(f"{side}_{joint}" for joint in LIMB_JOINTS for side in ("left", "right"))
SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}  # what names begin with
OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}

SetName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
JointName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Sigma = Annotated[float, Field(gt=0, le=1)]
Pairs = tuple[tuple[JointName, JointName], ...]
JointSetName = Literal[  # the sets of the package, the oldest first
    "posetrack15", "posetrack17", "coco17", "coco25", "halpe26", "body25", "wholebody133"
]


@dataclass(frozen=True, config={"extra": "forbid"})
class JointSet:
    """The joints that a model predicts, in the order of its channels."""

    name: SetName
    joints: Annotated[tuple[JointName, ...], Field(min_length=1, max_length=1024)]
    limbs: Pairs = ()
    pairs: Pairs = ()  # left and right, where the names do not say so
    fine: tuple[JointName, ...] = ()  # of face and hands, which are drawn thinner
    sigmas: dict[JointName, Sigma] = field(default_factory=dict, hash=False)  # of OKS, where known
    colors: dict[JointName, Colour] = field(default_factory=dict, hash=False)  # where there are any
    source: str = ""  # where the set is from

    @model_validator(mode="after")
    def _joints_are_known(self) -> Self:
        twice = [name for name, count in Counter(self.joints).items() if count > 1]
        if twice:
            raise ValueError(f"joints: {twice[0]} is there twice")
        for key in ("limbs", "pairs", "fine", "sigmas", "colors"):
            for entry in getattr(self, key):
                for name in entry if isinstance(entry, tuple) else (entry,):
                    if name not in self.joints:
                        raise ValueError(f"{key}: {name} is not among the joints")
        return self

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Where each joint is found after the image is mirrored.

        >>> POSETRACK_15.flip_order[:5]
        (0, 1, 2, 4, 3)
        """
        paired = {name: other for pair in self.pairs for name, other in (pair, pair[::-1])}
        others = (paired.get(name) or _mirrored(name) for name in self.joints)
        index = {name: at for at, name in enumerate(self.joints)}
        return tuple(index.get(other, at) for at, other in enumerate(others))

    @property
    def limb_indices(self) -> tuple[tuple[int, int], ...]:
        """The limbs as pairs of positions in `joints`."""
        index = {name: at for at, name in enumerate(self.joints)}
        return tuple((index[a], index[b]) for a, b in self.limbs)


def _mirrored(joint: str) -> str:
    side, _, part = joint.partition("_")
    return f"{OTHER_SIDE[side]}_{part}" if side in OTHER_SIDE else joint


def parse_joint_set(values: Any) -> JointSet:
    """Return the joint set that the fields of `JointSet` describe. Raises ValueError in one line.

    >>> parse_joint_set({"name": "hand", "joints": ["wrist"], "limbs": [["wrist", "palm"]]})
    Traceback (most recent call last):
    ...
    ValueError: limbs: palm is not among the joints
    """
    try:
        return _adapter().validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{key}: {in_words(first)}" if key else in_words(first)) from None


@cache
def _adapter() -> TypeAdapter[JointSet]:
    return TypeAdapter(JointSet)


def _of_the_package() -> dict[str, JointSet]:
    """Return the joint sets of the package by name, the oldest first."""
    folder = Path(__file__).parent / "assets" / "joint_sets"
    return {
        name: parse_joint_set(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        for name in get_args(JointSetName)
    }


JOINT_SETS = _of_the_package()
POSETRACK_15, POSETRACK_17, COCO_17 = (
    JOINT_SETS[name] for name in ("posetrack15", "posetrack17", "coco17")
)
KNOWN_JOINTS = frozenset(joint for joints in JOINT_SETS.values() for joint in joints.joints)
# How far annotators were apart, as a share of a person's size. Of a joint that several sets have,
# the first set's counts: COCO's, and for feet those of COCO-WholeBody.
SIGMAS = {
    joint: sigma
    for name in (*list(JOINT_SETS)[::-1], "wholebody133", "coco17")
    for joint, sigma in JOINT_SETS[name].sigmas.items()
}
_BY_JOINTS = {joints.joints: joints for joints in JOINT_SETS.values()}


def remember(joints: JointSet) -> None:
    """Let poses with these joints be drawn and written with the limbs of this set.

    Poses say the names of their joints alone. The sets of the package stay as they are.
    """
    if joints.limbs and joints.joints not in _BY_JOINTS:
        _BY_JOINTS[joints.joints] = joints


def set_of(names: tuple[str, ...]) -> JointSet | None:
    """Return the joint set with these joints in this order, None if there is none that is known.

    >>> set_of(COCO_17.joints).name, set_of(("nose", "tail"))
    ('coco17', None)
    """
    return _BY_JOINTS.get(names)


def limbs_of(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the limbs between joints as pairs of positions, none for an unknown joint set.

    >>> limbs_of(COCO_17.joints) == COCO_17.limb_indices, limbs_of(("nose", "tail"))
    (True, ())
    """
    joints = set_of(names)
    return joints.limb_indices if joints else ()


def sides_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the side of each joint, "left", "right" or "": by the set's pairs, else by its name.

    >>> sides_of(("nose", "left_eye", "r_hip"))
    ('', 'left', 'right')
    """
    joints = set_of(names)
    pairs = joints.pairs if joints else ()
    paired = {
        name: side for pair in pairs for name, side in zip(pair, ("left", "right"), strict=True)
    }
    return tuple(paired.get(name) or SIDES.get(name.partition("_")[0], "") for name in names)


def joint_name(text: str) -> str:
    """Return a joint's name in the spelling used here.

    >>> joint_name("Left-Wrist"), joint_name("left wrist"), joint_name("leftWrist")
    ('left_wrist', 'left_wrist', 'left_wrist')
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text.strip())
    return re.sub(r"[\s\-_.]+", "_", words).lower()


@cache
def joint_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return joints' names in the spelling used here, or as they are where two would be alike."""
    names = tuple(map(joint_name, texts))
    return names if len(set(names)) == len(names) else texts
