"""Find what breaks trainings: images that are missing or broken, labels that contradict them."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from tarvitpose.config import AnnotationFormat
from tarvitpose.data.check_notes import NOTES, Note, notes_of
from tarvitpose.data.records import Box, read_image
from tarvitpose.data.sources import open_annotations, read_videos
from tarvitpose.data.video_frames import image_file
from tarvitpose.data.videos import LabelledPerson, Video, VideoFrame, has_area
from tarvitpose.errors import DataError
from tarvitpose.utils.images import decode_image
from tarvitpose.utils.reading import file_bytes, reason_of

FAULTS = {  # in the order of the table: what it is called, and what it means
    "annotations": "a file that cannot be read",
    "nobody": "no labelled frame has a person with a labelled joint",
    "missing image": "a labelled frame that is not on disk",
    "missing neighbour": "an unlabelled frame that is listed and not on disk",
    "other image name": "frames with other names than the images, matched by order",
    "broken image": "empty, cut off or not an image",
    "frame count": "nframes is not the number of images on disk",
    "gap beside a label": "a frame next to a labelled one is not listed, farther ones are",
    "box outside": "no pixel of the image is in the person's box",
    "box without area": "a width or height of 0",
    "joint far from box": "outside by more than half the box's width or height",
    "duplicate id": "two annotations of a file have it",
    "duplicate track id": "two people of a frame have it",
}
FAR = 0.5  # of the box's width and height, beyond each side
HEADER = 12  # bytes that tell an image's format
TAIL = 4096  # bytes in which the end of an image is looked for; some cameras append a little
ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND"}  # beginning and end of JPEG and PNG
HEADERS = (*ENDS, b"BM", b"RIFF", b"II*\0", b"MM\0*", b"GIF8")

ImagesDone = Callable[[int, int], None]  # receives how many frames are done, of how many
Fault = tuple[str, str]  # kind and location


@dataclass(frozen=True)
class DataReport:
    """What was looked at, and what is wrong with it."""

    format: AnnotationFormat | None  # None: no file could be read
    videos: int
    frames: int
    labelled: int
    people: int  # with a joint, in labelled frames
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...] = ()  # what readers fill in, change or leave out

    def by_kind(self) -> dict[str, list[str]]:
        """Return the locations of each kind of fault that occurs, in the order of `FAULTS`."""
        return _grouped(self.faults, FAULTS)

    def notes_by_kind(self) -> dict[str, list[str]]:
        """Return the locations of each kind of note that occurs, in the order of `NOTES`."""
        return _grouped(self.notes, NOTES)


def _grouped(pairs: Iterable[tuple[str, str]], kinds: Iterable[str]) -> dict[str, list[str]]:
    locations: dict[str, list[str]] = {kind: [] for kind in kinds}
    for kind, location in pairs:
        locations[kind].append(location)
    return {kind: listed for kind, listed in locations.items() if listed}


def check_data(
    files: Sequence[Path],
    format: AnnotationFormat | None,
    images: Path | None,
    *,
    quick: bool,
    progress: ImagesDone,
) -> DataReport:
    """Look at all annotation files and all images that they name.

    Without a `format`, that of the first file that can be read is the format of all. `images` is
    the folder that file names start from; without it each file's is found.
    With `quick` an image is only looked for, and its first bytes read; else it is decoded.
    """
    faults: list[Fault] = []
    notes: list[Note] = []
    jobs: list[tuple[Path, Video, VideoFrame]] = []
    count = 0  # of videos
    for path in files:
        try:
            file = open_annotations(path, format, images)
            format = file.format
            videos = list(read_videos(file))
            notes += notes_of(file, videos)
        except DataError as error:
            faults.append(("annotations", str(error)))
            continue
        count += len(videos)
        faults += _repeated_ids(path, videos)
        for video in videos:
            faults += _about_frames(video, file.root)
            jobs += [(file.root, video, frame) for frame in video.frames]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = map if quick else pool.map  # threads only help where images are decoded
        for done, new in enumerate(each(partial(_about_image, quick=quick), jobs), 1):
            faults += new
            progress(done, len(jobs))
    labelled = [frame for _, _, frame in jobs if frame.labelled]
    people = sum(len(_with_joints(frame)) for frame in labelled)
    if count and not people:
        faults.append(("nobody", f"{files[0]}{f' and {len(files) - 1} more' * (len(files) > 1)}"))
    return DataReport(format, count, len(jobs), len(labelled), people, tuple(faults), tuple(notes))


def _repeated_ids(file: Path, videos: list[Video]) -> list[Fault]:
    frames = [(video, frame) for video in videos for frame in video.frames]
    ids = Counter(
        person.number for _, frame in frames for person in frame.people if person.number is not None
    )
    faults = [
        ("duplicate id", f"{file.name}: {number}") for number, count in ids.items() if count > 1
    ]
    for video, frame in frames:
        tracks = Counter(person.track for person in frame.people if person.track is not None)
        faults += [
            ("duplicate track id", _location(video, frame, str(track)))
            for track, count in tracks.items()
            if count > 1
        ]
    return faults


def _about_frames(video: Video, root: Path) -> Iterator[Fault]:
    """What is wrong with the frames of a video taken together."""
    folder = (root / video.frames[0].name).parent if video.frames else root
    if video.frame_count is not None and folder.is_dir():
        suffix = PurePosixPath(video.frames[0].name).suffix
        on_disk = sum(path.suffix == suffix for path in folder.iterdir())
        if on_disk != video.frame_count:
            yield (
                "frame count",
                f"{video.name}: nframes is {video.frame_count}, on disk {on_disk},"
                f" listed {len(video.frames)}",
            )
    renamed = [frame for frame in video.frames if frame.other_name is not None]
    if renamed:
        first, count = renamed[0], len(renamed)
        yield "other image name", f"{first.name} is {first.image}, one of {count} in {video.name}"
    numbers = [frame.number for frame in video.frames]
    known = {numbers[0] - 1, *numbers, numbers[-1] + 1} if numbers else set()
    for frame in video.frames:
        is_beside_gap = not {frame.number - 1, frame.number + 1} <= known
        if is_beside_gap and frame.labelled and _with_joints(frame):
            yield "gap beside a label", _location(video, frame)


def _about_image(job: tuple[Path, Video, VideoFrame], *, quick: bool) -> list[Fault]:
    """What is wrong with one image, and with its people's boxes and joints in it."""
    root, video, frame = job
    path = root / frame.image
    file = image_file(path)
    if not file.is_file():
        return [("missing image" if frame.labelled else "missing neighbour", frame.name)]
    try:
        if file != path:  # of a video
            size = frame.size if quick else read_image(path, frame.name).shape[:2]
        else:
            size = _header_size(path, frame) if quick else _decoded_size(path)
    except (ValueError, DataError, OSError) as error:
        return [("broken image", f"{frame.name}: {reason_of(error)}")]
    people = _with_joints(frame) if frame.labelled else []
    return [
        (kind, _location(video, frame, person.label))
        for person in people
        for kind in _about_box(person, size)
    ]


