"""Fields of PoseTrack's and COCO's JSON, for all their readers.   Axes: K = 15 joints, P points."""

import re
from pathlib import PurePosixPath

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.skeleton import KNOWN_JOINTS, PERSON_NAMES, joint_names
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry
from tarvitpose.utils.source_names import printable, short

POINT_IDS = (  # the joints of PoseTrack17, by point id from 0
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder"),
    *("left_shoulder", "left_elbow", "left_wrist"),
    *("head_bottom", "nose", "head_top"),
)
PERSON_CATEGORY = {"id": 1, "name": "person", "supercategory": "person"}
NO_SCORE = -9999.0  # what poseval takes where a prediction has none


def frame_number(stem: str) -> int | None:
    """Return the number of a frame in its video, from 0, from its file name without ending.

    Names of eight digits (PoseTrack17) start at 1, all others at 0.

    >>> frame_number("frame_000012"), frame_number("00000012"), frame_number("portrait")
    (12, 11, None)
    """
    digits = re.search(r"[0-9]{1,12}$", stem)
    if digits is None:
        return None
    return int(digits[0]) - is_counted_from_1(stem)


def is_counted_from_1(stem: str) -> bool:
    """Tell whether a file name without its ending is one of PoseTrack17's.

    >>> is_counted_from_1("00000012"), is_counted_from_1("000012")
    (True, False)
    """
    return re.fullmatch(r"[0-9]{8}", stem) is not None


def annolist_points(person: Entry) -> tuple[Float64, Float64]:
    """Return PoseTrack17's points by id, (K, 2), NaN where there is none, and scores, (K,)."""
    positions, scores = np.full((len(POINT_IDS), 2), np.nan), np.full(len(POINT_IDS), NO_SCORE)
    pose = person.non_empty("annopoints")
    points = pose.unwrap().non_empty("point") if pose else None
    if points:
        ids = points.column("id")
        known = np.flatnonzero((ids >= 0) & (ids < len(POINT_IDS)))[::-1]  # the first wins
        at = ids[known].astype(int)
        positions[at] = np.stack([points.column("x"), points.column("y")], 1)[known]
        scores[at] = points.column("score", NO_SCORE)[known]
    return positions, scores


def annolist_head(person: Entry) -> Float64:
    """Return PoseTrack17's box of a head, (4,) xyxy, its corners in the order of the file."""
    corners = [person[key].unwrap().value for key in ("x1", "y1", "x2", "y2")]
    return Entry(f"{person.where}: x1, y1, x2, y2", corners).numbers(4)


def annolist_regions(frame: Entry) -> tuple[Float64, ...]:
    """Return the polygons of a PoseTrack17 frame's ignore regions, (corners, 2) each.

    A single region may stand without a list around it.
    """
    regions = frame.non_empty("ignore_regions")
    if regions is None:
        return ()
    each = [regions] if isinstance(regions.value, dict) else regions.items()
    points = [region["point"] for region in each]
    return tuple(np.stack([part.column("x"), part.column("y")], 1) for part in points)


def coco_regions(image: Entry) -> tuple[Float64, ...]:
    """Return the polygons of a PoseTrack18 image's ignore regions, (corners, 2) each.

    A single region may stand without a list around it: [0, 50, 50] for [[0, 50, 50]].
    """
    if image.get("ignore_regions_x") is None and image.get("ignore_regions_y") is None:
        return ()
    xs, ys = (_coordinates(image[f"ignore_regions_{axis}"]) for axis in "xy")
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise DataError(f"{image.where}: ignore_regions_x and _y have different lengths")
    return tuple(np.stack([x, y], 1) for x, y in zip(xs, ys, strict=True))


def _coordinates(regions: Entry) -> list[Float64]:
    """Return the x or the y of each region's corners, (corners,) each."""
    entries = regions.items()
    is_flat = any(not isinstance(entry.value, list) for entry in entries)
    return [regions.numbers()] if is_flat else [entry.numbers() for entry in entries]


