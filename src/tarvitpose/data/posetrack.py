"""Read PoseTrack's videos: the JSON of PoseTrack18 and 21, and the merged files of DCPose."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tarvitpose.data.coco import image_frames, joint_names
from tarvitpose.data.videos import Video, VideoFrame, in_time
from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_layout import file_name, is_counted_from_1
from tarvitpose.utils.json_file import Entry

MOST_FRAMES = 1_000_000  # of a video, nine hours; a file that claims more is damaged


def annotation_files(path: Path) -> list[Path]:
    """Return the JSON file itself, or those of a folder by name. Raises DataError."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("*.json") if not file.name.startswith("."))
    if not files:
        raise DataError(f"{path}: no JSON files in this folder, expected one for each video")
    return files


def posetrack18_videos(path: Path, content: Entry) -> Iterator[Video]:
    """Yield the video of a file, of its name, or each of several, of their folders' names."""
    names = joint_names(content)
    counts = frame_counts(content)
    folders = by_folder(image_frames(content, names))
    for folder, frames in folders.items():
        yield Video(
            video_name(path, folder, folders), path, names, in_time(frames), counts.get(folder)
        )


def video_name(path: Path, folder: PurePosixPath, folders: Collection[PurePosixPath]) -> str:
    """Return what a video of a file is called: as the file if it is alone, else as its folder."""
    return folder.name if len(folders) > 1 and folder.name not in ("", "..") else path.stem


def by_folder(frames: Iterable[VideoFrame]) -> dict[PurePosixPath, list[VideoFrame]]:
    """Return frames by the folder they lie in: a folder is a video."""
    folders: dict[PurePosixPath, list[VideoFrame]] = defaultdict(list)
    for frame in frames:
        folders[PurePosixPath(frame.name).parent].append(frame)
    return folders


def frame_counts(content: Entry) -> dict[PurePosixPath, int]:
    """Return how many frames the file says each folder has, where it does. Raises DataError."""
    counts = {}
    for image in content["images"].items():
        count = image.get("nframes")
        if count is not None:
            counts[PurePosixPath(file_name(image)).parent] = number = count.integer()
            if not 0 <= number <= MOST_FRAMES:
                raise DataError(f"{count.where}: expected 0 to {MOST_FRAMES:,}, found {number}")
    return counts


def dcpose_videos(path: Path, content: Entry) -> Iterator[Video]:
    """Yield each folder of images as a video. Raises DataError.

    `nframes` tells how many frames exist. Those that the file does not list are named by
    counting: eight digits from 1 for PoseTrack17, as many digits as the others from 0 for 18.
    """
    for video in posetrack18_videos(path, content):
        folder = PurePosixPath(video.frames[0].name).parent.name
        yield replace(video, name=folder, frames=_with_unlisted(video))


def _with_unlisted(video: Video) -> tuple[VideoFrame, ...]:
    listed = {frame.name for frame in video.frames}
    first = PurePosixPath(video.frames[0].name)
    if video.frame_count is None or not first.stem.isdecimal():
        return video.frames
    start = int(is_counted_from_1(first.stem))
    names = (
        str(first.with_stem(f"{at:0{len(first.stem)}d}"))
        for at in range(start, start + video.frame_count)
    )
    unlisted = [VideoFrame(name) for name in names if name not in listed]
    return in_time([*video.frames, *unlisted])
