"""The limits of what the page takes."""

from dataclasses import dataclass
from pathlib import Path

from tarvitpose.errors import UserError, VideoError
from tarvitpose.video.image_source import ImagesSource
from tarvitpose.video.sources import open_source


@dataclass(frozen=True)
class Upload:
    """What is known of a visitor's video."""

    name: str
    seconds: float | None  # None: recorded by a browser that does not write it
    image_size: tuple[int, int]  # (height, width)

    def __str__(self) -> str:
        height, width = self.image_size
        length = "" if self.seconds is None else f", {self.seconds:.1f} s"
        return f"{self.name}: {width} × {height}{length}"


@dataclass(frozen=True)
class Limits:
    """The largest and the longest video that is taken."""

    megabytes: float
    seconds: float

    def check(self, path: Path) -> Upload:
        """Examine a video. Raises UserError in one line that names the file without its folder."""
        size = path.stat().st_size / 2**20 if path.exists() else 0.0
        if size > self.megabytes:
            raise VideoError(
                f"{path.name} has {size:.0f} MB, at most {self.megabytes:g} MB are taken here: "
                "make it smaller or cut it"
            )
        try:
            upload = _examine(path)
        except UserError as error:
            raise VideoError(nameless(error, path.parent)) from None
        if upload.seconds is not None and upload.seconds > self.seconds:
            raise VideoError(
                f"{path.name} lasts {upload.seconds:.0f} s, at most {self.seconds:g} s are taken "
                "here: cut it, or use tarvitpose predict"
            )
        return upload


def _examine(path: Path) -> Upload:
    with open_source(path) as frames:
        if isinstance(frames, ImagesSource):
            raise VideoError(f"{path}: a picture, expected a video")
        count = frames.frame_count
        seconds = None if count is None else count / frames.frame_rate
        return Upload(path.name, seconds, frames.image_size)


def nameless(error: Exception, *folders: Path) -> str:
    """Return the text of an error without the folders on the server where files lie.

    >>> nameless(VideoError("/tmp/a/dance.mp4: the file is empty"), Path("/tmp/b"), Path("/tmp/a"))
    'dance.mp4: the file is empty'
    """
    text = str(error)
    for folder in folders:
        text = text.replace(f"{folder}/", "")
    return text
