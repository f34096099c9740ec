"""Temporal pose for the price of a single frame: every crop is encoded once.

An encoded crop is looked up by its frame and the box that cut it. So the crop policy, which says
what box cuts each frame of a person's window, is all that differs from windowed mode:

- "anchored": one box for the whole window, kept while the person stays inside its crop;
- "own": each frame's own box; where the person was not seen, the nearest frame with one.

Axes: N people, T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tarvitpose.config import AnchorRule
from tarvitpose.geometry import centre_and_size
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import BatchedCrop, Predictor, slices
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.utils.arrays import Float32

Window = Sequence[TrackedFrame]  # T frames, the ends of a video repeated


class CropKey(NamedTuple):
    """What tells one crop from all others: the frame, and the box (xyxy) that cuts it."""

    frame: int
    box: tuple[float, ...]


@dataclass(frozen=True)
class BoxedFrame:
    """A frame, and the box (xyxy) that cuts one person out of it."""

    frame: Frame
    box: Float32

    @property
    def key(self) -> CropKey:
        """What the encoded crop is looked up by."""
        return CropKey(self.frame.index, tuple(self.box.tolist()))


CropPlan = list[BoxedFrame]  # the T crops of one person's window
Policy = Callable[[Window, int], list[CropPlan]]


def times(plan: CropPlan, current: int) -> list[float]:
    """Return how far each crop's frame is from the current one, in frames."""
    now = plan[current].frame.index
    return [float(boxed.frame.index - now) for boxed in plan]


class Anchored:
    """One box for all frames of a person's window, kept while the person stays inside its crop.

    Else the newest box of the window takes its place (it lasts longest), if its crop holds the
    person in the current frame, and the window is encoded anew, once.
    """

    def __init__(self, rule: AnchorRule, input_size: tuple[int, int]) -> None:
        self.rule, self.input_size = rule, input_size
        self._anchors: dict[int, Float32] = {}  # by track

    def crops(self, window: Window, current: int) -> list[CropPlan]:
        """Return for each person of the current frame the T crops to attend to."""
        now = window[current]
        seen = {track for tracked in window for track in tracked.track_ids.tolist()}
        # Nothing is left of who was not seen in the whole window: a new anchor costs nothing.
        self._anchors = {track: box for track, box in self._anchors.items() if track in seen}
        for track, box in zip(now.track_ids.tolist(), now.boxes, strict=True):
            anchor = self._anchors.get(track)
            if anchor is None or not self._holds(anchor, box):
                self._anchors[track] = self._new_anchor(window[current:], track, box)
        return [
            [BoxedFrame(tracked.frame, self._anchors[track]) for tracked in window]
            for track in now.track_ids.tolist()
        ]

    def _new_anchor(self, ahead: Window, track: int, box: Float32) -> Float32:
        """Return the newest box (xyxy) of a person whose crop holds the current one."""
        newest_first = (
            tracked.boxes[tracked.track_ids == track][0]
            for tracked in reversed(ahead)
            if track in tracked.track_ids
        )
        return next((newest for newest in newest_first if self._holds(newest, box)), box)

    def _holds(self, anchor: Float32, box: Float32) -> bool:
        return holds(anchor, box, self.rule, self.input_size)


def holds(anchor: Float32, box: Float32, rule: AnchorRule, input_size: tuple[int, int]) -> bool:
    """Tell whether a box (xyxy) lies well enough inside the crop that its anchor (xyxy) cuts.

    No side may come closer to the crop's border than `rule.margin` of the crop, and the crop must
    not be more than `rule.scale` times as large or small as the box's own would be.
    """
    centre, size = centre_and_size(np.stack([anchor, box]), input_size)
    change = float(size[1, 0] / size[0, 0])
    reach = size[0] * (0.5 - rule.margin)
    inside = (box[:2] >= centre[0] - reach).all() and (box[2:] <= centre[0] + reach).all()
    return bool(inside) and 1 / rule.scale <= change <= rule.scale


def boxes_of_each_frame(window: Window, current: int) -> list[CropPlan]:
    """Return for each person of the current frame T crops, each cut by the person's box in it.

    A frame in which the person was not seen is replaced by the nearest one, the earlier of two.
    """
    return [
        [_nearest_sighting(window, at, track) for at in range(len(window))]
        for track in window[current].track_ids.tolist()
    ]


def _nearest_sighting(window: Window, at: int, track: int) -> BoxedFrame:
    """Return the frame that shows a person and is the closest in time to the one at `at`."""
    sightings = [tracked for tracked in window if track in tracked.track_ids]
    index = window[at].frame.index
    nearest = min(sightings, key=lambda tracked: abs(tracked.frame.index - index))
    return BoxedFrame(nearest.frame, nearest.boxes[nearest.track_ids == track][0])


class Streamer:
    """Decodes windows that follow each other; memory depends on the window and its people."""

    def __init__(self, predictor: Predictor, policy: Policy) -> None:
        """Runs what `predictor` runs, with its offsets and batch size."""
        self.predictor, self.policy = predictor, policy
        self._crops: dict[CropKey, BatchedCrop] = {}

    def joints(self, windows: Sequence[Window]) -> list[PoseArrays]:
        """Return the joints of every person in the current frame of each window.

        Each frame is the current one once, in order. Crops that are new are encoded together,
        whatever window they are for.
        """
        current = self.predictor.current
        plans_by_window = [self.policy(window, current) for window in windows]
        plans = [plan for of_window in plans_by_window for plan in of_window]
        self._cut_new(plans)
        parts = [
            self.predictor.decode_windows(
                [[self._crops[boxed.key] for boxed in plan] for plan in plans[part]],
                np.array([[boxed.box for boxed in plan] for plan in plans[part]]),
                np.array([times(plan, current) for plan in plans[part]]),
            )
            for part in slices(len(plans), self.predictor.batch_size)
        ]
        if windows:
            oldest = min(tracked.frame.index for tracked in windows[-1])
            self._crops = {key: crop for key, crop in self._crops.items() if key.frame >= oldest}
        return self.predictor.joined(parts).split([len(of_window) for of_window in plans_by_window])

    def _cut_new(self, plans: list[CropPlan]) -> None:
        """Cut each crop that is new, to be encoded together."""
        new: dict[CropKey, BoxedFrame] = {}
        for plan in plans:
            new |= {boxed.key: boxed for boxed in plan if boxed.key not in self._crops}
        if new:
            images = [boxed.frame.image for boxed in new.values()]
            boxes = np.stack([boxed.box for boxed in new.values()])
            crops = self.predictor.encode(self.predictor.crops(images, boxes))
            self._crops.update(zip(new, crops, strict=True))


def open_streamer(predictor: Predictor, rule: AnchorRule | None) -> Streamer:
    """Return a streamer with the policy "anchored" by this rule, or "own" without one."""
    if rule is None:
        return Streamer(predictor, boxes_of_each_frame)
    return Streamer(predictor, Anchored(rule, predictor.config.input_size).crops)
