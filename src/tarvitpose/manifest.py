"""What the results of a run were made of, and what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tarvitpose import __version__
from tarvitpose.config import Config, PredictConfig, parse_config
from tarvitpose.config_words import option_name
from tarvitpose.errors import OutputError
from tarvitpose.files import replace_when_done
from tarvitpose.frame_source import FrameSource
from tarvitpose.image_source import ImagesSource
from tarvitpose.json_file import read_json
from tarvitpose.model.weights import CONFIG_FILE, WEIGHTS_FILE, find_folder

WITHOUT_EFFECT = {"output", "overwrite", "resume"}  # on what the results hold


class FileFacts(Config):
    """A file, or a folder of files as one."""

    bytes: int
    sha256: str  # as `sha256sum` prints it; of several files that of a list of names and sums


class SourceFacts(FileFacts):
    """The file or folder that frames came from."""

    path: str  # absolute
    modified: int  # nanoseconds since 1970, of the newest file


class Result(Config):
    """What came out of a finished run."""

    frames: int
    people: int  # most in one frame
    tracks: int
    seconds: float
    warnings: tuple[str, ...]
    files: dict[str, FileFacts]  # by name


class Manifest(Config):
    """All that the results of one video depend on, and once they are there what they are."""

    tarvitpose: str
    source: SourceFacts | None  # None: a webcam or a stream, which nobody can read again
    weights: dict[str, str]  # SHA-256 by file
    options: dict[str, Any]
    result: Result | None = None

    def difference(self, now: Manifest) -> str | None:
        """Say in one sentence what another run would do differently, None if nothing."""
        if self.tarvitpose != now.tarvitpose:
            return f"made by tarvitpose {self.tarvitpose}, this is {now.tarvitpose}"
        for key in sorted(self.options.keys() | now.options.keys()):
            before, after = self.options.get(key), now.options.get(key)
            if before != after:
                was, now_is = _shown(before), _shown(after)
                return f"made with another option ({option_name(key)} was {was}, now {now_is})"
        if self.weights != now.weights:
            return "made with other weights of the same name"
        if self.source is None or now.source is None or self.source.sha256 != now.source.sha256:
            return "made from a video that has changed since"
        return None


def read_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises OutputError in one line."""
    values = read_json(path, OutputError)
    if not isinstance(values, dict):
        raise OutputError(f"{path}: expected an object, found {type(values).__name__}")
    return parse_config(Manifest, values, str(path))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all. Raises OutputError."""
    with replace_when_done(path) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def describe(
    frames: FrameSource, config: PredictConfig, known: SourceFacts | None = None
) -> Manifest:
    """Return what a run depends on. Raises UserError for weights or boxes that are not there.

    The content of a source of the same size and date as a `known` one is not read again.
    """
    folder = find_folder(config.weights)
    is_plain = (folder / WEIGHTS_FILE).is_file()
    parts = [folder / CONFIG_FILE, folder / WEIGHTS_FILE] if is_plain else folder.iterdir()
    options = config.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    if config.boxes is not None:  # wherever it lies
        options["boxes"] = f"SHA-256 {digest(config.boxes)}"
    return Manifest(
        tarvitpose=__version__,
        source=source_facts(frames, known),
        weights={path.name: digest(path) for path in sorted(parts) if path.is_file()},
        options=options,
    )


def source_files(frames: FrameSource) -> list[Path]:
    """Return the video file or the images of a source, nothing for a webcam or a stream."""
    if isinstance(frames, ImagesSource):
        return frames.images
    return [] if frames.path is None else [frames.path]


def source_facts(frames: FrameSource, known: SourceFacts | None = None) -> SourceFacts | None:
    """Return what tells a file or the images of a folder from all others, None for a stream."""
    files = source_files(frames)
    if not files:
        return None
    states = [path.stat() for path in files]
    size, modified = sum(s.st_size for s in states), max(s.st_mtime_ns for s in states)
    is_known = known is not None and (known.bytes, known.modified) == (size, modified)
    path = (frames.path or files[0].parent).absolute()
    return SourceFacts(
        path=str(path),
        bytes=size,
        modified=modified,
        sha256=known.sha256 if known is not None and is_known else digest_of(files),
    )


def file_facts(path: Path) -> FileFacts:
    """Return size and SHA-256 of a file, or of all files in a folder. Raises OutputError."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return FileFacts(bytes=sum(one.stat().st_size for one in files), sha256=digest_of(files))


def digest_of(files: Iterable[Path]) -> str:
    """Return the SHA-256 of one file, or of a list of the names and SHA-256 of several."""
    files = list(files)
    if len(files) == 1:
        return digest(files[0])
    lines = "".join(f"{digest(path)}  {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, which is read once as long as it stays as it is.

    Raises OutputError if it cannot be read.
    """
    try:
        state = path.stat()
        return _digest(path.absolute(), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror})") from None


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
