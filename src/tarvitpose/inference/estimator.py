"""PoseEstimator: poses of videos and windows, in Python.   Axes: N people, J joints."""

import copy
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.config import (
    CONFIRMED_THRESHOLD,
    PERSON_SCORE,
    PICTURE_PERSON_SCORE,
    EstimatorConfig,
    SmoothConfig,
    SmoothMethod,
)
from tarvitpose.detection import BoxesFile, Detector, check_detector, load_detector
from tarvitpose.errors import UserError
from tarvitpose.inference.batches import batches
from tarvitpose.inference.devices import choose_device
from tarvitpose.inference.glances import Glances
from tarvitpose.inference.graph_folder import local_config
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.observer import Observer
from tarvitpose.inference.peak_linking import Decoded, linked
from tarvitpose.inference.person_tracker import PersonTracker
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, check_images, check_mode, windows
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.results import Frame, FramePoses, TrackedFrame
from tarvitpose.smoothing import smoothed
from tarvitpose.smoothing.peaks import LAG
from tarvitpose.tracking import GhostFilter, open_tracker
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.config_files import parse_config
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.prefetch import prefetched
from tarvitpose.video.sources import open_source

log = logging.getLogger(__name__)

DecodeBatch = Callable[[list[list[TrackedFrame]]], list[PoseArrays]]
EVERY_BOX = EstimatorConfig(box_threshold=0)


