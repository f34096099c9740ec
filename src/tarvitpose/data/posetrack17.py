"""Read PoseTrack2017's videos: the official per-video JSON, an annolist of frames."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from tarvitpose.data.posetrack import by_folder, video_name
from tarvitpose.data.records import Box
from tarvitpose.data.videos import (
    LabelledPerson,
    Video,
    VideoFrame,
    in_order,
    in_time,
    numbering,
    with_images,
)
from tarvitpose.formats.posetrack_layout import (
    POINT_IDS,
    annolist_head,
    annolist_points,
    annolist_regions,
    image_path,
    is_labelled,
)
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry

BOX_SCALE = 1.2  # times the joints' extent: no person has a box, and DCPose's lists make them so


def posetrack17_videos(path: Path, content: Entry, root: Path) -> Iterator[Video]:
    """Yield the video of a file, of its name, or each of several, of their folders' names.

    PoseTrack2017 labels the middle of a video, and its annolist may hold nothing else: images
    in the same folder below `root` that are numbered in the same way belong to the video, as
    unlabelled frames; unless the images are called otherwise (see `with_images`). Raises
    DataError that names the file, the entry and the field.
    """
    frames = [_frame(entry) for entry in content["annolist"].items()]
    folders = by_folder(frames)
    for folder, listed in folders.items():
        name = video_name(path, folder, folders)
        video = Video(name, path, POINT_IDS, in_time(listed), box_scale=BOX_SCALE)
        video = with_images(video, root)
        if all(frame.other_name is None for frame in video.frames):
            video = replace(video, frames=in_time([*listed, *_unlisted(listed, root)]))
        yield video


def _unlisted(listed: list[VideoFrame], root: Path) -> list[VideoFrame]:
    """The images on disk beside the listed ones that the file does not name."""
    names = {PurePosixPath(frame.name).name for frame in listed}
    first = PurePosixPath(listed[0].name)
    return [
        VideoFrame(str(first.with_name(path.name)))
        for path in (root / first.parent).glob("[0-9]*")
        if path.name not in names
        and len(path.name) == len(first.name)
        and numbering(path.name) == numbering(first.name)
    ]


def _frame(entry: Entry) -> VideoFrame:
    people, labelled = entry.non_empty("annorect"), is_labelled(entry)
    persons = tuple(map(_person, people.items())) if people else ()
    return VideoFrame(
        name=image_path(entry["image"].unwrap()["name"]),
        labelled=bool(persons) if labelled is None else labelled,
        people=persons,
        ignored=annolist_regions(entry),
    )


def _person(person: Entry) -> LabelledPerson:
    track = person.get("track_id")
    number = track.integer() if track else None
    return LabelledPerson(
        where=person.where,
        label=person.position if number is None else str(number),
        points=_points(person),
        head=_head(person),
        track=number,
    )


def _points(person: Entry) -> Float64:
    """The person's points with v, (K, 3)."""
    points, _ = annolist_points(person)
    has_label = np.isfinite(points).all(1, keepdims=True)
    return np.concatenate([np.where(has_label, points, 0), has_label], 1)


def _head(person: Entry) -> Box | None:
    if person.get("x1") is None:
        return None
    return in_order(annolist_head(person))
