"""Boxes out of a JSON file instead of a detector."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from tarvitpose.detection.protocol import PERSON_NAMES, Detections, ranked
from tarvitpose.errors import BoxesError
from tarvitpose.geometry import xywh_to_xyxy
from tarvitpose.json_file import read_json
from tarvitpose.posetrack_layout import frame_number, is_counted_from_1
from tarvitpose.results import Frame

PERSON = 1  # the category of people in COCO and PoseTrack
POSETRACK_IDS = range(10**10, 2 * 10**10)  # 1VVVVVVFFFF: video and frame


class _Image(NamedTuple):
    """The frame that an entry is about, as far as the entry tells."""

    folder: str  # name of the folder; "012834_" where only the start is known; "" if unknown
    stem: str  # file name without its ending; "" if unknown
    number: int | None  # place in the video, from 0

    def lies_in(self, folder: str) -> bool:
        """Tell whether the folder can be this one; an unknown one can be any."""
        if not (folder and self.folder):
            return True
        return folder == self.folder or (self.folder[-1] == "_" and folder.startswith(self.folder))

    def __str__(self) -> str:
        return f"{self.folder}/{self.stem}" if self.stem else f"number {self.number}"


class BoxesFile:
    """Read the people of each frame from a JSON file; boxes are xywh pixels of the upright frame.

    The file is one of
    - a list of detections `{"image_id": 7, "bbox": [x, y, w, h], "score": 0.9, "category_id": 1}`
      (COCO results, MMPose), or with `"image_name": "images/val/video/000007.jpg"` (DCPose);
    - a COCO data set `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "bbox"}]}`,
      where a missing score means 1, and annotations with `iscrowd` 1 are left out.
    Entries of other categories than people are left out: category 1, or in a data set the one
    that is called person.

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
        self._people: dict[_Image, list[tuple[list[float], float]]] = defaultdict(list)
        for image, box, score in _read_entries(self.path):
            self._people[image].append((box, score))
        self._named = any(image.stem for image in self._people)
        self._folders = sorted({image.folder for image in self._people} - {""})
        self._by_stem: dict[str, list[_Image]] = defaultdict(list)
        self._by_number: dict[int | None, list[_Image]] = defaultdict(list)
        self._renamed: dict[tuple[str, str], _Image | None] = {}  # by folder and stem
        for image in self._people:
            self._by_stem[image.stem].append(image)
            self._by_number[image.number].append(image)

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, the highest score first, as the file has them.

        Raises BoxesError when the file leaves open which of its images is this frame.
        """
        image = self._image_of(frame)
        people = [] if image is None else self._people[image]
        boxes = np.array([box for box, _ in people], np.float32).reshape(-1, 4)
        return ranked(xywh_to_xyxy(boxes), [score for _, score in people], self.threshold)

    @property
    def has_names(self) -> bool:
        """Whether images have names here, and not only ids."""
        return self._named

    def match_by_order(self, names: Sequence[str]) -> bool:
        """Match the frames of one folder by their order, where the file has renamed ones.

        `names` are those of all frames, with the folder, in time. The file's are renamed where one
        is not among them, and all count up to the number of frames in eight digits from 00000001.
        Returns whether they are.
        """
        folder = _posix(names[0]).parent.name
        stems = [_posix(name).stem for name in names]
        images = [image for image in self._people if image.stem and image.lies_in(folder)]
        if all(image.stem in stems for image in images):
            return False
        places = {image.number: image for image in images if is_counted_from_1(image.stem)}
        if len(places) < len(images) or not places.keys() <= set(range(len(names))):
            return False
        self._renamed |= {(folder, stem): places.get(at) for at, stem in enumerate(stems)}
        return True

    def example(self, folder: str) -> str | None:
        """Return an image that the file has of a folder, None where it has none."""
        return next((str(image) for image in self._people if image.lies_in(folder)), None)

    def _image_of(self, frame: Frame) -> _Image | None:
        """Return the image of the file that is this frame, None where the file has none."""
        name = _posix(frame.name)
        folder = name.parent.name
        if (folder, name.stem) in self._renamed:
            return self._renamed[folder, name.stem]
        if not folder and len(self._folders) > 1:
            some = " and ".join(self._folders[:2])
            raise BoxesError(
                f"{self.path}: has boxes of {len(self._folders)} videos ({some}); "
                "give the boxes of one video, or frames with the name of their folder"
            )
        by_name = name.stem and self._named
        known = self._by_stem.get(name.stem) if by_name else self._by_number.get(frame.index)
        images = [image for image in known or [] if image.lies_in(folder)]
        if len(images) > 1:
            raise BoxesError(
                f"{self.path}: frame {frame.name or frame.index} may be {images[0]} or {images[1]}"
            )
        return images[0] if images else None


def _read_entries(path: Path) -> Iterator[tuple[_Image, list[float], float]]:
    """Yield image, box xywh and score of every person in the file."""
    content = read_json(path, BoxesError)
    if isinstance(content, list):
        yield from _read_list(path, content)
    elif isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        yield from _read_data_set(path, content)
    else:
        raise BoxesError(
            f"{path}: expected a list of detections, or images and annotations, "
            f"found {_kind(content)}"
        )


def _read_list(path: Path, entries: list[Any]) -> Iterator[tuple[_Image, list[float], float]]:
    for number, entry in enumerate(entries):
        where = f"{path}: entry {number}"
        fields = _fields(where, entry)
        image = _image_of(where, fields)
        box, score = _box(where, fields), _score(where, fields)
        if _is_person(where, fields, [PERSON]):
            yield image, box, score


def _read_data_set(
    path: Path, content: dict[str, Any]
) -> Iterator[tuple[_Image, list[float], float]]:
    images = _images_by_id(path, _records(path, content, "images"))
    people = _person_categories(path, content)
    for number, entry in enumerate(_records(path, content, "annotations")):
        where = f"{path}: annotation {number}"
        fields = {"score": 1.0, **_fields(where, entry)}
        image_id = _id(where, fields, "image_id")
        if image_id not in images:
            raise BoxesError(f"{where} has image_id {image_id!r}, which none of the images has")
        box, score = _box(where, fields), _score(where, fields)
        if _is_person(where, fields, people) and not fields.get("iscrowd"):
            yield images[image_id], box, score


def _images_by_id(path: Path, records: list[Any]) -> dict[int | str, _Image]:
    images: dict[int | str, _Image] = {}
    for number, record in enumerate(records):
        where = f"{path}: image {number}"
        fields = _fields(where, record)
        image_id = _id(where, fields, "id")
        images[image_id] = _image_of(where, {"image_id": image_id, **fields})
    return images


def _person_categories(path: Path, content: dict[str, Any]) -> list[int | str]:
    """Return the ids of the categories that mean people."""
    if "categories" not in content:
        return [PERSON]
    names: dict[int | str, str] = {}
    for number, record in enumerate(_records(path, content, "categories")):
        where = f"{path}: category {number}"
        fields = _fields(where, record)
        names[_id(where, fields, "id")] = str(fields.get("name", ""))
    people = [key for key, name in names.items() if name.lower() in PERSON_NAMES]
    if not people:
        found = ", ".join(names.values()) or "nothing"
        raise BoxesError(f"{path}: expected a category called person, found {found}")
    return people


def _is_person(where: str, fields: dict[str, Any], people: list[int | str]) -> bool:
    """Tell whether an entry is about a person; one without a category is."""
    return "category_id" not in fields or _id(where, fields, "category_id") in people


def _image_of(where: str, fields: dict[str, Any]) -> _Image:
    """Return the image that an entry names, by its name if it has one, else by its id."""
    name = fields.get("image_name", fields.get("file_name"))
    key = name if name is not None else fields.get("image_id")
    if isinstance(key, str) and key:
        path = _posix(key)
        return _Image(path.parent.name, path.stem, frame_number(path.stem))
    if isinstance(key, bool) or not isinstance(key, int) or name is not None:
        expected = 'an "image_name" in text or an "image_id" that is a whole number'
        raise BoxesError(f"{where} has no usable image ({key!r}); expected {expected}")
    if key not in POSETRACK_IDS:
        return _Image("", "", key)
    video, number = divmod(key, 10_000)
    return _Image(f"{video % 10**6:06d}_", f"{number:06d}", number)


def _box(where: str, fields: dict[str, Any]) -> list[float]:
    expected = "four numbers: left, top, width, height"
    box = _required(where, fields, "bbox", expected)
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise BoxesError(f'{where} has "bbox" {_short(box)}; expected {expected}')
    if box[2] < 0 or box[3] < 0:
        side = "width" if box[2] < 0 else "height"
        raise BoxesError(
            f'{where} has "bbox" {_short(box)} of negative {side}; expected {expected}'
        )
    return [float(value) for value in box]


def _score(where: str, fields: dict[str, Any]) -> float:
    expected = "a number from 0 to 1"
    score = _required(where, fields, "score", expected)
    if not _is_number(score) or not 0 <= score <= 1.001:  # some exports round up
        raise BoxesError(f'{where} has "score" {_short(score)}; expected {expected}')
    return min(float(score), 1.0)


def _id(where: str, fields: dict[str, Any], name: str) -> int | str:
    value = _required(where, fields, name, "a whole number")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BoxesError(f'{where} has "{name}" {_short(value)}; expected a whole number')
    return value


def _required(where: str, fields: dict[str, Any], name: str, expected: str) -> Any:
    if fields.get(name) is None:
        raise BoxesError(f'{where} has no "{name}"; expected {expected}')
    return fields[name]


def _fields(where: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise BoxesError(f"{where} is {_kind(entry)}; expected an object with fields")
    return entry


def _records(path: Path, content: dict[str, Any], name: str) -> list[Any]:
    records = content[name]
    if not isinstance(records, list):
        raise BoxesError(f'{path}: "{name}" is {_kind(records)}; expected a list')
    return records


def _is_number(value: Any) -> bool:
    """Tell whether the value is a finite number of sane size; true and false are none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -1e9 < value < 1e9


def _posix(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: Any) -> str:
    """Name what JSON calls the value."""
    if isinstance(value, dict):
        return f"an object with {', '.join(list(value)[:5]) or 'nothing in it'}"
    kinds = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")