def _header_size(path: Path, frame: VideoFrame) -> tuple[int, int] | None:
    """The (height, width) that the annotations tell, of a file that begins as an image does."""
    start = file_bytes(path, HEADER)
    if not start.startswith(HEADERS):
        raise ValueError("empty" if not start else "begins like no image")
    return frame.size


def _decoded_size(path: Path) -> tuple[int, int]:
    """The (height, width) of an image. Raises ValueError if it cannot be decoded to its end."""
    content = file_bytes(path)
    image = decode_image(content)
    if image is None:
        raise ValueError("cannot be decoded" if content else "empty")
    for start, end in ENDS.items():  # decoders fill in what is cut off
        if content.startswith(start) and end not in content[-TAIL:]:
            raise ValueError("cut off")
    return image.shape[0], image.shape[1]


def _about_box(person: LabelledPerson, size: tuple[int, int] | None) -> Iterator[str]:
    if person.box is None:
        return
    if not has_area(person.box):
        yield "box without area"
        return
    left, top, right, bottom = person.box
    if size is not None and (right <= 0 or bottom <= 0 or left >= size[1] or top >= size[0]):
        yield "box outside"
    if _is_far(person, person.box):
        yield "joint far from box"


def _is_far(person: LabelledPerson, box: Box) -> bool:
    corners = np.array(box).reshape(2, 2)
    margin = FAR * (corners[1] - corners[0])
    points = person.points[person.points[:, 2] > 0, :2]
    return bool(((points < corners[0] - margin) | (points > corners[1] + margin)).any())


def _with_joints(frame: VideoFrame) -> list[LabelledPerson]:
    return [person for person in frame.people if (person.points[:, 2] > 0).any()]


def _location(video: Video, frame: VideoFrame, label: str | None = None) -> str:
    location = f"{video.name}/{PurePosixPath(frame.name).stem}"
    return location if label is None else f"{location}#{label}"
