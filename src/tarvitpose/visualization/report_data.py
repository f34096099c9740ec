"""The data of a report: poses from a file, and what is known of the run that wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tarvitpose.benchmark.stages import Stages, Stopwatch
from tarvitpose.errors import DataError
from tarvitpose.formats.reading import load_poses
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.manifest import (
    FileFacts,
    Manifest,
    file_facts,
    read_manifest,
    source_facts,
    source_files,
)
from tarvitpose.runs.resume import ENDING
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.visualization.tracks import known_parts, with_unwritten


class ReportObserver(Stopwatch):
    """A stopwatch that keeps the poses: files lack single frames and boxes left out."""

    def __init__(self) -> None:
        super().__init__()
        self.poses: dict[int, FramePoses] = {}  # by the frame's index

    def frame_finished(self, frame: Frame, poses: FramePoses) -> None:
        """Keep the poses of a frame."""
        self.poses[frame.index] = poses


@dataclass(frozen=True)
class ReportData:
    """One video, its poses, and what is known of how they were made."""

    name: str  # of the file or folder
    bytes: int
    frame_rate: float
    image_size: tuple[int, int]  # height, width
    poses: list[FramePoses]
    notes: tuple[str, ...]  # warnings of the run, and of what the report lacks
    manifest: Manifest | None  # of the run; None: not known
    stages: Stages | None  # None: the poses come from an earlier run
    offsets: tuple[int, ...] | None  # of the window's frames; None: not known

    @property
    def time_span(self) -> tuple[float, float]:
        """When the first frame begins and the last one ends, in seconds."""
        return self.poses[0].time, self.poses[-1].time + 1 / self.frame_rate

    @property
    def blurred_faces(self) -> bool:
        """Whether the run is known to have hidden heads in what it drew."""
        return self.manifest is not None and self.manifest.options.get("blur_faces") is True

    @property
    def files(self) -> Mapping[str, FileFacts]:
        """What the run wrote, by name."""
        return (
            {} if self.manifest is None or not self.manifest.result else self.manifest.result.files
        )


def load(
    source: FrameSource,
    results: Path,
    *,
    stages: Stages | None = None,
    offsets: tuple[int, ...] | None = None,
    seen: Mapping[int, FramePoses] | None = None,
) -> ReportData:
    """Load what a report on one result file shows. Raises UserError.

    `seen` are the poses of the run by index, with what files do not hold.
    """
    poses = load_poses(results)
    _check(poses, results, source)
    if seen:
        poses = with_unwritten(poses, seen)
    manifest, notes = _manifest_of(results, source)
    warnings = () if manifest is None or manifest.result is None else manifest.result.warnings
    if any((frame.track_ids < 0).any() for frame in poses):
        notes.append(f"{results.name} has people without a track id: they have no row")
    files = source_files(source)
    return ReportData(
        name=source.name if source.path is None else source.path.resolve().name,
        bytes=sum(path.stat().st_size for path in files),
        frame_rate=source.frame_rate,
        image_size=source.image_size,
        poses=known_parts(poses, source.frame_rate),
        notes=(*warnings, *notes),
        manifest=manifest,
        stages=stages,
        offsets=offsets,
    )


def _check(poses: list[FramePoses], results: Path, source: FrameSource) -> None:
    """Raise DataError for results that cannot be this video's."""
    sizes = {frame.image_size for frame in poses} - {(0, 0), source.image_size}
    if sizes:
        (height, width), (high, wide) = min(sizes), source.image_size
        raise DataError(
            f"{results}: has frames of {width}x{height} pixels, {source.source} has {wide}x{high}; "
            "give the video that the results are of"
        )
    if len({frame.joint_names for frame in poses if len(frame)}) > 1:
        raise DataError(f"{results}: has people with different joints; a report needs the same")


def _manifest_of(results: Path, source: FrameSource) -> tuple[Manifest | None, list[str]]:
    """Return the manifest of the run that wrote a file, and what is doubtful about it."""
    path = results.parent / f"{source.name}{ENDING}"
    if source.path is not None and results.name.startswith(f"{source.path.name}."):
        path = results.parent / f"{source.path.name}{ENDING}"  # beside another with its stem
    if not path.is_file():
        return None, [f"there is no {path.name} beside {results.name}: the run is not known"]
    manifest = read_manifest(path)
    files = {} if manifest.result is None else manifest.result.files
    if files.get(results.name) != file_facts(results):
        return None, [f"{path.name} is of other results than {results.name}: the run is not known"]
    before = manifest.source
    now = source_facts(source, before)
    if before is None or now is None or before.sha256 != now.sha256:
        return manifest, [f"{source.name} has changed since, or is another video"]
    return manifest, []
