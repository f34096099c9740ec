"""BVH for Blender and other animation programs: one person who moves in a plane.

Axes: F frames.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.file_writer import open_text
from tarvitpose.formats.motion import SIDES, TrackMotion
from tarvitpose.utils.arrays import Float64

ANGLE_DIGITS = 3
POSITIONS = "Xposition Yposition Zposition"
ROTATIONS = "Zrotation Xrotation Yrotation"  # Blender reads all three of a joint or none


@dataclass(frozen=True)
class _BoneChain:
    """Bones one after the other; the first begins wherever its joint is."""

    names: tuple[str, ...]  # of the bones
    points: tuple[Float64, ...]  # (F, 2) each, one more than bones: their ends


def write_bvh(path: Path, motion: TrackMotion) -> None:
    """Write a skeleton of trunk, head, arms and legs.

    A chain of bones begins where its first joint is and has the bones' mean lengths; bones point
    where the joints do. BVH knows no gaps: joints that are not seen are interpolated, and at the
    ends held. Frames are evenly spaced. Raises DataError for a person without hips or shoulders,
    and OutputError.
    """
    root = _filled(motion.middle("hip"), "hips", motion.track_id)
    chains = _chains(motion, root)
    lengths = [_lengths(chain) for chain in chains]
    lines = ["HIERARCHY", "ROOT hips", "{", "  OFFSET 0 0 0"]
    lines += [f"  CHANNELS 6 {POSITIONS} {ROTATIONS}"]
    for chain, sizes in zip(chains, lengths, strict=True):
        lines += _joints(chain.names, sizes, motion.digits)
    lines += ["}", "MOTION", f"Frames: {len(root)}", f"Frame Time: {1 / motion.frame_rate:.9f}"]
    columns = [*root.T, *np.zeros((4, len(root)))]
    for chain in chains:
        columns += _columns(chain, root)
    with ExitStack() as stack:
        file = open_text(path, stack)
        file.writelines(f"{line}\n" for line in lines)
        for row in np.stack(columns, 1).tolist():
            file.write(" ".join(f"{value:.{max(motion.digits, ANGLE_DIGITS)}f}" for value in row))
            file.write("\n")


def _chains(motion: TrackMotion, root: Float64) -> list[_BoneChain]:
    def filled(name: str) -> Float64:
        return _filled(motion.joint(name), name, motion.track_id)

    shoulders = _filled(motion.middle("shoulder"), "shoulders", motion.track_id)
    chains = [_BoneChain(("spine",), (root, shoulders))]
    top = next((name for name in ("head_top", "nose") if name in motion.joint_names), None)
    if top is not None and np.isfinite(motion.joint(top)).any():
        chains.append(_BoneChain(("head",), (shoulders, filled(top))))
    for side in SIDES:
        for names, joints in (
            (("upper_arm", "forearm"), ("shoulder", "elbow", "wrist")),
            (("thigh", "shin"), ("hip", "knee", "ankle")),
        ):
            points = tuple(filled(f"{side}_{joint}") for joint in joints)
            chains.append(_BoneChain(tuple(f"{side}_{name}" for name in names), points))
    return chains


def _filled(points: Float64, name: str, track: int) -> Float64:
    """Interpolate gaps (F, 2). Raises DataError where nothing is known."""
    is_known = np.isfinite(points).all(1)
    if not is_known.any():
        raise DataError(f"track {track}: {name} are never seen well enough for an animation")
    at = np.flatnonzero(is_known)
    frames = np.arange(len(points))
    return np.stack([np.interp(frames, at, points[at, axis]) for axis in (0, 1)], 1)


def _lengths(chain: _BoneChain) -> list[float]:
    ends = zip(chain.points, chain.points[1:], strict=False)
    return [float(np.linalg.norm(end - start, axis=1).mean()) for start, end in ends]


def _joints(names: tuple[str, ...], lengths: list[float], digits: int) -> list[str]:
    """Return the lines of a chain, all of whose bones point up at rest."""
    lines: list[str] = []
    for depth, name in enumerate(names):
        indent, before = "  " * (depth + 1), lengths[depth - 1] if depth else 0.0
        channels = f"3 {ROTATIONS}" if depth else f"6 {POSITIONS} {ROTATIONS}"
        lines += [f"{indent}JOINT {name}", f"{indent}{{"]
        lines += [f"{indent}  OFFSET 0 {before:.{digits}f} 0", f"{indent}  CHANNELS {channels}"]
    indent = "  " * (len(names) + 1)
    lines += [f"{indent}End Site", f"{indent}{{"]
    lines += [f"{indent}  OFFSET 0 {lengths[-1]:.{digits}f} 0", f"{indent}}}"]
    return lines + ["  " * depth + "}" for depth in range(len(names), 0, -1)]


def _columns(chain: _BoneChain, root: Float64) -> list[Float64]:
    """Return the channels of a chain, (F,) each: where it begins, and how each bone turns."""
    start = chain.points[0] - root
    columns = [*start.T, np.zeros(len(root))]
    before = np.zeros(len(root))
    for begin, end in zip(chain.points, chain.points[1:], strict=False):
        x, y = (end - begin).T
        angle = np.arctan2(-x, y)  # from straight up, counterclockwise
        # Within half a turn of the bone before at first, as programs limit joints, then no jumps.
        turn = (angle - before + np.pi) % (2 * np.pi) - np.pi
        columns += [np.degrees(np.unwrap(turn)), *np.zeros((2, len(root)))]
        before = angle
    return columns
