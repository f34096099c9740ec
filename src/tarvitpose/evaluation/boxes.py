"""Whose boxes a model is evaluated with; results always say it.   Axes: N people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tarvitpose.detection import BoxesFile, Detections, Detector, load_detector
from tarvitpose.errors import BoxesError
from tarvitpose.evaluation.datasets import LabelledFrame
from tarvitpose.geometry import UInt8
from tarvitpose.provenance import digest, digest_of, files_in
from tarvitpose.results import Frame

TRUE, OWN_DETECTOR = "gt", "detector"  # what --boxes takes besides a file or a detector's name
BOX_THRESHOLD = 0.2  # the lowest score that counts, as in the lists of the DCPose supplement


@dataclass(frozen=True)
class Boxes:
    """Where the people of each labelled frame come from."""

    label: str  # what tables and files call it
    detector: Detector | None  # None: the labelled people
    content: str = ""  # what tells them from all others, wherever they lie; "": the label does

    @property
    def are_true(self) -> bool:
        """Whether the boxes are the labelled people's, one for each, in their order."""
        return self.detector is None

    def people(self, frame: LabelledFrame, image: UInt8) -> Detections:
        """Return the N people of a frame, whose image is (height, width, 3)."""
        if self.detector is None:
            boxes = frame.people.boxes
            return Detections(boxes, np.ones(len(boxes), np.float32))
        path = frame.frames[frame.current]
        name = f"{path.parent.name}/{path.name}"
        return self.detector.detect(Frame(frame.number, 0.0, image, name))


def open_boxes(choice: str, threshold: float | None, device: str) -> Boxes:
    """Return the boxes of "gt", "detector", a file of boxes or the name of a detector.

    `threshold` is the lowest score that counts, 0.2 if not given. Raises BoxesError.
    """
    if choice == TRUE:
        if threshold is not None:
            raise BoxesError("ground-truth boxes have no score, so no box threshold is possible")
        return Boxes("ground truth", None)
    lowest = BOX_THRESHOLD if threshold is None else threshold
    scored = f", score {lowest:g} or more"
    if is_file_of_boxes(choice):
        detector: Detector = BoxesFile(choice, threshold=lowest)
        return Boxes(choice + scored, detector, digest(Path(choice)) + scored)
    name = "nanodet" if choice == OWN_DETECTOR else choice
    detector = load_detector(name, threshold=lowest, device=device)
    content = digest_of(files_in(Path(name))) if Path(name).is_dir() else name
    return Boxes(name + scored, detector, content + scored)


def is_file_of_boxes(choice: str) -> bool:
    """Tell a file from the name of a detector.

    >>> is_file_of_boxes("boxes.json"), is_file_of_boxes("nanodet")
    (True, False)
    """
    return Path(choice).suffix == ".json" or Path(choice).is_file()
