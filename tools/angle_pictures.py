"""Draw docs/pictures/angles.png: what each joint angle means, on stick figures.

python -m tools.angle_pictures docs/pictures/angles.png
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from tarvitpose.angles.arcs import draw_angles
from tarvitpose.drawing import LIGHT, draw_poses, draw_text, text_width
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.images import write_image

SIDE, TEXT = 400, 19.0  # pixels
GROUND = 90  # grey level
CENTRE = SIDE / 2
FIGURES = {  # title: whether seen from the side, and limbs by degrees to the front, or outwards
    "knee flexion 0": (True, {}),
    "knee flexion 90": (True, {"shank": -90.0}),
    "hip flexion 60": (True, {"thigh": 60.0, "shank": 60.0}),
    "hip flexion -25": (True, {"thigh": -25.0, "shank": -25.0}),
    "elbow flexion 90": (True, {"forearm": 90.0}),
    "shoulder flexion -40": (True, {"upper_arm": -40.0, "forearm": -40.0}),
    "shoulder flexion 120": (True, {"upper_arm": 120.0, "forearm": 120.0}),
    "hip abduction 30": (False, {"thigh": 30.0, "shank": 30.0}),
    "shoulder abduction 90": (False, {"upper_arm": 90.0, "forearm": 90.0}),
}
LIMBS = {"upper_arm": 60.0, "forearm": 55.0, "thigh": 75.0, "shank": 70.0}  # pixels


def figure(from_the_side: bool, turned: dict[str, float]) -> FramePoses:
    """Return a person with one side's limbs turned; from the side only that one is drawn."""
    joints = {"nose": (CENTRE + 22 * from_the_side, 102.0), "head_top": (CENTRE, 78.0)}
    joints["head_bottom"] = CENTRE, 118.0
    for side, sign in (("left", 1), ("right", -1)):
        for names, wide, top, limbs in (
            (("shoulder", "elbow", "wrist"), 36, 132.0, ("upper_arm", "forearm")),
            (("hip", "knee", "ankle"), 22, 220.0, ("thigh", "shank")),
        ):
            x, y = CENTRE + (0 if from_the_side else sign * wide), top
            joints[f"{side}_{names[0]}"] = x, y
            for name, limb in zip(names[1:], limbs, strict=True):
                is_turned = from_the_side or side == "left"
                angle = np.radians(turned.get(limb, 0.0) if is_turned else 0.0)
                x += LIMBS[limb] * float(np.sin(angle)) * (1 if from_the_side else sign)
                y += LIMBS[limb] * float(np.cos(angle))
                joints[f"{side}_{name}"] = x, y
    points = np.array([[joints[name] for name in POSETRACK_15.joints]], np.float32)
    return FramePoses(
        index=0,
        time=0.0,
        image_size=(SIDE, SIDE),
        keypoints=points,
        scores=np.ones(points.shape[:2], np.float32),
        boxes=np.full((1, 4), np.nan, np.float32),
        box_scores=np.ones(1, np.float32),
        track_ids=np.ones(1, np.int64),
        joint_names=POSETRACK_15.joints,
    )


def panel(caption: str, from_the_side: bool, turned: dict[str, float]) -> UInt8:
    """Return one figure with its angle and its name, (SIDE, SIDE, 3)."""
    poses = figure(from_the_side, turned)
    near = [not (from_the_side and name.startswith("right")) for name in poses.joint_names]
    shown = replace(poses, scores=np.array([near], np.float32))
    canvas = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    canvas = draw_poses(canvas, shown, legend=False, labels=False)
    angle, _, _ = caption.rpartition(" ")
    draw_angles(canvas, poses, only=f"left_{angle.replace(' ', '_')}")
    left = round((SIDE - text_width(f"{caption}°", TEXT)) / 2)
    draw_text(canvas, f"{caption}°", (left, 32), TEXT, LIGHT)
    return canvas


def main(path: Path) -> None:
    """Write all figures, three in a row."""
    panels = [panel(caption, *how) for caption, how in FIGURES.items()]
    rows = [np.concatenate(panels[at : at + 3], 1) for at in range(0, len(panels), 3)]
    write_image(path, np.concatenate(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
