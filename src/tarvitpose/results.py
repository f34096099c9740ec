"""The arrays that users get, one object for each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tarvitpose.skeleton import limbs_of
from tarvitpose.utils.arrays import Bools, Float32, Int64, UInt8
from tarvitpose.utils.optional import require

if TYPE_CHECKING:
    import pandas as pd
    import supervision as sv

POINT_ARRAYS = ("keypoints", "raw_keypoints", "single_keypoints")
PERSON_ARRAYS = (  # the fields of FramePoses that have a row for each person
    *("keypoints", "scores", "boxes", "box_scores", "track_ids"),
    *("raw_keypoints", "single_keypoints", "single_scores"),
)


@dataclass(frozen=True, repr=False)
class FramePoses:
    """The N people of one frame, N may be 0.   Coordinates: pixels of the upright frame, (x, y)."""

    index: int  # position in the video, from 0, every frame once
    time: float  # presentation time in seconds
    image_size: tuple[int, int]  # (height, width) of the upright frame
    keypoints: Float32  # (N, J, 2), never clipped to the frame
    scores: Float32  # (N, J), 0..1
    boxes: Float32  # (N, 4), xyxy
    box_scores: Float32  # (N,), 0..1
    track_ids: Int64  # (N,), never reused within a video
    joint_names: tuple[str, ...]  # (J,), the order of the joints
    raw_keypoints: Float32 | None = None  # (N, J, 2) before smoothing; None: nothing was smoothed
    single_keypoints: Float32 | None = None  # (N, J, 2) without the temporal part, where asked for
    single_scores: Float32 | None = None  # (N, J), likewise
    left_out: Float32 | None = None  # (K, 4), xyxy, boxes of people who were detected, not posed
    __iter__: ClassVar[None] = None  # neither a sequence of people nor one of joints

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        """Return a line that says how many people there are, and who, not all their numbers."""
        height, width = self.image_size
        people = "1 person" if len(self) == 1 else f"{len(self)} people"
        return (
            f"FramePoses(index={self.index}, time={self.time:.3f}, {people}, "
            f"track_ids={self.track_ids.tolist()}, {len(self.joint_names)} joints, "
            f"{width}x{height})"
        )

    def __getitem__(self, joint: str) -> Float32:
        """Return where a joint of everybody is, (N, 2). Raises KeyError for an unknown name."""
        if joint not in self.joint_names:
            close = get_close_matches(str(joint), self.joint_names, 1)
            hint = f"did you mean {close[0]}?" if close else f"expected {self.joint_names}"
            raise KeyError(f"no joint {joint!r}; {hint}")
        return self.keypoints[:, self.joint_names.index(joint)]

    @property
    def limbs(self) -> tuple[tuple[int, int], ...]:
        """The limbs as pairs of positions in `joint_names`; none for an unknown set of joints."""
        return limbs_of(self.joint_names)

    def draw(self, image: UInt8, *, keypoint_threshold: float = 0.3, legend: bool = True) -> UInt8:
        """Return a copy of an RGB image (height, width, 3) uint8 with the people drawn on it.

        The image is the frame, at any size. Joints that score below `keypoint_threshold` are left
        out, with their limbs; the legend shows the time and who is there. Raises ValueError for
        another array.
        """
        from tarvitpose.drawing import draw_poses  # noqa: PLC0415 - OpenCV takes time

        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"expected an RGB image (height, width, 3) uint8, got {image.shape} {image.dtype}"
            )
        is_frame = self.image_size in ((0, 0), image.shape[:2])
        poses = self if is_frame else self.resized(image.shape)
        return draw_poses(image, poses, keypoint_threshold=keypoint_threshold, legend=legend)

    def resized(self, shape: tuple[int, ...]) -> FramePoses:
        """Return the same people in pixels of the frame at another size, (height, width)."""
        scale = np.float32(shape[1] / self.image_size[1])
        return self._moved(lambda points: points * scale, (shape[0], shape[1]))

    def cropped(self, left: int, top: int, width: int, height: int) -> FramePoses:
        """Return the same people in pixels of a part of the frame, which may cut them off."""
        corner = np.array([left, top], np.float32)
        return self._moved(lambda points: points - corner, (height, width))

    def _moved(self, move: Callable[[Float32], Float32], image_size: tuple[int, int]) -> FramePoses:
        """Return the same people in another picture, `move` being what it does to points."""
        arrays: dict[str, Any] = {
            name: None if getattr(self, name) is None else move(getattr(self, name))
            for name in POINT_ARRAYS
        }
        for name in ("boxes", "left_out"):
            corners = getattr(self, name)
            arrays[name] = None if corners is None else move(corners.reshape(-1, 2)).reshape(-1, 4)
        return replace(self, image_size=image_size, **arrays)

    def only(self, which: Bools | slice) -> FramePoses:
        """Return the frame with some of its people: a mask `which` (N,), or a slice."""
        arrays: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[which]
            for name in PERSON_ARRAYS
        }
        return replace(self, **arrays)

    def single_frame(self) -> FramePoses:
        """Return the same people as the network sees them without the temporal part.

        Raises ValueError unless the estimator was asked to `compare`.
        """
        points, scores = self.single_keypoints, self.single_scores
        if points is None or scores is None:
            raise ValueError("no single frames here: give the estimator compare=True")
        poses = replace(self, keypoints=points, scores=scores, raw_keypoints=None)
        return replace(poses, single_keypoints=None, single_scores=None)

    def to_columns(self) -> dict[str, list[Any]]:
        """Return the long table of CSV and Parquet by column: a row for each joint of each person.

        Where nobody is seen it is one row, in which `track_id` and all behind it are None. What
        was smoothed has its raw coordinates, `x_raw` and `y_raw`, at the end.
        """
        people, joints = len(self), len(self.joint_names)
        rest: dict[str, list[Any]] = {
            "track_id": np.repeat(self.track_ids, joints).tolist(),
            "joint": [*self.joint_names] * people,
            "x": self.keypoints[..., 0].ravel().tolist(),
            "y": self.keypoints[..., 1].ravel().tolist(),
            "score": self.scores.ravel().tolist(),
        }
        if self.raw_keypoints is not None:
            rest["x_raw"] = self.raw_keypoints[..., 0].ravel().tolist()
            rest["y_raw"] = self.raw_keypoints[..., 1].ravel().tolist()
        if not people:
            rest = {name: [None] for name in rest}
        rows = len(rest["joint"])
        return {"frame": [self.index] * rows, "time_s": [self.time] * rows, **rest}

    def to_dataframe(self) -> pd.DataFrame:
        """Return `to_columns` as a data frame of pandas. Raises MissingDependencyError."""
        pandas = require("pandas", "to_dataframe", "dataframe")
        columns = self.to_columns()
        kinds = {"frame": "int64", "time_s": "float64", "track_id": "Int64", "joint": "string"}
        frame: pd.DataFrame = pandas.DataFrame(columns)
        return frame.astype({name: kinds.get(name, "float32") for name in columns})

    def to_supervision(self) -> sv.KeyPoints:
        """Return the people as supervision's key points. Raises MissingDependencyError.

        Its `data` has `tracker_id`, (N,), and `xyxy`, (N, 4); after smoothing also `xy_raw`. Their
        `as_detections` have the tracks as `tracker_id`.
        """
        from tarvitpose.supervision_points import key_points  # noqa: PLC0415 - rarely needed

        data: dict[str, Any] = {"tracker_id": self.track_ids, "xyxy": self.boxes}
        if self.raw_keypoints is not None:
            data["xy_raw"] = self.raw_keypoints
        return key_points(self.keypoints, self.scores, self.box_scores, self.limbs, data)


def people_by_track(poses: Iterable[FramePoses]) -> dict[int, list[tuple[FramePoses, int]]]:
    """Return the frames of each track, by rising id, with the person's position in each.

    Who has no track (an id below 0) is left out; of two people with one id the first counts.
    """
    people: dict[int, list[tuple[FramePoses, int]]] = {}
    for frame in poses:
        for track_id, at in zip(*np.unique(frame.track_ids, return_index=True), strict=True):
            people.setdefault(int(track_id), []).append((frame, int(at)))
    return {track_id: people[track_id] for track_id in sorted(people) if track_id >= 0}


@dataclass(frozen=True)
class Frame:
    """One frame of a source, as decoders give it and detectors read it."""

    index: int  # position in the source, from 0
    time: float  # presentation time in seconds
    image: UInt8  # (height, width, 3), RGB, upright
    name: str = ""  # folder and file name where the source is a folder or a glob


@dataclass(frozen=True)
class TrackedFrame:
    """A frame with the people that were detected in it."""

    frame: Frame
    boxes: Float32  # (N, 4), xyxy
    scores: Float32  # (N,)
    track_ids: Int64  # (N,)
    left_out: Float32 | None = None  # (K, 4), xyxy, of detected people who are not among the N
    alone: Bools | None = None  # (N,), whom no neighbouring frames help to see; None: nobody


def joined_boxes(first: Float32 | None, second: Float32) -> Float32:
    """Return boxes (K, 4) of two groups of people as one; of the first there may be none."""
    return second if first is None else np.concatenate([first, second])
