"""Read the merged COCO files of the DCPose supplement: one file with all videos of a set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tarvitpose.data.posetrack import posetrack18_videos
from tarvitpose.data.videos import Video, VideoFrame, in_time
from tarvitpose.formats.posetrack_layout import is_counted_from_1
from tarvitpose.utils.json_file import Entry


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
