"""A tiny official release of JHMDB: two actions, three clips, as the real one is laid out."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

SIZE = (60, 80)  # height, width of the frames
FRAMES = 4
CLIPS = {  # action, clip: its part in split 1, and in Sub-JHMDB's (0: not in it)
    ("catch", "Torwart_catch_f_cm_np1_ri_med_0"): (1, 1),
    ("catch", "Goal_&_Save_catch_f_cm_np1_fr_med_2"): (2, 2),
    ("wave", "#20_Rhythm_wave_u_nm_np1_fr_goo_0"): (2, 0),
}


def joints_of(number: int) -> NDArray[np.float64]:
    """Return pos_img of a clip, (2, 15, T), in MATLAB's pixels, which start at 1."""
    points = np.stack([20.0 + 1.5 * np.arange(15), 12.0 + 2.5 * np.arange(15)])  # (2, 15)
    return points[..., None] + number + np.arange(FRAMES) * [[[0.5]], [[0.25]]]


def write_release(root: Path, *, images: bool = True, masks: bool = True) -> Path:
    """Write joints, masks, lists of split 1 and frames; with `images` false only the lists."""
    for number, (action, clip) in enumerate(CLIPS):
        write_positions(root, action, clip, joints_of(number))
        if masks:
            write_masks(root, action, clip, FRAMES)
        if images:
            write_images(root, action, clip, FRAMES)
    for folder, name in (("splits", "{}_test_split1.txt"), ("sub_splits", "{}_test_split_1.txt")):
        at = int(folder == "sub_splits")
        for action in {action for action, _ in CLIPS}:
            clips = [(clip, part[at]) for (of, clip), part in CLIPS.items() if of == action]
            lines = [f"{clip}.avi {part} \n" for clip, part in clips if part]
            if lines:
                (root / folder).mkdir(parents=True, exist_ok=True)
                (root / folder / name.format(action)).write_text("".join(lines))
    return root


def write_positions(root: Path, action: str, clip: str, pos_img: Any) -> Path:
    """Write the joints of a clip."""
    path = root / "joint_positions" / action / clip / "joint_positions.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"pos_img": pos_img, "pos_world": pos_img, "scale": np.ones((1, FRAMES))}
    savemat(path, {**values, "viewpoint": "SE"}, do_compression=True)
    return path


def write_masks(root: Path, action: str, clip: str, frames: int) -> Path:
    """Write masks whose person covers x 20 to 49 and y 10 + t to 50 of frame t."""
    masks = np.zeros((*SIZE, frames), np.uint8)
    for t in range(frames):
        masks[10 + t : 51, 20:50, t] = 1
    path = root / "puppet_mask" / action / clip / "puppet_mask.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"part_mask": masks}, do_compression=True)
    return path


def write_images(root: Path, action: str, clip: str, frames: int) -> None:
    """Write the frames of a clip, counted from 1; frame t is grey level 10 t."""
    folder = root / "Rename_Images" / action / clip
    folder.mkdir(parents=True, exist_ok=True)
    for t in range(1, frames + 1):
        cv2.imwrite(str(folder / f"{t:05d}.png"), np.full((*SIZE, 3), 10 * t, np.uint8))
