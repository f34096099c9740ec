"""Whose boxes a model is evaluated with; all results name them.   Axes: N people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from tarvitpose.detection import BoxesFile, Detections, Detector, load_detector
from tarvitpose.errors import BoxesError
from tarvitpose.evaluation.datasets import LabelledFrame, LabelledVideo
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.hashing import file_digest, files_digest, files_in

TRUE, OWN_DETECTOR = "gt", "detector"  # what --boxes takes besides a file or a detector's name
BOX_THRESHOLD = 0.2  # the lowest score that counts, as in the lists of the DCPose supplement


@dataclass(frozen=True)
class Boxes:
    """Where the people of each labelled frame come from."""

    label: str  # what tables and files call it
    detector: Detector | None  # None: the labelled people
    content: str = ""  # what identifies them wherever the file is; "": the label does
    warnings: tuple[str, ...] = ()  # about a file of boxes
    by_id: bool = False  # whether a file knows images by the ids that the annotations give them

    @property
    def are_true(self) -> bool:
        """Whether the boxes are the labelled people's, one for each, in their order."""
        return self.detector is None

    def people(self, frame: LabelledFrame, image: UInt8) -> Detections:
        """Return the N people of a frame, whose image is (height, width, 3)."""
        if self.detector is None:
            boxes = frame.people.boxes
            return Detections(boxes, np.ones(len(boxes), np.float32))
        return self.detector.detect(_frame(frame, image, self.by_id))


def open_boxes(
    choice: str, threshold: float | None, device: str, videos: Sequence[LabelledVideo] = ()
) -> Boxes:
    """Return the boxes of "gt", "detector", a file of boxes or the name of a detector.

    `threshold` is the lowest score that counts, 0.2 if not given. A file with ids and no names
    means the frames of a single video, or of several the annotations' image ids. Raises
    BoxesError, also where it has no box for any labelled frame of one of the `videos`.
    """
    if choice == TRUE:
        if threshold is not None:
            raise BoxesError("ground-truth boxes have no score, so no box threshold is possible")
        return Boxes("ground truth", None)
    lowest = BOX_THRESHOLD if threshold is None else threshold
    scored = f", score {lowest:g} or more"
    if is_file_of_boxes(choice):
        file = BoxesFile(choice, threshold=lowest)
        by_id = len(videos) > 1 and not file.has_names
        warnings = (*file.warnings, *_matched_images(file, videos, by_id))
        return Boxes(choice + scored, file, file_digest(Path(choice)) + scored, warnings, by_id)
    name = "nanodet" if choice == OWN_DETECTOR else choice
    detector = load_detector(name, threshold=lowest, device=device)
    content = files_digest(files_in(Path(name))) if Path(name).is_dir() else name
    return Boxes(name + scored, detector, content + scored)


def _matched_images(file: BoxesFile, videos: Sequence[LabelledVideo], by_id: bool) -> Iterator[str]:
    """Match a file's images with those of videos, and yield a line for what users should know.

    Raises BoxesError where it has no box for any of a video's labelled frames with people, or in
    a data set that keeps its people secret for any of the labelled frames.
    """
    renamed = [
        video for video in videos if video.images and file.match_by_order(_names(video.images))
    ]
    if renamed:
        name, *_ = _names(renamed[0].images)
        yield (
            f"{file.path}: has other frame names for {len(renamed)} of {len(videos)} videos, "
            f"matched by order (its first frame is {name})"
        )
    with_people = any(len(frame.people.boxes) for video in videos for frame in video.frames)
    nothing = np.empty((0, 0, 3), np.uint8)  # a file does not look at the image
    has_boxes = [
        [
            len(file.detect(_frame(frame, nothing, by_id))) > 0
            for frame in video.frames
            if len(frame.people.boxes) or not with_people
        ]
        for video in videos
    ]
    lacking = [video for video, has in zip(videos, has_boxes, strict=True) if has and not any(has)]
    if lacking:
        raise BoxesError(_lack(file, lacking, len(videos)))
    frames = [has for video in has_boxes for has in video]
    if not all(frames):
        yield f"{file.path}: has no box for {frames.count(False)} of {len(frames)} labelled frames"


def _lack(file: BoxesFile, videos: list[LabelledVideo], count: int) -> str:
    """Say which videos have no box, and what is called how."""
    frame = videos[0].frames[0]
    [name] = _names([frame.frames[frame.current]])
    folder = PurePosixPath(name).parent.name
    example = file.example(folder)
    known = f"this file has {example}" if example else f"this file has nothing of {folder}"
    where = f"the labelled frames of {len(videos)} of {count} videos; the first is {videos[0].name}"
    if videos[0].are_stills:
        where = f"any labelled image of {videos[0].source}"
    return (
        f"{file.path}: no box of score {file.threshold:g} or more in {where}, which has {name}, "
        f"and {known}; give the boxes that belong to it, or a lower --box-threshold"
    )


def _names(images: Sequence[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in images]


def _frame(frame: LabelledFrame, image: UInt8, by_id: bool) -> Frame:
    [name] = _names([frame.frames[frame.current]])
    index = frame.image_id if by_id else frame.number
    return Frame(-1 if index is None else index, 0.0, image, name)  # PoseTrack17 has no ids


def is_file_of_boxes(choice: str) -> bool:
    """Tell a file from the name of a detector.

    >>> is_file_of_boxes("boxes.json"), is_file_of_boxes("nanodet")
    (True, False)
    """
    return Path(choice).suffix == ".json" or Path(choice).is_file()
