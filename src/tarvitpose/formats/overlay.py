"""The video, or the picture, with the poses drawn on it."""

from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tarvitpose.angles.arcs import draw_angles
from tarvitpose.config import Colors
from tarvitpose.drawing import draw_poses
from tarvitpose.formats.file_writer import PoseWriter, required_image
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.writer import VideoWriter

FACING_SECONDS = 0.5  # of earlier frames that tell where people face, for drawn angles


class OverlayWriter(PoseWriter):
    """Write an mp4 file with the frames, the times and the audio of the source.

    If `path` ends in .png it is a picture, of a source with a single image.
    """

    def __init__(
        self,
        path: Path,
        source: FrameSource,
        *,
        keypoint_threshold: float = 0.3,
        colors: Colors = "track",
        angles: bool = False,
    ) -> None:
        super().__init__(path)
        self.keypoint_threshold, self.colors, self.angles = keypoint_threshold, colors, angles
        self._recent: deque[FramePoses] = deque()  # of the last FACING_SECONDS
        self._video = None if path.suffix == ".png" else self._video_writer(source)

    @property
    def warnings(self) -> list[str]:
        """Return what could not be carried over, a line each; complete once the file is."""
        return [] if self._video is None else self._video.warnings

    def cut(self) -> None:
        """End the sound with the last frame."""
        if self._video is not None:
            self._video.is_cut = True

    def _video_writer(self, source: FrameSource) -> VideoWriter:
        return VideoWriter(
            self.path,
            self._size(source.image_size),
            source.frame_rate,
            audio_from=source.path,
            start=source.start,
            end=source.end,
            allow_playlists=source.allow_playlists,
        )

    def _start(self, stack: ExitStack) -> None:
        if self._video is None:
            self._png = stack.enter_context(atomic_file(self.path))
        else:
            stack.enter_context(self._video)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        picture = self._picture(poses, required_image(image))
        if self._video is None:
            write_image(self._png, picture)
        else:
            self._video.write(picture, poses.time)

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the video."""
        return image_size

    def _picture(self, poses: FramePoses, image: UInt8) -> UInt8:
        picture = draw_overlay(
            image,
            poses,
            self.keypoint_threshold,
            self.colors,
            angles=self.angles,
            before=self._recent,
        )
        if self.angles:
            self._recent.append(replace(poses, single_keypoints=None, raw_keypoints=None))
            while poses.time - self._recent[0].time > FACING_SECONDS:
                self._recent.popleft()
        return picture


def draw_overlay(
    image: UInt8,
    poses: FramePoses,
    keypoint_threshold: float = 0.3,
    colors: Colors = "track",
    *,
    angles: bool = False,
    before: Iterable[FramePoses] = (),
) -> UInt8:
    """Return a copy of a frame, RGB (height, width, 3), as the video and the window show it.

    The frames `before` help to tell where people face, for their angles.
    """
    picture = draw_poses(image, poses, keypoint_threshold=keypoint_threshold, colors=colors)
    if angles:
        draw_angles(picture, poses, [*before], keypoint_threshold=keypoint_threshold)
    return picture
