"""People's boxes from a JSON file instead of a detector."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tarvitpose.detection.boxes_content import BoxesImage, image_stem, read_boxes
from tarvitpose.detection.protocol import Detections, ranked
from tarvitpose.errors import BoxesError
from tarvitpose.formats.posetrack_layout import is_counted_from_1, slashed
from tarvitpose.geometry import xywh_to_xyxy
from tarvitpose.results import Frame


class BoxesFile:
    """Read the people of each frame from a JSON file; boxes are xywh pixels of the upright frame.

    The file is one of
    - a list of detections `{"image_id": 7, "bbox": [x, y, w, h], "score": 0.9, "category_id": 1}`
      (COCO results, MMPose), or with `"image_name": "images/val/video/000007.jpg"` (DCPose);
    - a COCO data set `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "bbox"}]}`,
      where a missing score means 1, and annotations with `iscrowd` 1 are left out.
    Entries of other categories than people are left out: category 1, or in a data set the one
    that is called person. So are boxes without area, with which some tools fill frames up. If
    all others have a `track_id` of their own in their frame, people keep it; `warnings` say what
    was lost.

    A frame that has a name gets the entries with its file name, endings apart; where both also
    have a folder, the folders must be the same. Otherwise the number counts: `frame.index`, from
    0, is the entry's image id, or the number at the end of its file name. Two formats count in
    their own way: file names of eight digits (PoseTrack17) start at 1, and ids 1VVVVVVFFFF
    (PoseTrack18) are frame FFFF, from 0, of the folder VVVVVV_*.

    PoseTrack17's official frames are not all counted from 1 (00000005.jpg, 0012_crop.jpg), those of
    the DCPose supplement are: `match_by_order` makes the file's names fit.

    Frames without entries have no people. Raises BoxesError in one line for anything else in the
    file; it counts entries from 0. `threshold` is the lowest score that counts.
    """

    def __init__(self, path: str | Path, *, threshold: float = 0.0) -> None:
        self.path = Path(path)
        self.threshold = threshold
        content = read_boxes(self.path)
        content.check_categories()
        self._people = content.people
        loss = content.track_loss()
        self._is_tracked = loss is None and any(
            person.track is not None for people in self._people.values() for person in people
        )
        self.warnings = list(self._losses(content.flat, loss))
        self.has_names = any(image.stem for image in self._people)  # and not only ids
        self._folders = sorted({image.folder for image in self._people} - {""})
        self._by_stem: dict[str, list[BoxesImage]] = defaultdict(list)
        self._by_number: dict[int | None, list[BoxesImage]] = defaultdict(list)
        self._renamed: dict[tuple[str, str], BoxesImage | None] = {}  # by folder and stem
        for image in self._people:
            self._by_stem[image.stem].append(image)
            self._by_number[image.number].append(image)

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, the highest score first, as the file has them.

        Raises BoxesError when the file leaves open which of its images is this frame.
        """
        image = self._image_of(frame)
        people = [] if image is None else self._people[image]
        boxes = np.array([person.box for person in people], np.float32).reshape(-1, 4)
        scores = [person.score for person in people]
        ids = np.array([person.track for person in people], np.int64) if self._is_tracked else None
        return ranked(xywh_to_xyxy(boxes), scores, self.threshold, ids)

    def match_by_order(self, names: Sequence[str]) -> bool:
        """Match the frames of one folder by their order, where the file has renamed ones.

        `names` are those of all frames, with the folder, in time. The file's are renamed where one
        is not among them, and all count up to the number of frames in eight digits from 00000001.
        Returns whether they are.
        """
        folder = _posix(names[0]).parent.name
        stems = [image_stem(_posix(name)) for name in names]
        images = [image for image in self._people if image.stem and image.lies_in(folder)]
        if all(image.stem in stems for image in images):
            return False
        by_number = {image.number: image for image in images if is_counted_from_1(image.stem)}
        if len(by_number) < len(images) or not by_number.keys() <= set(range(len(names))):
            return False
        self._renamed |= {(folder, stem): by_number.get(at) for at, stem in enumerate(stems)}
        return True

    def example(self, folder: str) -> str | None:
        """Return an image that the file has of a folder, None where it has none."""
        return next((str(image) for image in self._people if image.lies_in(folder)), None)

    def _losses(self, flat: int, loss: str | None) -> Iterator[str]:
        """Yield a line for each thing that was left out of the file."""
        if flat:
            boxes = "1 box" if flat == 1 else f"{flat} boxes"
            yield f"{self.path}: {boxes} without area left out (width or height 0)"
        if loss is not None:
            yield f"{self.path}: {loss}, so people are tracked anew"
        best = max(
            (person.score for people in self._people.values() for person in people), default=1.0
        )
        if best < self.threshold:
            yield f"{self.path}: no box reaches the score {self.threshold:g}, the best has {best:g}"

    def _image_of(self, frame: Frame) -> BoxesImage | None:
        """Return the image of the file that is this frame, None where the file has none."""
        name = _posix(frame.name)
        folder, stem = name.parent.name, image_stem(name)
        if (folder, stem) in self._renamed:
            return self._renamed[folder, stem]
        if not folder and len(self._folders) > 1:
            some = " and ".join(self._folders[:2])
            raise BoxesError(
                f"{self.path}: has boxes of {len(self._folders)} videos ({some}); "
                "give the boxes of one video, or frames with the name of their folder"
            )
        by_name = stem and self.has_names
        known = self._by_stem.get(stem) if by_name else self._by_number.get(frame.index)
        images = [image for image in known or [] if image.lies_in(folder)]
        if len(images) > 1:
            raise BoxesError(
                f"{self.path}: frame {frame.name or frame.index} may be {images[0]} or {images[1]}"
            )
        return images[0] if images else None


def _posix(name: str) -> PurePosixPath:
    return PurePosixPath(slashed(name))
