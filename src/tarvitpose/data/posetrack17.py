"""Read PoseTrack2017's videos: the official per-video JSON, an annolist of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from tarvitpose.data.posetrack import by_folder
from tarvitpose.data.records import Box
from tarvitpose.data.videos import Person, Video, VideoFrame, in_time
from tarvitpose.json_file import Entry, Float64, read_entry
from tarvitpose.posetrack_layout import (
    POINT_IDS,
    annolist_head,
    annolist_points,
    annolist_regions,
    frame_number,
)

BOX_SCALE = 1.2  # times the joints' extent: no person has a box, and DCPose's lists make them so


def posetrack17_videos(path: Path, root: Path) -> Iterator[Video]:
    """Yield the video of a file, of its name, or each of several, of their folders' names.

    PoseTrack2017 labels the middle of a video, and its annolist may hold nothing else: images
    in the same folder below `root` that are numbered in the same way belong to the video, as
    unlabelled frames. Raises DataError that names the file, the entry and the field.
    """
    frames = [_frame(entry) for entry in read_entry(path)["annolist"].items()]
    folders = by_folder(frames)
    for folder, listed in folders.items():
        name = path.stem if len(folders) == 1 else folder.name
        unlisted = _unlisted(listed, root)
        in_order = in_time([*listed, *unlisted])
        yield Video(name, path, POINT_IDS, in_order, box_scale=BOX_SCALE)


def _unlisted(listed: list[VideoFrame], root: Path) -> list[VideoFrame]:
    """The images on disk beside the listed ones that the file does not name."""
    names = {frame.name for frame in listed}
    first = PurePosixPath(listed[0].name)
    beside = (str(first.with_name(path.name)) for path in (root / first.parent).glob("[0-9]*"))
    return [
        VideoFrame(name)
        for name in beside
        if name not in names
        and PurePosixPath(name).suffix == first.suffix
        and len(name) == len(first.name) + len(str(first.parent)) + 1
        and frame_number(PurePosixPath(name).stem) is not None
    ]


def _frame(entry: Entry) -> VideoFrame:
    people, labelled = entry.filled("annorect"), entry.get("is_labeled")
    persons = tuple(map(_person, people.items())) if people else ()
    return VideoFrame(
        name=str(entry["image"].only()["name"].value),
        labelled=bool(persons) if labelled is None else bool(labelled.only().value),
        people=persons,
        ignored=annolist_regions(entry),
    )


def _person(person: Entry) -> Person:
    track = person.get("track_id")
    number = track.whole() if track else None
    return Person(
        where=person.where,
        label=person.position if number is None else str(number),
        points=_points(person),
        head=_head(person),
        track=number,
    )


def _points(person: Entry) -> Float64:
    """The person's points with v, (K, 3)."""
    places, _ = annolist_points(person)
    there = np.isfinite(places).all(1, keepdims=True)
    return np.concatenate([np.where(there, places, 0), there], 1)


def _head(person: Entry) -> Box | None:
    """The head's box; its corners may be given in any order."""
    if person.get("x1") is None:
        return None
    x1, y1, x2, y2 = annolist_head(person).tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
