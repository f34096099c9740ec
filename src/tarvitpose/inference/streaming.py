"""Temporal pose for the price of a single frame: every crop is encoded once (method.md, section 8).

What is kept of a crop is found again by its frame and the box that cut it. So the crop policy,
which says what box cuts each frame of a person's window, is all that differs from windowed mode:

- "anchored": one box for the whole window, kept while the person stays inside its crop;
- "own": each frame's own box; where the person was not seen, the nearest frame with one.

Axes: N people, T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tarvitpose.config import AnchorRule
from tarvitpose.geometry import centre_and_size
from tarvitpose.inference.predictor import Joints, Predictor, Views, slices, split
from tarvitpose.results import TrackedFrame
from tarvitpose.utils.arrays import Float32

Window = Sequence[TrackedFrame]  # T frames, the ends of a video repeated


class Crop(NamedTuple):
    """One crop of a window: which frame, and the box (xyxy) that cuts it."""

    frame: int
    box: tuple[float, ...]


class Anchored:
    """One box for all frames of a person's window, kept while the person stays inside its crop.

    Else the newest box of the window takes its place (it lasts longest), if its crop holds the
    person in the current frame, and the window is encoded anew, once.
    """

    def __init__(self, rule: AnchorRule, input_size: tuple[int, int]) -> None:
        self.rule, self.input_size = rule, input_size
        self._anchors: dict[int, Float32] = {}  # by track

    def crops(self, window: Window, current: int) -> list[list[tuple[TrackedFrame, Float32]]]:
        """Return for each person of the current frame the T frames to look at, with their boxes."""
        now = window[current]
        there = {track for seen in window for track in seen.track_ids.tolist()}
        # Nothing is left of who was not seen in the whole window: a new anchor costs nothing.
        self._anchors = {track: box for track, box in self._anchors.items() if track in there}
        for track, box in zip(now.track_ids.tolist(), now.boxes, strict=True):
            anchor = self._anchors.get(track)
            if anchor is None or not self._holds(anchor, box):
                self._anchors[track] = self._new_anchor(window[current:], track, box)
        return [[(seen, self._anchors[t]) for seen in window] for t in now.track_ids.tolist()]

    def _new_anchor(self, ahead: Window, track: int, box: Float32) -> Float32:
        """Return the newest box (xyxy) of a person whose crop holds the current one."""
        boxes = (seen.boxes[seen.track_ids == track] for seen in reversed(ahead))
        newest = (one[0] for one in boxes if len(one))
        return next((one for one in newest if self._holds(one, box)), box)

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


def own_boxes(window: Window, current: int) -> list[list[tuple[TrackedFrame, Float32]]]:
    """Return for each person of the current frame T frames, each with the person's box in it.

    A frame in which the person was not seen is replaced by the nearest one, the earlier of two.
    """
    return [
        [_nearest_sighting(window, at, track) for at in range(len(window))]
        for track in window[current].track_ids.tolist()
    ]


def _nearest_sighting(window: Window, place: int, track: int) -> tuple[TrackedFrame, Float32]:
    """Return the frame of a window closest in time to the one at `place` that shows a person."""
    sightings = [seen for seen in window if track in seen.track_ids]
    when = window[place].frame.index
    seen = min(sightings, key=lambda one: abs(one.frame.index - when))
    return seen, seen.boxes[seen.track_ids == track][0]


Policy = Callable[[Window, int], list[list[tuple[TrackedFrame, Float32]]]]


class Streamer:
    """Answers windows that follow each other; memory depends on the window and the people in it."""

    def __init__(self, predictor: Predictor, policy: Policy) -> None:
        """Runs what `predictor` runs, with its offsets and batch size."""
        self.predictor, self.policy = predictor, policy
        self._kept: dict[Crop, Views] = {}

    def joints(self, windows: Sequence[Window]) -> list[Joints]:
        """Return the joints of every person in the current frame of each window.

        Each frame is the current one once, in order. Crops that are new are encoded together,
        whatever window they are for.
        """
        current = self.predictor.current
        people = [self.policy(window, current) for window in windows]
        wanted = [shown for of_window in people for shown in of_window]
        self._encode_new(wanted)
        boxes = [shown[current][1] for shown in wanted]
        parts = [
            self.predictor.answer(
                [[self._kept[_crop(*one)] for one in shown] for shown in wanted[at]],
                np.stack(boxes[at]),
            )
            for at in slices(len(wanted), self.predictor.batch_size)
        ]
        if windows:
            self._forget_before(min(seen.frame.index for seen in windows[-1]))
        return split(self.predictor.joined(parts), [len(of_window) for of_window in people])

    def _encode_new(self, wanted: list[list[tuple[TrackedFrame, Float32]]]) -> None:
        """Encode each crop that is not kept yet."""
        new: dict[Crop, tuple[TrackedFrame, Float32]] = {}
        for shown in wanted:
            new |= {crop: one for one in shown if (crop := _crop(*one)) not in self._kept}
        if new:
            images = [seen.frame.image for seen, _ in new.values()]
            boxes = np.stack([box for _, box in new.values()])
            encoded = self.predictor.encode(self.predictor.crops(images, boxes))
            self._kept.update(zip(new, encoded, strict=True))

    def _forget_before(self, oldest: int) -> None:
        self._kept = {crop: views for crop, views in self._kept.items() if crop.frame >= oldest}


def _crop(seen: TrackedFrame, box: Float32) -> Crop:
    return Crop(seen.frame.index, tuple(box.tolist()))


def open_streamer(predictor: Predictor, rule: AnchorRule | None) -> Streamer:
    """Return a streamer with the policy "anchored" by this rule, or "own" without one."""
    if rule is None:
        return Streamer(predictor, own_boxes)
    return Streamer(predictor, Anchored(rule, predictor.config.input_size).crops)
