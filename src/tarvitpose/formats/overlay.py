"""The video, or the picture, with the poses drawn on it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tarvitpose.drawing import draw_poses
from tarvitpose.formats.file_writer import FileWriter, required_image
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.images import write_image
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.writer import VideoWriter


class PngWriter:
    """A PNG with the interface of VideoWriter, for a source of a single image."""

    def __init__(self, path: Path) -> None:
        self.path, self.warnings = path, list[str]()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the file; raises OutputError where it cannot be written."""
        self._temporary = self._stack.enter_context(atomic_file(self.path))
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        """Finish the file, or remove it after an error."""
        return self._stack.__exit__(*exception)

    def write(self, image: UInt8, _time: float) -> None:
        """Write the picture, RGB (height, width, 3)."""
        write_image(self._temporary, image)


class OverlayWriter(FileWriter):
    """Write an mp4 file with the frames, the times and the audio of the source.

    If `path` ends in .png it is a picture, of a source with a single image.
    """

    def __init__(self, path: Path, source: FrameSource, *, keypoint_threshold: float = 0.3) -> None:
        super().__init__(path)
        self.keypoint_threshold = keypoint_threshold
        self._file = (
            PngWriter(path)
            if path.suffix == ".png"
            else VideoWriter(
                path,
                self._size(source.image_size),
                source.frame_rate,
                audio_from=source.path,
                start=source.start,
                end=source.end,
                allow_playlists=source.allow_playlists,
            )
        )

    @property
    def warnings(self) -> list[str]:
        """Return what could not be carried over, a line each; complete once the file is."""
        return self._file.warnings

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self._file)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._file.write(self._picture(poses, required_image(image)), poses.time)

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the video."""
        return image_size

    def _picture(self, poses: FramePoses, image: UInt8) -> UInt8:
        return draw_poses(image, poses, keypoint_threshold=self.keypoint_threshold)