def coco_head(person: Entry) -> Float64 | None:
    """Return the box of a head, (4,) xyxy, or None where a person has none.

    PoseTrack18 and 21 have `bbox_head`, left, top, width and height; the merged files of
    PoseTrack17 have `head_box`, two corners.
    """
    box = person.non_empty("bbox_head")
    if box is not None:
        x, y, width, height = box.numbers(4).tolist()
        return np.array([x, y, x + width, y + height])
    corners = person.non_empty("head_box")
    return None if corners is None else corners.numbers(4)


def is_labelled(frame: Entry) -> bool | None:
    """Return what a frame's `is_labeled` says, None where it is absent."""
    flag = frame.get("is_labeled")
    return None if flag is None else bool(flag.unwrap().value)


def coco_people(content: Entry) -> list[tuple[Entry, list[Entry]]]:
    """Return each image of COCO's layout with the annotations that refer to it."""
    people: dict[int | str, tuple[Entry, list[Entry]]] = {}
    for image in content["images"].items():
        number = image_id(image)
        if number in people:
            raise DataError(f"{image.where}: an image before it has the same id {number}")
        people[number] = (image, [])
    for person in content["annotations"].items():
        number = person["image_id"].identity()
        if number not in people:
            raise DataError(f"{person.where}: image_id {number} is not among the images")
        people[number][1].append(person)
    return list(people.values())


def image_id(image: Entry) -> int | str:
    """Return the id of an image, which PoseTrack21 has under two names."""
    return (image.get("image_id") or image["id"]).identity()


def slashed(name: str) -> str:
    r"""Return a path as POSIX writes it; files made on Windows have backslashes.

    >>> slashed(r"images\walk\000001.jpg")
    'images/walk/000001.jpg'
    """
    return name.replace("\\", "/")


def file_name(image: Entry) -> str:
    """Return the file name of an image of COCO's layout, with slashes."""
    return image_path(image["file_name"])


def image_path(name: Entry) -> str:
    """Return the path of a file that an entry holds, with slashes. Raises DataError."""
    path = slashed(name.value) if isinstance(name.value, str) else ""
    if PurePosixPath(path).name in ("", "..") or printable(path) != path:
        raise DataError(f"{name.where}: expected a file name, found {short(repr(name.value))}")
    return path


def keypoint_category(content: Entry) -> Entry:
    """Return the category of people in COCO's layout: the one whose keypoints are joined here.

    It is the one that is called person, else the one with the most joints that are known. Raises
    DataError where no category has keypoints.
    """
    categories = content["categories"]
    named = [category for category in categories.items() if category.non_empty("keypoints")]
    if not named:
        raise DataError(
            f"{categories.where}: none has keypoints, the joints' names; joints are mapped by name"
        )
    return max(named, key=_likeness)


def _likeness(category: Entry) -> tuple[bool, int]:
    """Rank a category by how likely it is that of people."""
    name = category.get("name")
    is_person = name is not None and str(name.value).lower() in PERSON_NAMES
    return is_person, len(KNOWN_JOINTS.intersection(_spelled(category)))


def category_joints(category: Entry) -> tuple[str, ...]:
    """Return the names of a category's joints, in our spelling. Raises DataError for no known one.

    Hyphens, spaces and capitals make no difference.
    """
    names = _spelled(category)
    if not KNOWN_JOINTS.intersection(names):
        raise DataError(
            f"{category['keypoints'].where}: no joint of these names is known: "
            f"{short(', '.join(names))}; expected names such as nose, left_shoulder, right_ankle"
        )
    return names


def _spelled(category: Entry) -> tuple[str, ...]:
    return joint_names(tuple(str(name.value) for name in category["keypoints"].items()))


def is_of_category(person: Entry, category: Entry) -> bool:
    """Tell whether an annotation is of a category; where either has no id, it is."""
    number, expected = person.get("category_id"), category.get("id")
    return number is None or expected is None or number.identity() == expected.identity()
