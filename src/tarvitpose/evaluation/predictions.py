"""A model's poses of a data set, in the files that submissions are made of.

Axes: N people, J joints of the model.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose import __version__
from tarvitpose.data.records import read_image
from tarvitpose.data.video_frames import image_exists, images_digest
from tarvitpose.detection import Detections
from tarvitpose.evaluation.boxes import Boxes
from tarvitpose.evaluation.comparison import BASELINES, MODES
from tarvitpose.evaluation.datasets import LabelledFrame, LabelledVideo
from tarvitpose.formats.file_reader import NO_TRACK
from tarvitpose.formats.posetrack_files import write_posetrack17, write_posetrack18
from tarvitpose.formats.posetrack_layout import category_joints, keypoint_category
from tarvitpose.inference.predictor import WindowPredictor
from tarvitpose.metrics.posetrack_ap import JOINTS, PredictedFrame
from tarvitpose.results import FramePoses
from tarvitpose.tracking import IouTracker
from tarvitpose.utils.arrays import Int64
from tarvitpose.utils.hashing import file_digest
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, read_facts, require_same

LAYOUT_17 = "-posetrack17"  # ends the names of folders in the layout of PoseTrack17
FOLDERS = [mode + layout for mode in (*MODES.values(), *BASELINES) for layout in ("", LAYOUT_17)]
SETTINGS_FILE = "evaluation.json"
VIDEOS = "videos"  # a key of it: what the predictions of each video depend on
IMAGES_HELD = 16  # decoded ones; the windows of neighbouring frames share most of theirs
NOBODY = PredictedFrame(np.empty((0, len(JOINTS), 2)), np.empty((0, len(JOINTS))))
FramesDone = Callable[[int], None]  # called with how many frames were just finished


@dataclass(frozen=True)
class PredictionTask:
    """The predictors, the boxes and the folder of one evaluation."""

    predictors: Mapping[str, WindowPredictor]  # by mode
    boxes: Boxes
    output: Path

    def file(self, mode: str, video: LabelledVideo) -> Path:
        """Return the file of one video's predictions."""
        return self.output / mode / f"{video.name}.json"

    def missing_modes(self, video: LabelledVideo) -> list[str]:
        """Return the modes that have no predictions of a video yet."""
        return [mode for mode in self.predictors if not self.file(mode, video).exists()]

    def finish(self, video: LabelledVideo, on_frames: FramesDone) -> None:
        """Write the predictions of a video that are missing.

        Each file is written whole or not at all. Raises DataError, BoxesError or OutputError.
        """
        missing = {mode: self.predictors[mode] for mode in self.missing_modes(video)}
        results: dict[str, list[FramePoses]] = {mode: [] for mode in missing}
        images = Images(video.name)
        for batch in _batches(_detected(video, self.boxes, images), missing) if missing else ():
            for mode, predictor in missing.items():
                results[mode] += _poses(batch, predictor, images)
            on_frames(len(batch))
        for mode, poses in results.items():
            write_predictions(self.file(mode, video), video, poses)


def prediction_facts(boxes: Boxes, videos: Iterable[LabelledVideo]) -> Facts:
    """Return what predictions depend on beside the model: the boxes, and each video's data."""
    return {
        "tarvitpose": __version__,
        "boxes": boxes.content or boxes.label,
        VIDEOS: {video.name: _video_facts(video) for video in videos},
    }


def _video_facts(video: LabelledVideo) -> Facts:
    images = images_digest([frame.frames[frame.current] for frame in video.frames])
    facts: Facts = {"annotations": file_digest(video.source), "images": images}
    return facts | ({"stills": len(video.frames)} if video.are_stills else {})


def claim(output: Path, facts: Facts, remedy: str, *, overwrite: bool = False) -> None:
    """Note what a folder's predictions depend on, so that an evaluation can be resumed.

    `facts` are what the predictions depend on; a video that is new to the folder may be added.
    With `overwrite` existing predictions are removed. Raises OutputError where they
    depend on other facts, which ends with the `remedy`.
    """
    path = output / SETTINGS_FILE
    existing = [file for folder in FOLDERS for file in (output / folder).glob("[!.]*.json")]
    if existing and not overwrite:
        before = read_facts(path)
        known = {} if before is None else dict(before.get(VIDEOS, {}))
        if before is not None:
            before = {**before, VIDEOS: {**facts[VIDEOS], **known}}
        facts = {**facts, VIDEOS: {**known, **facts[VIDEOS]}}
        require_same(output, before, facts, remedy)
    for file in existing if overwrite else ():
        file.unlink()
    write_json(path, facts)


class Images:
    """The images of one video; windows overlap, so the last ones stay in memory."""

    def __init__(self, video: str) -> None:
        self.read = lru_cache(IMAGES_HELD)(partial(read_image, record=video))
        self.exists = cache(image_exists)


DetectedFrame = tuple[
    LabelledFrame, tuple[int, int], Detections
]  # with the image's height and width


