"""Write the layout that training reads: PoseTrack18's, with the frames that windows can reach."""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from tarvitpose.data.records import Box, read_image
from tarvitpose.data.video_frames import image_file
from tarvitpose.data.videos import LabelledPerson, Video, VideoFrame
from tarvitpose.errors import DataError, OutputError
from tarvitpose.formats.posetrack_layout import PERSON_CATEGORY
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.hashing import file_digest
from tarvitpose.utils.images import write_image
from tarvitpose.utils.json_file import read_entry, write_json
from tarvitpose.utils.provenance import Facts, require_same

JPEG_QUALITY = 95
LEFTOVERS = ".*.tmp*"  # what a killed run leaves of the file it was writing

VideosDone = Callable[[int, int], None]  # receives how many videos are done, of how many
Scale = tuple[float, float]  # across and down; 1, 1 for an image as it is


@dataclass(frozen=True)
class PrepareOptions:
    """Where a prepared data set is written, and how much of it."""

    output: Path
    set_name: str  # "train": the folder below annotations/ and images/
    span: int = 2  # frames on each side of a labelled one
    max_side: int = 0  # pixels of the longer side of an image; 0: as it is

    def facts(self, video: Video) -> Facts:
        """Return what a prepared video depends on; noted in its file."""
        options = {"span": self.span, "max_side": self.max_side}
        return {**options, "annotations": file_digest(video.source)}

    def annotations(self, video: Video) -> Path:
        """Return the file that a video's annotations go to."""
        return self.output / "annotations" / self.set_name / f"{video.name}.json"


@dataclass(frozen=True)
class Summary:
    """What `prepare` did."""

    written: int  # videos
    done_before: int  # videos
    frames: int  # of the videos written
    missing: int  # unlabelled frames that are not on disk, and were left out


def prepare(
    videos: Iterable[tuple[Path, Video]],
    options: PrepareOptions,
    progress: VideosDone = lambda _, __: None,
) -> Summary:
    """Write every video that is not there yet; `videos` come with the root of their images.

    A video's annotations are written last, so that a run that was killed goes on where it
    stopped. Raises DataError for a labelled frame without image, and OutputError.
    """
    jobs, names = list(videos), set()
    written = frames = missing = 0
    for done, (root, video) in enumerate(jobs):
        if video.name in names:
            raise DataError(f"{video.source}: a second video is called {video.name}")
        names.add(video.name)
        if root.resolve() == options.output.resolve():
            raise OutputError(f"{options.output}: is the data set itself; choose another folder")
        progress(done, len(jobs))
        if not _is_done(video, options):
            present, absent = _write_video(video, root, options)
            written, frames, missing = written + 1, frames + present, missing + absent
    progress(len(jobs), len(jobs))
    return Summary(written, len(jobs) - written, frames, missing)


def near_labels(frames: Iterable[VideoFrame], span: int) -> list[VideoFrame]:
    """Return the frames that are at most `span` away from a labelled one."""
    frames = list(frames)
    labelled = [frame.number for frame in frames if frame.labelled]
    near = {number + step for number in labelled for step in range(-span, span + 1)}
    return [frame for frame in frames if frame.number in near]


def _is_done(video: Video, options: PrepareOptions) -> bool:
    path = options.annotations(video)
    if not path.exists():
        return False
    facts = read_entry(path).get("prepared")
    remedy = "choose another folder, or remove this file and its images"
    require_same(path, None if facts is None else facts.value, options.facts(video), remedy)
    return True


def _write_video(video: Video, root: Path, options: PrepareOptions) -> tuple[int, int]:
    """Write images, then annotations; return how many frames were present, and how many absent."""
    folder = PurePosixPath("images", options.set_name, video.name)
    for target in (options.output / folder, options.annotations(video).parent):
        for leftover in target.glob(LEFTOVERS):
            leftover.unlink()
    near = near_labels(video.frames, options.span)
    frames = [frame for frame in near if frame.labelled or image_file(root / frame.image).is_file()]
    before_0 = min([0, *(frame.number for frame in frames)])
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for frame in frames:
        number = frame.number - before_0
        suffix = PurePosixPath(frame.image).suffix.lower()
        name = str(folder / f"{number:06d}{suffix}")
        scale = _write_image(root / frame.image, options.output / name, options.max_side)
        names = {"file_name": name, "id": number, "frame_id": number, "vid_id": video.name}
        counts = {"nframes": len(frames), "is_labeled": frame.labelled}
        images.append({**names, **counts, **_regions(frame.ignored, scale)})
        for person in frame.people:
            people.append({"id": len(people), "image_id": number, **_person(person, scale)})
    _refuse_others(
        options.output / folder, {PurePosixPath(image["file_name"]).name for image in images}
    )

    content = {
        "images": images,
        "annotations": people,
        "categories": [{**PERSON_CATEGORY, "keypoints": list(video.joints)}],
        "prepared": options.facts(video),
    }
    write_json(options.annotations(video), content, indent=None)
    return len(frames), len(near) - len(frames)


def _refuse_others(folder: Path, names: set[str]) -> None:
    """Raise OutputError for images of another run, which readers could take for frames."""
    others = {path.name for path in folder.glob("*")} - names
    if others:
        raise OutputError(f"{folder}: has images of another run ({min(others)}); remove the folder")


def _write_image(source: Path, target: Path, max_side: int) -> Scale:
    """Link or copy an image, or write it smaller or out of its video; returns its scale."""
    file = image_file(source)
    if not file.is_file():
        raise DataError(f"{source}: a labelled frame is missing; see 'tarvitpose data check'")
    if max_side or file != source:
        image = read_image(source, str(target))
        height, width = image.shape[:2]
        share = min(max_side / max(height, width), 1.0) if max_side else 1.0
        if share < 1 or file != source:
            size = (max(round(width * share), 1), max(round(height * share), 1))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if share < 1 else image
            with atomic_file(target) as temporary:
                write_image(temporary, small, JPEG_QUALITY)
            return size[0] / width, size[1] / height
    with atomic_file(target) as temporary:
        temporary.unlink()
        try:
            os.link(source.resolve(), temporary)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(source, temporary)
    return 1.0, 1.0


def _person(person: LabelledPerson, scale: Scale) -> dict[str, Any]:
    points = person.points.copy()
    has_label = points.any(1)  # others stay 0, 0, 0
    points[has_label, :2] = _scaled(points[has_label, :2], scale)
    fields: dict[str, Any] = {"category_id": 1, "keypoints": _listed(points)}
    if person.number is not None:
        fields["id"] = person.number
    if person.track is not None:
        fields["track_id"] = person.track
    for key, box in (("bbox", person.box), ("bbox_head", person.head)):
        if box is not None:
            fields[key] = _box(box, scale)
    return fields


def _box(box: Box, scale: Scale) -> list[float]:
    corners = _scaled(np.array(box).reshape(2, 2), scale)
    return _listed(np.concatenate([corners[0], corners[1] - corners[0]]))


def _regions(polygons: tuple[Float64, ...], scale: Scale) -> dict[str, list[list[float]]]:
    scaled = [_scaled(polygon, scale) for polygon in polygons]
    return {
        f"ignore_regions_{name}": [_listed(polygon[:, i]) for polygon in scaled]
        for i, name in enumerate("xy")
    }


def _scaled(points: Float64, scale: Scale) -> Float64:
    """Where points (P, 2) lie in the smaller image; pixels' centres are at whole numbers."""
    return points if scale == (1, 1) else (points + 0.5) * np.array(scale) - 0.5


def _listed(values: Float64) -> list[float]:
    return [round(value, 3) for value in values.ravel().tolist()]
