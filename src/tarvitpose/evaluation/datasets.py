"""The labelled frames of a data set, with people, neighbouring frames and truth.

Axes: N people, J joints.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from tarvitpose.config import AnnotationFormat
from tarvitpose.data.sources import AnnotationFile, open_set, read_videos
from tarvitpose.data.videos import Video, VideoFrame, by_name, crop_box, runs
from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_files import true_frames, unlabelled
from tarvitpose.formats.posetrack_layout import file_name, image_id
from tarvitpose.metrics.oks import AREA_OF_BOX
from tarvitpose.metrics.posetrack_ap import JOINTS, TrueFrame
from tarvitpose.skeleton import POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Float32, Float64
from tarvitpose.utils.json_file import Entry

NO_HEAD = (np.nan,) * 4


@dataclass(frozen=True, eq=False)
class LabelledPeople:
    """The N people of one frame who have a labelled joint."""

    boxes: Float32  # (N, 4), xyxy; made from the joints where the file has none
    keypoints: Float32  # (N, J, 2), 0 where not labelled
    visible: Float32  # (N, J), 1 where labelled
    heads: Float64  # (N, 4), xyxy, NaN for a person without a head box
    areas: Float64  # (N,), pixels²; a share of the box where the file has none
    tracks: tuple[int | None, ...]  # N ids, the same for one person in all frames of a video


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """One frame whose people are to be predicted."""

    name: str  # the image's file name, as the annotations have it
    frames: tuple[Path, ...]  # the run of neighbours that the frame is part of, in time
    current: int  # its position in them
    people: LabelledPeople
    number: int = 0  # its position in the video; of a still its image id
    image_id: int | None = None  # PoseTrack17 has none
    truth: TrueFrame | None = None  # what PoseTrack's AP needs; None where it cannot be had
    unlisted: tuple[int, int] = (0, 0)  # existing frames before and behind `frames`

    def window(
        self, offsets: Sequence[int], exists: Callable[[Path], bool]
    ) -> tuple[list[Path], int]:
        """Return the image of each offset, and how many were missing.

        Past either end of the video the end is repeated. For an image that exists in the data
        set, but not on this disk, the nearest one towards the current frame is used.
        """
        before, behind = self.unlisted
        images, missing = [], 0
        for position in (self.current + offset for offset in offsets):
            last = len(self.frames) - 1
            at = min(max(position, 0), last)
            while at != self.current and not exists(self.frames[at]):
                at += 1 if at < self.current else -1
            is_frame = -before <= position <= last + behind
            missing += is_frame and at != position
            images.append(self.frames[at])
        return images, missing


@dataclass(frozen=True, eq=False)
class LabelledVideo:
    """The labelled frames of one video, which has one file of predictions."""

    name: str  # of that file, without its ending
    source: Path  # the annotations
    frames: tuple[LabelledFrame, ...]
    listed: Mapping[str, int | None] = field(default_factory=dict)
    """The name and id of every frame in the annotations, labelled or not, in their order."""
    images: tuple[Path, ...] = ()  # of all frames, listed or not, in time
    content: Entry | None = None  # of stills: the annotations, for COCO's evaluator
    missing_joints: tuple[str, ...] = ()  # of PoseTrack's: without all of them there is no AP
    is_jhmdb: bool = False  # a clip of JHMDB, scored by its benchmark's PCK

    @property
    def are_stills(self) -> bool:
        """Whether these are the stills of COCO's layout, scored by COCO's rules."""
        return self.content is not None


def read_labelled(
    layout: AnnotationFormat | None,
    annotations: Path,
    joints: JointSet,
    *,
    images: Path | None = None,
    limit: int | None = None,
    set_name: str | None = None,
) -> list[LabelledVideo]:
    """Return the first `limit` videos of a file or folder of annotations, or of a set in it.

    The stills of a COCO file are one "video" together, and `limit` counts them. `joints` are what
    its people are compared in; PoseTrack's are always its 15. Raises DataError in one line, also
    where nothing is labelled.
    """
    videos: list[LabelledVideo] = []
    for file in open_set(annotations, layout, images, set_name):
        left = None if limit is None else limit - len(videos)
        listed = islice(read_videos(file), left)
        if file.format == "coco":
            videos += _stills(file, listed, joints)
        elif file.format == "jhmdb":
            videos += _clips(file, listed)
        else:
            videos += _posetrack(file, listed)
    videos = [video for video in videos if video.frames]
    if not videos:
        raise DataError(f"{annotations}: has no labelled frame to evaluate")
    return videos


def every_nth(videos: Sequence[LabelledVideo], step: int) -> list[LabelledVideo]:
    """Return videos with only the middle one of every `step` frames.

    Raises DataError where none is left.
    """
    thinned = [
        replace(
            video,
            frames=tuple(frame for frame in video.frames if frame.current % step == step // 2),
        )
        for video in videos
    ]
    thinned = [video for video in thinned if video.frames]
    if not thinned:
        raise DataError(f"{videos[0].source}: no labelled frame is left of one in {step}")
    return thinned


def _stills(
    file: AnnotationFile, stills: Iterable[Video], joints: JointSet
) -> Iterator[LabelledVideo]:
    ids = image_ids(file.content)
    frames = [_frame(still, still.frames, 0, file.root, joints) for still in stills]
    frames = [replace(frame, number=ids[frame.name]) for frame in frames]
    yield LabelledVideo(file.path.stem, file.path, _with_ids(frames, ids), content=file.content)


def _posetrack(file: AnnotationFile, videos: Iterable[Video]) -> Iterator[LabelledVideo]:
    missing, ids, root = unlabelled(file.content), image_ids(file.content), file.root
    truth = {} if missing else true_frames(file.content)
    for video in videos:
        names = {frame.name for frame in video.frames}
        frames = [
            replace(frame, truth=truth.get(frame.name)) for frame in _labelled_frames(video, root)
        ]
        yield LabelledVideo(
            name=video.name,
            source=file.path,
            frames=_with_ids(frames, ids),
            listed={name: ids.get(name) for name in (truth or ids) if name in names},
            images=tuple(root / frame.image for frame in video.frames),
            missing_joints=tuple(missing),
        )


def _clips(file: AnnotationFile, videos: Iterable[Video]) -> Iterator[LabelledVideo]:
    """The clips of JHMDB, which has no ids and not all of PoseTrack's joints."""
    for video in videos:
        ids = {frame.name: frame.number for frame in video.frames}
        yield LabelledVideo(
            name=video.name,
            source=file.path,
            frames=_with_ids(_labelled_frames(video, file.root), ids),
            listed=ids,
            images=tuple(file.root / frame.image for frame in video.frames),
            missing_joints=tuple(name for name in JOINTS if name not in video.joints),
            is_jhmdb=True,
        )