def _detected(video: LabelledVideo, boxes: Boxes, images: Images) -> Iterator[DetectedFrame]:
    for frame in video.frames:
        image = images.read(frame.frames[frame.current])
        yield frame, (image.shape[0], image.shape[1]), boxes.people(frame, image)


def _batches(
    frames: Iterator[DetectedFrame], predictors: Mapping[str, WindowPredictor]
) -> Iterator[list[DetectedFrame]]:
    """Gather frames until the crops of their people fill a batch of one of the predictors."""
    per_person = max(
        (len(each.offsets) / each.batch_size for each in predictors.values()), default=1
    )
    batch: list[DetectedFrame] = []
    for frame in frames:
        batch.append(frame)
        people = sum(len(detections) for _, _, detections in batch)
        if people * per_person >= 1 or len(batch) == IMAGES_HELD:
            yield batch
            batch = []
    if batch:
        yield batch


def _poses(
    batch: list[DetectedFrame], predictor: WindowPredictor, images: Images
) -> list[FramePoses]:
    windows = []
    for frame, _, people in batch:
        paths = frame.window(predictor.offsets, images.exists)[0] if len(people) else []
        windows.append([images.read(path) for path in paths])
    joints = predictor.joints(windows, [people.boxes for _, _, people in batch])
    return [
        FramePoses(
            index=frame.number,
            time=0.0,
            image_size=size,
            keypoints=poses.keypoints,
            scores=poses.scores,
            boxes=people.boxes,
            box_scores=people.scores,
            track_ids=_known_tracks(people),
            joint_names=predictor.config.joints.joints,
        )
        for (frame, size, people), poses in zip(batch, joints, strict=True)
    ]


def _known_tracks(people: Detections) -> Int64:
    """Return the tracks of people, (N,), or NO_TRACK."""
    return np.full(len(people), NO_TRACK) if people.track_ids is None else people.track_ids


def write_predictions(path: Path, video: LabelledVideo, poses: list[FramePoses]) -> None:
    """Write the poses of a video's frames in the layout that its evaluators read.

    Stills get COCO's list of results; videos PoseTrack18's layout, and where the annotations are
    in that of PoseTrack17 also this one, in a separate folder. Evaluators ask for every frame
    that the annotations list, in their order: those that are not labelled have nobody in them.
    Raises OutputError.
    """
    if video.are_stills:
        write_json(path, coco_results(video, poses), indent=None)
        return
    predicted = posetrack_frames(video, poses)
    frames = {name: predicted.get(name, NOBODY) for name in video.listed}
    ids = {name: number for name, number in video.listed.items() if number is not None}
    if not ids:
        folder = path.parent.with_name(path.parent.name + LAYOUT_17)
        write_posetrack17(folder / path.name, frames)
    write_posetrack18(path, frames, ids or None)


def posetrack_frames(video: LabelledVideo, poses: list[FramePoses]) -> dict[str, PredictedFrame]:
    """Return poses by file name, with track ids; joints that PoseTrack does not label are left out.

    People whose tracks are not known are tracked.

    A joint's score is the score of its box times that of the joint, as in top-down evaluation.
    """
    tracker, frames = IouTracker(), {}
    for labelled, people in zip(video.frames, poses, strict=True):
        keypoints = np.full((len(people), len(JOINTS), 2), np.nan)
        scores = np.zeros((len(people), len(JOINTS)))
        for at, name in enumerate(JOINTS):
            if name in people.joint_names:
                joint = people.joint_names.index(name)
                keypoints[:, at] = people.keypoints[:, joint]
                scores[:, at] = people.scores[:, joint] * people.box_scores
        ids = people.track_ids
        if (ids == NO_TRACK).any():
            ids = tracker.update(people.boxes, people.box_scores, people.index)
        frames[labelled.name] = PredictedFrame(keypoints, scores, ids)
    return frames


def coco_results(video: LabelledVideo, poses: list[FramePoses]) -> list[dict[str, Any]]:
    """Return poses as COCO's results; joints of the file that the model does not know are 0.

    A person's score is the box's times the mean of the joints'.
    """
    assert video.content is not None
    category = keypoint_category(video.content)
    names = category_joints(category)
    results = []
    for labelled, people in zip(video.frames, poses, strict=True):
        points = np.zeros((len(people), len(names), 3))
        for at, name in enumerate(names):
            if name in people.joint_names:
                joint = people.joint_names.index(name)
                points[:, at, :2], points[:, at, 2] = (
                    people.keypoints[:, joint],
                    people.scores[:, joint],
                )
        person_scores = people.box_scores * people.scores.mean(1)
        results += [
            {
                "image_id": labelled.image_id,
                "category_id": category["id"].identity(),
                "keypoints": person.ravel().tolist(),
                "score": float(score),
            }
            for person, score in zip(points, person_scores, strict=True)
        ]
    return results
