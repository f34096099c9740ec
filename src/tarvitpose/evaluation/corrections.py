"""Poses against what somebody made of them by hand.   Axes: N people, J joints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import NO_SIZE
from tarvitpose.metrics.pck import pck
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.assignment import assign


@dataclass(frozen=True, eq=False)
class Correction:
    """How far predicted joints are from corrected ones, and who was predicted."""

    joints: tuple[str, ...]  # that both have
    pixels: Float64  # (N, J), NaN where the correction has no joint, infinite where it alone has
    sizes: Float64  # (N,): the longer side of each corrected person's box
    missed: int  # people whom only the correction has
    extra: int  # people whom somebody removed

    def rows(self) -> dict[str, dict[str, float]]:
        """Return for each joint of the correction, and for all: how many, and how far they are.

        The median is in pixels, and PCK within shares of a person's size.
        """
        rows = {}
        for name in (*self.joints, "all"):
            pixels = self.pixels[:, [name in ("all", joint) for joint in self.joints]]
            known = ~np.isnan(pixels)
            if known.any():
                median = float(np.median(pixels[known]))
                rows[name] = {
                    "joints": int(known.sum()),
                    "median_px": median if np.isfinite(median) else np.nan,
                    "pck_0.05_box": pck(pixels <= 0.05 * self.sizes[:, None], known),
                    "pck_0.1_box": pck(pixels <= 0.1 * self.sizes[:, None], known),
                }
        return rows


def compare(predicted: Sequence[FramePoses], corrected: Sequence[FramePoses]) -> Correction:
    """Compare predictions with their correction, in the frames that the correction has.

    Frames go together by index, or by order where there are as many; people by how near their
    joints are. Raises DataError where no joint is in both, a frame was not predicted, or images
    have another size.
    """
    joints = tuple(name for name in corrected[0].joint_names if name in predicted[0].joint_names)
    if not joints:
        raise DataError("no joint of the correction is among the predicted ones")
    distances, sizes, missed, extra = [], [], 0, 0
    for before, after in _frames(predicted, corrected):
        _require_one_size(before, after)
        points, truth = (_points(poses, joints) for poses in (before, after))
        size = _sizes(after)
        distance = np.linalg.norm(points[:, None] - truth[None], axis=-1)  # (predicted, true, J)
        known = np.isfinite(distance).sum(-1)
        mean = np.nansum(distance, -1) / np.maximum(known, 1)
        nearness = np.where(known > 0, np.maximum(1 - mean / size, 0), 0)
        rows, columns = assign(nearness) if nearness.size else (np.zeros(0, int),) * 2
        same = nearness[rows, columns] > 0
        rows, columns = rows[same], columns[same]
        is_labelled = np.isfinite(truth[columns]).all(-1)
        moved = np.nan_to_num(distance[rows, columns], nan=np.inf)
        distances.append(np.where(is_labelled, moved, np.nan))
        sizes.append(size[columns])
        missed, extra = missed + len(after) - len(rows), extra + len(before) - len(rows)
    return Correction(joints, np.concatenate(distances), np.concatenate(sizes), missed, extra)


def _frames(
    predicted: Sequence[FramePoses], corrected: Sequence[FramePoses]
) -> Iterator[tuple[FramePoses, FramePoses]]:
    if len(predicted) == len(corrected):
        yield from zip(predicted, corrected, strict=True)
        return
    by_index = {poses.index: poses for poses in predicted}
    for poses in corrected:
        if poses.index not in by_index:
            raise DataError(f"frame {poses.index} of the correction was not predicted")
        yield by_index[poses.index], poses


def _require_one_size(before: FramePoses, after: FramePoses) -> None:
    if NO_SIZE not in (before.image_size, after.image_size):
        (height, width), (new_height, new_width) = before.image_size, after.image_size
        if (height, width) != (new_height, new_width):
            raise DataError(
                f"frame {after.index} is {new_width}x{new_height}, and {width}x{height} in the "
                "predictions: another video?"
            )


def _points(poses: FramePoses, joints: Sequence[str]) -> Float64:
    at = [poses.joint_names.index(name) for name in joints if name in poses.joint_names]
    if len(at) < len(joints):
        raise DataError(f"frame {poses.index} has other joints than the first")
    return poses.keypoints[:, at].astype(np.float64)


def _sizes(poses: FramePoses) -> Float64:
    """Return the longer sides of boxes, (N,), of those around the joints where there are none."""
    sizes = (poses.boxes[:, 2:] - poses.boxes[:, :2]).max(1).astype(np.float64)
    for person in np.flatnonzero(~(sizes > 0)):
        known = poses.keypoints[person][np.isfinite(poses.keypoints[person]).all(1)]
        sizes[person] = np.ptp(known, axis=0).max() if len(known) > 1 else 1.0
    return np.asarray(sizes)
