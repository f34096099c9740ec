"""What a JSON file of boxes holds, whatever its layout."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tarvitpose.errors import BoxesError
from tarvitpose.formats.posetrack_layout import frame_number, slashed
from tarvitpose.skeleton import PERSON_NAMES
from tarvitpose.utils.json_file import read_json
from tarvitpose.utils.numeric import real_number, real_numbers, whole_number
from tarvitpose.utils.source_names import short
from tarvitpose.utils.words import kind_of

PERSON = 1  # the category of people in COCO and PoseTrack
NO_TRACK = -1  # as several trackers write it
ENDINGS = frozenset(  # of image files; names may have other dots in them
    (
        *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
        *(".jp2", ".ppm", ".pgm", ".avif", ".heic"),
    )
)
POSETRACK_IDS = range(10**10, 2 * 10**10)  # 1VVVVVVFFFF: video and frame


class BoxesImage(NamedTuple):
    """The frame that an entry is about, as far as the entry tells."""

    folder: str  # name of the folder; "012834_" where only the start is known; "" if unknown
    stem: str  # file name without its ending; "" if unknown
    number: int | None  # position in the video, from 0

    def lies_in(self, folder: str) -> bool:
        """Tell whether the folder can be this one; an unknown one can be any."""
        if not (folder and self.folder):
            return True
        return folder == self.folder or (self.folder[-1] == "_" and folder.startswith(self.folder))

    def __str__(self) -> str:
        return f"{self.folder}/{self.stem}" if self.stem else f"number {self.number}"


class BoxedPerson(NamedTuple):
    """Somebody in an image."""

    box: list[float]  # xywh
    score: float
    track: int | None


@dataclass
class BoxesContent:
    """What a file holds, and what was left out of it."""

    path: Path
    categories: list[int | str] = field(default_factory=lambda: [PERSON])  # those of people
    people: dict[BoxesImage, list[BoxedPerson]] = field(default_factory=lambda: defaultdict(list))
    flat: int = 0  # boxes without area
    others: Counter[str] = field(default_factory=Counter)  # entries by another category

    def add(self, where: str, fields: dict[str, Any], image: BoxesImage) -> None:
        """Take an entry in. Raises BoxesError for a wrong one, whatever its category."""
        person = BoxedPerson(_box(where, fields), _score(where, fields), _track(where, fields))
        if not _is_person(where, fields, self.categories):
            self.others[str(_id(where, fields, "category_id"))] += 1
        elif not all(person.box[2:]):
            self.flat += 1
        else:
            self.people[image].append(person)

    def check_categories(self) -> None:
        """Raise BoxesError where the category left nothing."""
        if self.others and not (self.people or self.flat):
            expected = " or ".join(map(str, self.categories))
            raise BoxesError(
                f"{self.path}: nobody in it: all {self.others.total()} boxes have category_id "
                f"{', '.join(sorted(self.others))}, people have {expected}; change it or leave it "
                "out"
            )

    def track_loss(self) -> str | None:
        """Return why the file's track ids cannot be kept; None if they can, or there are none."""
        everybody = [person for people in self.people.values() for person in people]
        missing = sum(person.track is None for person in everybody)
        if missing == len(everybody):
            return None
        if missing:
            return f"{missing} of {len(everybody)} boxes have no track_id"
        for image, people in self.people.items():
            track, count = Counter(person.track for person in people).most_common(1)[0]
            if count > 1:
                return f"track_id {track} stands {count} times in {image}"
        return None


def read_boxes(path: Path) -> BoxesContent:
    """Return what a file holds. Raises BoxesError in one line that names the entry."""
    content = read_json(path, BoxesError)
    if isinstance(content, list):
        return _read_list(path, content)
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return _read_data_set(path, content)
    raise BoxesError(
        f"{path}: expected a list of detections, or images and annotations, "
        f"found {kind_of(content)}"
    )


def _read_list(path: Path, entries: list[Any]) -> BoxesContent:
    read = BoxesContent(path)
    for number, entry in enumerate(entries):
        where = f"{path}: entry {number}"
        fields = _fields(where, entry)
        read.add(where, fields, _image_of(where, fields))
    return read


