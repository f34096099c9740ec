"""Find what the readers of annotations fill in, change or leave out, which is no fault."""

from collections.abc import Iterator, Sequence

from tarvitpose.config import AnnotationFormat
from tarvitpose.data.sources import AnnotationFile, image_names
from tarvitpose.data.videos import Video
from tarvitpose.formats.posetrack_layout import (
    POINT_IDS,
    category_joints,
    coco_people,
    file_name,
    is_labelled,
    is_of_category,
    keypoint_category,
    slashed,
)
from tarvitpose.skeleton import KNOWN_JOINTS
from tarvitpose.utils.json_file import Entry

NOTES = {  # in the order of the table: what it is called, and what the readers do with it
    "crowd": "iscrowd: left out",
    "other category": "not of the people's category: left out",
    "no category": "without category_id: taken as a person",
    "no keypoints": "a person without keypoints: left out",
    "no labelled joint": "a person whose joints all have v = 0: left out",
    "unlabelled frame": "a person in a frame that is not labelled: left out",
    "no box": "a person without bbox: the box is made from the labelled joints",
    "no area": "a person without area: COCO AP takes a share of the box",
    "unknown joint": "no model knows it: left out",
    "joint given twice": "the first counts",
    "joint outside": "joints of a clip of JHMDB beyond the frame: left out",
    "joint spelling": "a joint's name in another spelling: read as ours",
    "backslash": "a path with backslashes: read as slashes",
    "unlisted frame": "a frame that the file does not list: taken as a neighbour",
}
Note = tuple[str, str]  # kind and location


def notes_of(file: AnnotationFile, videos: Sequence[Video]) -> Iterator[Note]:
    """Yield what readers fill in, change or leave out of a file, `videos` being what they read."""
    content, layout = file.content, file.format
    if layout == "jhmdb":
        yield from _of_clips(videos)
        return
    yield from _of_annolist(content) if layout == "posetrack17" else _of_coco(content, layout)
    listed = set(image_names(content))
    for video in videos:
        for frame in video.frames:
            if frame.name not in listed:
                yield "unlisted frame", frame.name


def _of_clips(videos: Sequence[Video]) -> Iterator[Note]:
    """What is noted of JHMDB, whose people have all joints, also outside the frame."""
    for video in videos:
        for joint in set(video.joints) - KNOWN_JOINTS:
            yield "unknown joint", f"{video.name}: {joint}"
        for frame in video.frames:
            for person in frame.people:
                outside = int((person.points[:, 2] == 0).sum())
                if outside:
                    yield "joint outside", f"{frame.name}: {outside} of {len(person.points)}"
                if person.box is None:
                    yield "no box", frame.name


def _of_coco(content: Entry, layout: AnnotationFormat) -> Iterator[Note]:
    category = keypoint_category(content)
    yield from _of_joints(category)
    for image, people in coco_people(content):
        name = file_name(image)
        yield from _of_name(image["file_name"])
        for person in people:
            number = person.get("id")
            location = f"{_in_file(person)}{f' (id {number.value})' if number else ''}, {name}"
            is_used = is_labelled(image) is not False
            for kind in _of_person(person, category, layout, is_used=is_used):
                yield kind, location


def _of_joints(category: Entry) -> Iterator[Note]:
    for entry, name in zip(category["keypoints"].items(), category_joints(category), strict=True):
        if name not in KNOWN_JOINTS:
            yield "unknown joint", f"{_in_file(entry)}: {entry.value}"
        elif name != entry.value:
            yield "joint spelling", f"{_in_file(entry)}: {entry.value} is {name}"


def _of_name(name: Entry) -> Iterator[Note]:
    if slashed(str(name.value)) != name.value:
        yield "backslash", str(name.value)


def _of_person(
    person: Entry, category: Entry, layout: AnnotationFormat, *, is_used: bool
) -> Iterator[str]:
    if person.non_empty("iscrowd"):
        yield "crowd"
    elif not is_of_category(person, category):
        yield "other category"
    elif not is_used:
        yield "unlabelled frame"
    else:
        keypoints = person.non_empty("keypoints")
        if person.get("category_id") is None and category.get("id") is not None:
            yield "no category"
        if keypoints is None:
            yield "no keypoints"
        elif not (keypoints.numbers()[2::3] > 0).any():
            yield "no labelled joint"
        else:
            if person.non_empty("bbox") is None:
                yield "no box"
            if layout == "coco" and not person.non_empty("area"):
                yield "no area"


def _of_annolist(content: Entry) -> Iterator[Note]:
    """What is noted of PoseTrack17, whose people never have a box."""
    for frame in content["annolist"].items():
        name = frame["image"].unwrap()["name"]
        yield from _of_name(name)
        labelled, people = frame.get("is_labeled"), frame.non_empty("annorect")
        is_used = labelled is None or bool(labelled.unwrap().value)
        for person in people.items() if people else ():
            location = f"{_in_file(person)}, {slashed(str(name.value))}"
            if not is_used:
                yield "unlabelled frame", location
                continue
            for kind in _of_points(person):
                yield kind, location


def _of_points(person: Entry) -> Iterator[str]:
    pose = person.non_empty("annopoints")
    points = pose.unwrap().non_empty("point") if pose else None
    if points is None:
        yield "no keypoints"
        return
    yield "no box"
    ids = points.column("id").tolist()
    if not set(ids) <= set(range(len(POINT_IDS))):
        yield "unknown joint"
    if len(set(ids)) < len(ids):
        yield "joint given twice"


def _in_file(entry: Entry) -> str:
    """Where an entry stands, the folders of its file left out."""
    path, _, location = entry.where.rpartition(": ")
    return f"{path.rpartition('/')[2]}: {location}"
