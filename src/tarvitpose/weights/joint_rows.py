"""Transfer weights between joint sets: the rows of a joint are matched by its name.

Axes: J joints.
"""

from collections.abc import Mapping

from torch import Tensor

from tarvitpose.config import NewJoints
from tarvitpose.skeleton import JointSet

# The released code copies COCO's channels by number, and numbers 1 and 2 are the eyes.
FROM_EYES = {"head_bottom": "left_eye", "head_top": "right_eye"}
JOINT_TENSORS = ("decoder.final.weight", "decoder.final.bias", "jta.query", "jta.query_position")


def match_joints(
    tensors: Mapping[str, Tensor],
    have: JointSet,
    want: JointSet,
    fresh: Mapping[str, Tensor],
    new_joints: NewJoints = "random",
) -> dict[str, Tensor]:
    """Return the tensors with a row for each joint of `want`, in its order.

    `tensors` has rows for the joints of `have`. Joints that it lacks take their rows from `fresh`;
    with `new_joints` "eyes", head_bottom and head_top start as the left and right eye.
    """
    substitutes = FROM_EYES if new_joints == "eyes" else {}
    sources = [name if name in have.joints else substitutes.get(name) for name in want.joints]
    pairs = [
        (row, have.joints.index(source))
        for row, source in enumerate(sources)
        if source in have.joints
    ]
    new_rows, old_rows = [new for new, _ in pairs], [old for _, old in pairs]
    matched = dict(tensors)
    for name in JOINT_TENSORS:
        if name in tensors and name in fresh:
            matched[name] = fresh[name].clone()
            matched[name][new_rows] = tensors[name][old_rows].to(fresh[name])
    return matched


def new_joints_of(have: JointSet, want: JointSet) -> tuple[str, ...]:
    """Return the joints of `want` that `have` lacks."""
    return tuple(name for name in want.joints if name not in have.joints)