class PoseEstimator:
    """Turns videos, or single windows of frames, into poses."""

    def __init__(
        self, predictor: Predictor, detector: Detector, config: EstimatorConfig = EVERY_BOX
    ) -> None:
        """Join a predictor, a detector and what `config` says about crops and tracking.

        By default a person is followed from any box of the detector. Raises UserError for a
        tracker that is not installed.
        """
        # A tracker that is not installed is refused now instead of in each run.
        open_tracker(config.tracker, start_threshold=config.start_threshold)
        self.predictor, self.detector, self.config = predictor, detector, config
        self._is_of_pictures = False
        self.joint_names = predictor.config.joints.joints

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path = "default",
        *,
        detector: str | Detector | None = None,
        **options: Any,
    ) -> Self:
        """Load weights and a detector.

        `weights` is "default", a folder or a hub id; `detector` a name, a folder, a hub id or an
        object with `detect`. `options` are the fields of `EstimatorConfig`, such as `device`,
        `det_every` or `offsets`. A person is followed from a box of score `box_threshold` on, down
        to half of it, for a second to a quarter. With `compare`, poses also say what single frames
        would give (`FramePoses.single_frame`). Raises UserError in one line for what is wrong.
        """
        values = {"weights": str(weights), **options}
        if isinstance(detector, str):
            values["detector"], detector = detector, None
        config = parse_config(EstimatorConfig, values, "PoseEstimator.from_pretrained")
        return cls.from_config(config, detector)

    @classmethod
    def from_config(cls, config: EstimatorConfig, detector: Detector | None = None) -> Self:
        """Load what a configuration names; `detector` takes the place of its own one.

        Raises UserError, for all that can be refused without the network before that is loaded.
        """
        if detector is None and config.boxes is not None:
            detector = BoxesFile(config.boxes, threshold=config.start_threshold)
        if detector is None:
            check_detector(config.detector)
        network = local_config(config.weights)
        if network is not None:
            check_mode(network, config.temporal, compare=config.compare)
        predictor = Predictor(
            load_engine(
                config.weights,
                backend=config.backend,
                device=config.device,
                precision=config.precision,
                cuda_graphs=config.cuda_graphs,
            ),
            offsets=config.offsets,
            temporal=config.temporal,
            flip_test=config.flip_test,
            batch_size=config.batch_size,
            compare=config.compare,
            peaks=config.peaks == "linked",
        )
        if predictor.mode == "none" and not predictor.config.temporal:
            log.info(
                "%s: no temporal part, so single frames; --temporal pooled uses their neighbours",
                config.weights,
            )
        if detector is None:
            lowest, device = config.faint_threshold, choose_device(config.device)
            detector = load_detector(config.detector, threshold=lowest, device=device)
        return cls(predictor, detector, config)

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
        never seen are named in the source's warnings. A single picture has no neighbours: it is
        decoded alone, with the flip test, unless `temporal` or `compare` ask for more.
        """
        if self._is_alone(source):
            yield from self.of_pictures().run(source, observer)
            return
        observer = observer or Observer()
        is_live = isinstance(source, FrameSource) and source.is_live
        tracker = self.person_tracker(is_live=is_live, observer=observer)
        decode, at_once = self._open_decoder(observer), 1 if is_live else self.predictor.batch_size
        reading = partial(observer.stage, "decode")
        ghosts = GhostFilter[Frame](
            self.least_person_score,
            is_live=is_live,
            look=getattr(self.detector, "look_closer", None),
            faint_below=tracker.continue_threshold,
        )
        with (
            closing(prefetched(source, reading=reading)) as frames,
            _warned(source, tracker, ghosts),
        ):
            tracked = windows(tracker.find(frames), self.predictor.offsets)
            glances = Glances(self.least_person_score, ghosts.is_thing, tracker.continue_threshold)
            decoded = self._decoded(tracked, decode, at_once, glances)
            if self.predictor.peaks:
                decoded = linked(decoded, 0.0 if is_live else LAG)
            pairs = ((current.frame, self._poses(current, joints)) for current, joints in decoded)
            for frame, poses in ghosts.without_ghosts(pairs):
                observer.frame_finished(frame, poses)
                yield frame, poses

    def of_pictures(self) -> Self:
        """Return the same estimator for single pictures, whose people are looked at more often."""
        other = copy.copy(self)
        other.predictor = self.predictor.of_pictures()
        other.detector = getattr(self.detector, "of_pictures", lambda: self.detector)()
        other._is_of_pictures = True
        return other

    def _decoded(
        self,
        tracked: Iterator[list[TrackedFrame]],
        decode: DecodeBatch,
        at_once: int,
        glances: Glances,
    ) -> Iterator[Decoded]:
        """Yield the current frame of each window with the joints of whom is looked at in it."""
        current = self.predictor.current
        due = (
            [*window[:current], glances.due(window[current]), *window[current + 1 :]]
            for window in tracked
        )
        crops = 1 if self.config.crop_policy != "window" else len(self.predictor.offsets)
        for batch in batches(due, current, crops, at_once):
            for window, joints in zip(batch, decode(batch), strict=True):
                glances.note(window[current], joints.scores)
                yield window[current], joints

    def _is_alone(self, source: object) -> bool:
        """Whether a source is a picture, which the weights' own way would give itself for others.

        On held-out stills decoding them alone was better (docs/temporal.md).
        """
        return (
            isinstance(source, FrameSource)
            and source.is_picture
            and self.config.temporal == "auto"
            and not self.predictor.single_frame
            and not self.predictor.compare
        )

    @property
    def least_person_score(self) -> float:
        """How well somebody must be seen; 0 where everybody is kept.

        Boxes of a file are kept, and so is everybody where the weights' scores are no
        probabilities, unless `person_score` is given.
        """
        if self.config.keep_all:
            return 0.0
        if self.config.person_score is not None:
            return self.config.person_score
        predictor = self.predictor
        curve = predictor.config.curve(predictor.mode, flip_test=predictor.flip_test)
        if not curve or self.config.boxes is not None:
            return 0.0
        return PICTURE_PERSON_SCORE if self._is_of_pictures else PERSON_SCORE

    @property
    def start_threshold(self) -> float:
        """The score from which a box starts a track: a doubtful one does where joints decide.

        With `keep_all` as well, so that whom a run left out is in the run that keeps all.
        """
        is_given = self.config.box_threshold is not None or self.config.boxes is not None
        decides = self.config.keep_all or self.least_person_score > 0
        return CONFIRMED_THRESHOLD if decides and not is_given else self.config.start_threshold

    def _open_decoder(self, observer: Observer) -> DecodeBatch:
        """Return what turns windows that follow each other into joints."""
        predictor = self.predictor.observed_by(observer)
        if predictor.single_frame or self.config.crop_policy == "window":
            return predictor.windowed
        rule = self.config.anchor if self.config.crop_policy == "anchored" else None
        return open_streamer(predictor, rule).joints

    def predict(self, frames: Sequence[UInt8] | UInt8, boxes: ArrayLike) -> FramePoses:
        """Return the poses of the current frame of one window.

        `frames` are T RGB images (height, width, 3) uint8, one for each of `offsets` and the
        current frame between them; with `temporal="none"` one image. `boxes` are (N, 4) xyxy in
        pixels of the current frame. Raises UserError for other shapes.
        """
        images = [frames] if isinstance(frames, np.ndarray) and frames.ndim == 3 else list(frames)
        check_images(images, self.predictor.offsets)
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

    def person_tracker(
        self, *, is_live: bool = False, observer: Observer | None = None
    ) -> PersonTracker:
        """Return what detects and tracks the people of one source from its beginning."""
        return PersonTracker(
            self.detector,
            start_threshold=self.start_threshold,
            continue_threshold=self.config.continue_threshold,
            looks_on=self.least_person_score > 0 and self.config.continue_threshold > 0,
            max_people=self.config.max_people,
            largest_first=self.config.largest_first,
            every=self.config.det_every,
            is_live=is_live,
            tracker=self.config.tracker,
            reidentify=self.config.reidentify,
            chosen=self.config.person,
            observer=observer,
        )

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
            left_out=tracked.left_out,
        )


@contextmanager
def _warned(source: object, tracker: PersonTracker, ghosts: GhostFilter[Frame]) -> Iterator[None]:
    """In the end add the warnings of detector, tracker and filter to those of the source."""
    try:
        yield
    finally:
        if isinstance(source, FrameSource):
            source.warnings += [*tracker.warnings(), *ghosts.warnings()]