def _read_data_set(path: Path, content: dict[str, Any]) -> BoxesContent:
    images = _images_by_id(path, _records(path, content, "images"))
    read = BoxesContent(path, _person_categories(path, content))
    for number, entry in enumerate(_records(path, content, "annotations")):
        where = f"{path}: annotation {number}"
        fields = {"score": 1.0, **_fields(where, entry)}
        image_id = _id(where, fields, "image_id")
        if image_id not in images:
            raise BoxesError(
                f"{where} has image_id {short(repr(image_id))}, which none of the images has"
            )
        if not fields.get("iscrowd"):
            read.add(where, fields, images[image_id])
    return read


def _images_by_id(path: Path, records: list[Any]) -> dict[int | str, BoxesImage]:
    images: dict[int | str, BoxesImage] = {}
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
        known = ", ".join(names.values()) or "nothing"
        raise BoxesError(f"{path}: expected a category called person, found {known}")
    return people


def _is_person(where: str, fields: dict[str, Any], people: list[int | str]) -> bool:
    """Tell whether an entry is about a person; one without a category is."""
    return fields.get("category_id") is None or _id(where, fields, "category_id") in people


def _image_of(where: str, fields: dict[str, Any]) -> BoxesImage:
    """Return the image that an entry names, by its name if it has one, else by its id."""
    name = fields.get("image_name", fields.get("file_name"))
    key = name if name is not None else fields.get("image_id")
    if isinstance(key, str) and key:
        path = PurePosixPath(slashed(key))
        stem = image_stem(path)
        return BoxesImage(path.parent.name, stem, frame_number(stem))
    number = whole_number(key)
    if number is None or name is not None:
        expected = 'an "image_name" in text or an "image_id" that is a whole number'
        raise BoxesError(f"{where} has no usable image ({short(repr(key))}); expected {expected}")
    if number not in POSETRACK_IDS:
        return BoxesImage("", "", number)
    video, frame = divmod(number, 10_000)
    return BoxesImage(f"{video % 10**6:06d}_", f"{frame:06d}", frame)


def image_stem(path: PurePosixPath) -> str:
    """Return a file name without the ending of an image, if it has one.

    >>> image_stem(PurePosixPath("cam1.f_0001.jpg")), image_stem(PurePosixPath("cam1.f_0001"))
    ('cam1.f_0001', 'cam1.f_0001')
    """
    return path.stem if path.suffix.lower() in ENDINGS else path.name


def _box(where: str, fields: dict[str, Any]) -> list[float]:
    expected = "four numbers: left, top, width, height"
    box = _required(where, fields, "bbox", expected)
    values = real_numbers(box)
    if values is None or len(values) != 4:
        raise BoxesError(f'{where} has "bbox" {short(json.dumps(box))}; expected {expected}')
    if box[2] < 0 or box[3] < 0:
        side = "width" if box[2] < 0 else "height"
        raise BoxesError(
            f'{where} has "bbox" {short(json.dumps(box))} of negative {side}; expected {expected}'
        )
    return [*map(float, values)]


def _score(where: str, fields: dict[str, Any]) -> float:
    expected = "a number from 0 to 1"
    value = _required(where, fields, "score", expected)
    score = real_number(value)
    if score is None or not 0 <= score <= 1.001:  # some exports round up
        raise BoxesError(f'{where} has "score" {short(json.dumps(value))}; expected {expected}')
    return min(score, 1.0)


def _id(where: str, fields: dict[str, Any], name: str) -> int | str:
    value = _required(where, fields, name, "a whole number")
    number = whole_number(value)
    if number is None and not isinstance(value, str):
        raise BoxesError(
            f'{where} has "{name}" {short(json.dumps(value))}; expected a whole number'
        )
    return value if number is None else number


def _track(where: str, fields: dict[str, Any]) -> int | None:
    value = fields.get("track_id")
    number = whole_number(value)
    if value is not None and (number is None or number < NO_TRACK):
        raise BoxesError(
            f'{where} has "track_id" {short(json.dumps(value))}; expected a whole number from 0'
        )
    return None if number == NO_TRACK else number


def _required(where: str, fields: dict[str, Any], name: str, expected: str) -> Any:
    if fields.get(name) is None:
        raise BoxesError(f'{where} has no "{name}"; expected {expected}')
    return fields[name]


def _fields(where: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise BoxesError(f"{where} is {kind_of(entry)}; expected an object with fields")
    return entry


def _records(path: Path, content: dict[str, Any], name: str) -> list[Any]:
    records = content[name]
    if not isinstance(records, list):
        raise BoxesError(f'{path}: "{name}" is {kind_of(records)}; expected a list')
    return records
