"""The manifest of a run: what its results depend on, and checksums of the results."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tarvitpose import __version__
from tarvitpose.config import PredictConfig
from tarvitpose.errors import OutputError
from tarvitpose.utils.config_base import LARGEST_ID, Config
from tarvitpose.utils.config_files import parse_config
from tarvitpose.utils.config_messages import option_name
from tarvitpose.utils.hashing import file_digest, files_digest, files_in
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.provenance import Facts, read_facts
from tarvitpose.utils.source_names import printable
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.image_source import ImagesSource
from tarvitpose.weights.folder import weights_digests

WITHOUT_EFFECT = {"output", "overwrite", "resume", "show"}  # on what the results hold
Count = Annotated[int, Field(ge=0, le=LARGEST_ID)]


class FileFacts(Config):
    """A file, or a folder of files as one."""

    bytes: Count
    sha256: str  # as `sha256sum` prints it; of several files that of a list of names and sums


class SourceFacts(FileFacts):
    """The file or folder that frames came from."""

    path: str  # absolute
    modified: Count  # nanoseconds since 1970, of the newest file


class RunResult(Config):
    """The results of a finished run."""

    frames: Count
    people: Count  # most in one frame
    tracks: Count
    seconds: float = Field(ge=0, le=LARGEST_ID)
    warnings: tuple[str, ...]
    precision: str = ""  # of the network; runs before version 0.13 did not say
    files: dict[str, FileFacts]  # by name


class Manifest(Config):
    """All that the results of one video depend on, and in the end what came out."""

    tarvitpose: str
    source: SourceFacts | None  # None: a webcam or a stream, which cannot be read again
    weights: dict[str, str]  # SHA-256 by file
    options: dict[str, Any]
    result: RunResult | None = None

    @property
    def facts(self) -> Facts:
        """What another run must share to have the same results."""
        return {
            "tarvitpose": self.tarvitpose,
            **{option_name(key): value for key, value in self.options.items()},
            "weights": self.weights,
            "video": None if self.source is None else self.source.sha256,
        }


def read_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises OutputError in one line."""
    values = read_facts(path)
    if values is None:
        raise OutputError(f"{path}: no such file")
    return parse_config(Manifest, values, str(path))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all. Raises OutputError."""
    write_json(path, manifest.model_dump(mode="json"))


def describe(
    frames: FrameSource, config: PredictConfig, known: SourceFacts | None = None
) -> Manifest:
    """Return what a run depends on. Raises UserError for weights or boxes that are missing.

    The content of a source of the same size and date as a `known` one is not read again.
    """
    options = config.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    if config.boxes is not None:  # its path does not matter
        options["boxes"] = f"SHA-256 {file_digest(config.boxes)}"
    elif Path(config.detector).is_dir():
        options["detector"] = f"SHA-256 {files_digest(files_in(Path(config.detector)))}"
    return Manifest(
        tarvitpose=__version__,
        source=source_facts(frames, known),
        weights=weights_digests(config.weights),
        options=options,
    )


def source_files(frames: FrameSource) -> list[Path]:
    """Return the video file or the images of a source, nothing for a webcam or a stream."""
    if isinstance(frames, ImagesSource):
        return frames.images
    return [] if frames.path is None else [frames.path]


def source_facts(frames: FrameSource, known: SourceFacts | None = None) -> SourceFacts | None:
    """Return the facts that identify a file or the images of a folder, None for a stream."""
    files = source_files(frames)
    if not files:
        return None
    states = [path.stat() for path in files]
    size, modified = sum(s.st_size for s in states), max(s.st_mtime_ns for s in states)
    is_known = known is not None and (known.bytes, known.modified) == (size, modified)
    path = (frames.path or files[0].parent).absolute()
    return SourceFacts(
        path=printable(str(path)),
        bytes=size,
        modified=modified,
        sha256=known.sha256 if known is not None and is_known else files_digest(files),
    )


def file_facts(path: Path) -> FileFacts:
    """Return size and SHA-256 of a file, or of all files in a folder. Raises OutputError."""
    files = files_in(path)
    return FileFacts(bytes=sum(file.stat().st_size for file in files), sha256=files_digest(files))
