"""The video with the poses drawn on it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tarvitpose.drawing import draw_poses
from tarvitpose.frame_source import FrameSource
from tarvitpose.geometry import UInt8
from tarvitpose.results import FramePoses
from tarvitpose.video_writer import VideoWriter
from tarvitpose.writers.base import FileWriter, needed


class OverlayWriter(FileWriter):
    """Write an mp4 file with the frames, the times and the audio of the source."""

    def __init__(self, path: Path, source: FrameSource, *, keypoint_threshold: float = 0.3) -> None:
        super().__init__(path)
        self.keypoint_threshold = keypoint_threshold
        self._video = VideoWriter(
            path,
            self._size(source.image_size),
            source.frame_rate,
            audio_from=source.path,
            start=source.start,
            end=source.end,
            allow_playlists=source.allow_playlists,
        )

    @property
    def warnings(self) -> list[str]:
        """Return what could not be carried over, a line each; complete once the file is."""
        return self._video.warnings

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self._video)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._video.write(self._picture(poses, needed(image)), poses.time)

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the video."""
        return image_size

    def _picture(self, poses: FramePoses, image: UInt8) -> UInt8:
        return draw_poses(image, poses, keypoint_threshold=self.keypoint_threshold)
