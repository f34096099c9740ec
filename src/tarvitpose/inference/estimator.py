"""PoseEstimator: poses of videos and windows, in Python.   Axes: N people, J joints."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.config import (
    AnchorRule,
    Backend,
    CropPolicy,
    SmoothConfig,
    SmoothMethod,
    TrackerName,
    parse_config,
)
from tarvitpose.detection import Detector, check_detector, load_detector
from tarvitpose.errors import UserError
from tarvitpose.inference.graph_folder import local_config
from tarvitpose.inference.observer import Observer
from tarvitpose.inference.person_tracker import PersonTracker
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, check_compare, windows
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.results import Frame, FramePoses, TrackedFrame
from tarvitpose.smoothing import smoothed
from tarvitpose.tracking import open_tracker
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.sources import open_source, prefetched

BOX_THRESHOLD = 0.4  # the score with which a detected person is first seen
DecodeBatch = Callable[[list[list[TrackedFrame]]], list[PoseArrays]]
CONTINUE = 0.5  # a known person is followed down to this share of the box threshold


class PoseEstimator:
    """Turns videos, or single windows of frames, into poses."""

    def __init__(
        self,
        predictor: Predictor,
        detector: Detector,
        *,
        max_people: int | None = None,
        start_threshold: float = 0.0,
        crop_policy: CropPolicy = "anchored",
        anchor: AnchorRule | None = None,
        det_every: int = 1,
        tracker: TrackerName = "iou",
        person: tuple[int, ...] = (),
    ) -> None:
        """A box below `start_threshold` is only used to go on with a person already known.

        `crop_policy` is for videos: "anchored" and "own" stream, "window" is the exact oracle.
        People are detected in every `det_every`th frame, and tracked in between. Where `person`
        names tracks, all others are found and then left alone. Raises UserError for a tracker
        that is not installed.
        """
        open_tracker(tracker, start_threshold=start_threshold)  # says now what each run would
        self.predictor, self.detector = predictor, detector
        self.max_people, self.start_threshold = max_people, start_threshold
        self.crop_policy, self.anchor = crop_policy, anchor or AnchorRule()
        self.det_every, self.tracker, self.person = det_every, tracker, person
        self.joint_names = predictor.config.joints.joints

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path = "default",
        *,
        device: str = "auto",
        precision: str = "auto",
        single_frame: bool = False,
        offsets: tuple[int, ...] | None = None,
        flip_test: bool = False,
        detector: str | Detector = "nanodet",
        box_threshold: float = BOX_THRESHOLD,
        max_people: int | None = None,
        batch_size: int = 16,
        backend: Backend = "auto",
        crop_policy: CropPolicy = "anchored",
        anchor: AnchorRule | None = None,
        det_every: int = 1,
        tracker: TrackerName = "iou",
        person: tuple[int, ...] = (),
        compare: bool = False,
    ) -> Self:
        """Load weights and a detector.

        `weights` is "default", a folder or a hub id; `detector` a name, a folder, a hub id or an
        object with `detect`. A person is first seen with a score of `box_threshold`, and followed
        down to half of it. With `compare`, poses also say what single frames alone would give
        (`FramePoses.single_frame`). Raises UserError in one line for whatever cannot be had.
        """
        if isinstance(detector, str):
            check_detector(detector)
        network = local_config(weights)
        if compare and network is not None:
            check_compare(network, single_frame=single_frame)
        # PyTorch takes many seconds to load: what can be checked without it was checked above.
        from tarvitpose.inference.load import load_engine  # noqa: PLC0415
        from tarvitpose.inference.torch_engine import choose_device  # noqa: PLC0415

        predictor = Predictor(
            load_engine(weights, backend=backend, device=device, precision=precision),
            offsets=offsets,
            single_frame=single_frame,
            flip_test=flip_test,
            batch_size=batch_size,
            compare=compare,
        )
        if isinstance(detector, str):
            lowest, detector_device = CONTINUE * box_threshold, str(choose_device(device))
            detector = load_detector(detector, threshold=lowest, device=detector_device)
        return cls(
            predictor,
            detector,
            max_people=max_people,
            start_threshold=box_threshold,
            crop_policy=crop_policy,
            anchor=anchor,
            det_every=det_every,
            tracker=tracker,
            person=person,
        )

    def stream(
        self,
        source: str | Path,
        *,
        start: float | None = None,
        end: float | None = None,
        live: bool | None = None,
        allow_playlists: bool = False,
        smooth: SmoothMethod = "none",
    ) -> Iterator[FramePoses]:
        """Yield the poses of every frame of a video, folder, glob, webcam or stream, in order.

        Memory is bounded by the window. `start` and `end` are seconds. A live source drops frames
        that come too fast; `live` says so where the source does not. `tarvitpose.smooth` says what
        `smooth` does. Playlists are opened, with all that they name, if `allow_playlists`. Raises
        VideoError.
        """
        how = parse_config(SmoothConfig, {"smooth": smooth}, "stream")
        with open_source(
            source, start=start, end=end, live=live, allow_playlists=allow_playlists
        ) as frames:
            for _, poses in smoothed(self.run(frames), how):
                yield poses

    def run(
        self, source: FrameSource | Iterable[Frame], observer: Observer | None = None
    ) -> Generator[tuple[Frame, FramePoses]]:
        """Yield every frame with its poses, in order, each once, also where nobody is seen.

        The `observer` sees every step, and may know results already. Those of `person` who were
        never seen are named in the source's warnings.
        """
        observer = observer or Observer()
        is_live = isinstance(source, FrameSource) and source.is_live
        tracker = self.person_tracker(is_live=is_live, observer=observer)
        decode = self._open_decoder(observer)
        at_once = 1 if is_live else self.predictor.batch_size
        reading = partial(observer.stage, "decode")
        with closing(prefetched(source, reading=reading)) as frames, _warned(source, tracker):
            tracked = windows(tracker.find(frames), self.predictor.offsets)
            for batch in self._batches(tracked, at_once):
                for window, joints in zip(batch, decode(batch), strict=True):
                    current = window[self.predictor.current]
                    poses = self._poses(current, joints)
                    observer.frame_finished(current.frame, poses)
                    with observer.stage("write"):  # what the caller does with the frame
                        yield current.frame, poses

    def _open_decoder(self, observer: Observer) -> DecodeBatch:
        """Return what turns windows that follow each other into joints."""
        predictor = self.predictor.observed_by(observer)
        if predictor.single_frame or self.crop_policy == "window":
            return predictor.windowed
        rule = self.anchor if self.crop_policy == "anchored" else None
        return open_streamer(predictor, rule).joints

    def predict(self, frames: Sequence[UInt8] | UInt8, boxes: ArrayLike) -> FramePoses:
        """Return the poses of the current frame of one window.

        `frames` are T RGB images (height, width, 3) uint8, one for each of `offsets` and the
        current frame between them; with `single_frame` one image. `boxes` are (N, 4) xyxy in
        pixels of the current frame. Raises UserError for other shapes.
        """
        images = [frames] if isinstance(frames, np.ndarray) and frames.ndim == 3 else list(frames)
        self._check_images(images)
        boxes = np.asarray(boxes, np.float32)
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise UserError(f"boxes: expected (N, 4) finite numbers, xyxy, got {boxes.shape}")
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise UserError("boxes: expected xyxy with right > left and bottom > top")
        joints = self.predictor.joints([images], [boxes])[0]
        frame = Frame(0, 0.0, images[self.predictor.current])
        scores, ids = np.ones(len(boxes), np.float32), np.arange(1, len(boxes) + 1)
        return self._poses(TrackedFrame(frame, boxes, scores, ids), joints)

    def _check_images(self, images: list[UInt8]) -> None:
        expected = len(self.predictor.offsets)
        if len(images) != expected:
            raise UserError(
                f"frames: expected {expected} images at the offsets {self.predictor.offsets}, "
                f"got {len(images)}"
            )
        for image in images:
            shape, kind = np.shape(image), getattr(image, "dtype", type(image))
            if len(shape) != 3 or shape[2] != 3 or kind != np.uint8:
                raise UserError(
                    f"frames: expected RGB images (height, width, 3) uint8, got {shape} {kind}"
                )

    def person_tracker(
        self, *, is_live: bool = False, observer: Observer | None = None
    ) -> PersonTracker:
        """Return what detects and tracks the people of one source from its beginning."""
        return PersonTracker(
            self.detector,
            start_threshold=self.start_threshold,
            max_people=self.max_people,
            every=self.det_every,
            is_live=is_live,
            tracker=self.tracker,
            chosen=self.person,
            observer=observer,
        )

    def _batches(
        self, tracked: Iterator[list[TrackedFrame]], at_once: int
    ) -> Iterator[list[list[TrackedFrame]]]:
        """Gather windows until they have `at_once` new crops, and no more windows than that."""
        streams = self.crop_policy != "window"
        batch: list[list[TrackedFrame]] = []
        crops = 0
        for window in tracked:
            batch.append(window)
            new = 1 if streams else len(window)
            crops += new * len(window[self.predictor.current].boxes)
            if max(crops, len(batch)) >= at_once:
                yield batch
                batch, crops = [], 0
        if batch:
            yield batch

    def _poses(self, tracked: TrackedFrame, joints: PoseArrays) -> FramePoses:
        frame = tracked.frame
        height, width = frame.image.shape[:2]
        return FramePoses(
            index=frame.index,
            time=frame.time,
            image_size=(height, width),
            boxes=tracked.boxes,
            box_scores=tracked.scores,
            track_ids=tracked.track_ids,
            joint_names=self.joint_names,
            keypoints=joints.keypoints,
            scores=joints.scores,
            single_keypoints=joints.single_keypoints,
            single_scores=joints.single_scores,
        )


@contextmanager
def _warned(source: object, tracker: PersonTracker) -> Iterator[None]:
    """In the end add the warnings of detector and tracker to those of the source."""
    try:
        yield
    finally:
        if isinstance(source, FrameSource):
            source.warnings += tracker.warnings()
