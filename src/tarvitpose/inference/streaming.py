"""Temporal pose for the price of a single frame: every crop is encoded once.

An encoded crop is looked up by its frame and the box that cut it. So the crop policy, which says
what box cuts each frame of a person's window, is all that differs from windowed mode:

- "anchored": one box for many frames, kept while the person stays inside its crop;
- "own": each frame's own box; where the person was not seen, the nearest frame with one.

Axes: N people, T frames, J joints.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tarvitpose.config import AnchorRule, ModelConfig
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
    """One box for as many frames in a row as a person stays inside its crop.

    A frame is cut when it first comes into a window, and never again: by the anchor of the frame
    before it, or where that does not hold the person, by the newest box of the window whose crop
    does (it lasts longest). So around a new anchor the crops of a window are cut by two boxes.
    """

    def __init__(self, rule: AnchorRule, config: ModelConfig) -> None:
        self.rule, self.config = rule, config
        self._anchors: dict[int, dict[int, Float32]] = {}  # by track, of each frame of the window

    def crops(self, window: Window, current: int) -> list[CropPlan]:
        """Return for each person of the current frame the T crops to attend to."""
        oldest = window[0].frame.index
        self._anchors = {  # nothing is left of who was not looked at in the whole window
            track: recent
            for track, anchors in self._anchors.items()
            if (recent := {index: box for index, box in anchors.items() if index >= oldest})
        }
        return [self._plan(window, track) for track in window[current].track_ids.tolist()]

    def _plan(self, window: Window, track: int) -> CropPlan:
        """Return the crops of one person; before the first sighting they are cut as that is."""
        anchors = self._anchors.setdefault(track, {})
        sightings = [each.boxes[each.track_ids == track] for each in window]  # (1 or 0, 4)
        anchor: Float32 | None = None
        for at, tracked in enumerate(window):
            index = tracked.frame.index
            if index not in anchors:
                if anchor is None or len(sightings[at]):
                    anchor = self._next_anchor(anchor, np.concatenate(sightings[at:]))
                anchors[index] = anchor
            anchor = anchors[index]
        return [BoxedFrame(tracked.frame, anchors[tracked.frame.index]) for tracked in window]

    def _next_anchor(self, anchor: Float32 | None, ahead: Float32) -> Float32:
        """Return an anchor (xyxy) whose crop holds the first of some boxes (K, 4)."""
        box, rule, config = ahead[0], self.rule, self.config
        if anchor is not None and holds(anchor, box, rule, config):
            return anchor
        return next((newest for newest in ahead[::-1] if holds(newest, box, rule, config)), box)


def holds(anchor: Float32, box: Float32, rule: AnchorRule, config: ModelConfig) -> bool:
    """Tell whether a box (xyxy) lies well enough inside the crop that its anchor (xyxy) cuts.

    No side may come closer to the crop's border than `rule.margin` of the crop, and the crop must
    not be more than `rule.scale` times as large or small as the box's own would be.
    """
    both = np.stack([anchor, box])
    centre, size = centre_and_size(both, config.input_size, config.box_padding)
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
        self._cached: dict[CropKey, BatchedCrop] = {}

    def joints(self, windows: Sequence[Window]) -> list[PoseArrays]:
        """Return the joints of every person in the current frame of each window.

        Each frame is the current one once, in order. Crops that are new are encoded together,
        whatever window they are for.
        """
        current = self.predictor.current
        plans_by_window = [self._plans(window) for window in windows]
        plans = [plan for of_window in plans_by_window for plan in of_window]
        self._cut_new(plans)
        parts = [
            self.predictor.decode_windows(
                [[self._cached[boxed.key] for boxed in plan] for plan in plans[part]],
                np.array([[boxed.box for boxed in plan] for plan in plans[part]]),
                np.array([times(plan, current) for plan in plans[part]]),
            )
            for part in slices(len(plans), self.predictor.batch_size)
        ]
        if windows:
            oldest = min(tracked.frame.index for tracked in windows[-1])
            self._cached = {key: crop for key, crop in self._cached.items() if key.frame >= oldest}
        return self.predictor.joined(parts).split([len(of_window) for of_window in plans_by_window])

    def _plans(self, window: Window) -> list[CropPlan]:
        """Return the T crops of each person, all the same one of who is seen alone."""
        current = self.predictor.current
        plans, alone = self.policy(window, current), window[current].alone
        if alone is None:
            return plans
        return [
            [plan[current]] * len(plan) if is_alone else plan
            for plan, is_alone in zip(plans, alone.tolist(), strict=True)
        ]

    def _cut_new(self, plans: list[CropPlan]) -> None:
        """Cut each crop that is new, to be encoded together."""
        new: dict[CropKey, BoxedFrame] = {}
        for plan in plans:
            new |= {boxed.key: boxed for boxed in plan if boxed.key not in self._cached}
        if new:
            images = [boxed.frame.image for boxed in new.values()]
            boxes = np.stack([boxed.box for boxed in new.values()])
            crops = self.predictor.encode(self.predictor.crops(images, boxes))
            self._cached.update(zip(new, crops, strict=True))


def open_streamer(predictor: Predictor, rule: AnchorRule | None) -> Streamer:
    """Return a streamer with the policy "anchored" by this rule, or "own" without one."""
    if rule is None:
        return Streamer(predictor, boxes_of_each_frame)
    return Streamer(predictor, Anchored(rule, predictor.config).crops)