def _labelled_frames(video: Video, root: Path) -> list[LabelledFrame]:
    return [
        _frame(video, run, at, root, POSETRACK_15)
        for run in runs(video.frames)
        for at, frame in enumerate(run)
        if frame.labelled
    ]


def _with_ids(frames: Iterable[LabelledFrame], ids: dict[str, int]) -> tuple[LabelledFrame, ...]:
    return tuple(replace(frame, image_id=ids.get(frame.name)) for frame in frames)


def _frame(
    video: Video, run: Sequence[VideoFrame], at: int, root: Path, joints: JointSet
) -> LabelledFrame:
    first, end = _extent(video)
    return LabelledFrame(
        name=run[at].name,
        frames=tuple(root / frame.image for frame in run),
        current=at,
        people=_people(run[at], video, joints),
        number=run[at].number,
        unlisted=(run[0].number - first, end - 1 - run[-1].number),
    )


def _extent(video: Video) -> tuple[int, int]:
    """Return the number of the video's first frame and one past its last, listed or not."""
    first, end = video.frames[0].number, video.frames[-1].number + 1
    if video.frame_count is None or video.frame_count <= len(video.frames):
        return first, end
    return min(first, 0), max(end, video.frame_count)


def _people(frame: VideoFrame, video: Video, joints: JointSet) -> LabelledPeople:
    labels = [(person, *by_name(person.points, video.joints, joints)) for person in frame.people]
    labels = [label for label in labels if label[2].any()]
    people = [person for person, _, _ in labels]
    boxes = np.array(
        [
            crop_box(person.box, points[visible > 0], video.box_scale)
            for person, points, visible in labels
        ],
        np.float32,
    ).reshape(-1, 4)
    areas = AREA_OF_BOX * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float64)
    known = np.array([person.area or np.nan for person in people], np.float64)
    return LabelledPeople(
        boxes=boxes,
        keypoints=np.array([label[1] for label in labels], np.float32).reshape(-1, len(joints), 2),
        visible=np.array([label[2] for label in labels], np.float32).reshape(-1, len(joints)),
        heads=np.array([person.head or NO_HEAD for person in people], np.float64).reshape(-1, 4),
        areas=np.where(np.isnan(known), areas, known),
        tracks=tuple(person.track for person in people),
    )


def image_ids(content: Entry) -> dict[str, int]:
    """Return the ids of a file's images by their names; none in the layout of PoseTrack17."""
    if content.get("images") is None:
        return {}
    return {file_name(image): _whole_id(image) for image in content["images"].items()}


def _whole_id(image: Entry) -> int:
    number = image_id(image)
    if isinstance(number, str):
        raise DataError(f"{image.where}: expected a whole number as its id, found {number!r}")
    return number
