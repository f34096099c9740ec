"""Choose the writers of results: one module for each format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tarvitpose.config import POSE_FORMATS, PredictConfig
from tarvitpose.errors import OutputError
from tarvitpose.formats.angles_table import AnglesWriter
from tarvitpose.formats.coco import CocoWriter
from tarvitpose.formats.comparison import ComparisonWriter
from tarvitpose.formats.contact_sheet import ContactSheetWriter
from tarvitpose.formats.file_writer import PoseWriter
from tarvitpose.formats.mmpose import MmposeWriter
from tarvitpose.formats.npz import NpzWriter
from tarvitpose.formats.openpose import OpenposeWriter, require_openpose_folder
from tarvitpose.formats.overlay import OverlayWriter
from tarvitpose.formats.parquet import ParquetWriter
from tarvitpose.formats.posetrack import PosetrackWriter
from tarvitpose.formats.table import CsvWriter
from tarvitpose.utils.optional import require
from tarvitpose.video.frame_source import FrameSource

ENDINGS = {
    "coco": ".coco.json",
    "posetrack": ".posetrack.json",
    "openpose": ".openpose",  # a folder
    "mmpose": ".mmpose.json",
    "csv": ".csv",
    "parquet": ".parquet",
    "npz": ".npz",
    "overlay": ".mp4",
    "compare": ".compare.mp4",
    "contact_sheet": ".contact.png",
    "angles": ".angles.csv",
    "angles_parquet": ".angles.parquet",
}

PICTURE_ENDINGS = {"overlay": ".png", "compare": ".compare.png"}


def output_paths(source: FrameSource, config: PredictConfig) -> dict[str, Path]:
    """Return the path of each result: of the formats, "overlay", "compare" and so on.

    Raises OutputError for an unknown format, and where a result would replace the source or
    another folder; MissingDependencyError where a format needs a package that is not installed.
    """
    for name in config.formats:
        if name not in POSE_FORMATS:
            raise OutputError(f"{name}: unknown format; available are {', '.join(POSE_FORMATS)}")
    if "parquet" in config.formats:
        require("pyarrow", "--format parquet", "parquet")
    wanted = {
        "overlay": config.render,
        "compare": config.compare,
        "contact_sheet": config.contact_sheet,
        "angles": config.angles,
        "angles_parquet": config.angles and "parquet" in config.formats,
    }
    kinds = [*config.formats, *(kind for kind, is_wanted in wanted.items() if is_wanted)]
    endings = {**ENDINGS, **PICTURE_ENDINGS} if source.is_picture else ENDINGS
    paths = {kind: config.output / f"{source.name}{endings[kind]}" for kind in kinds}
    for path in paths.values():
        if source.path is not None and path.exists() and path.samefile(source.path):
            raise OutputError(f"{path}: is the source itself; choose another output folder")
    if "openpose" in paths:
        require_openpose_folder(paths["openpose"])
    return paths


def open_writers(
    files: dict[str, Path], source: FrameSource, config: PredictConfig
) -> list[PoseWriter]:
    """Return the writers of all files of `output_paths`; one computes the angles for its two."""
    alone = {kind: path for kind, path in files.items() if not kind.startswith("angles")}
    writers = [open_writer(kind, path, source, config) for kind, path in alone.items()]
    angles = [path for kind, path in files.items() if kind not in alone]
    if angles:
        writers.append(AnglesWriter(*angles, keypoint_threshold=config.keypoint_threshold))
    return writers


def open_writer(kind: str, path: Path, source: FrameSource, config: PredictConfig) -> PoseWriter:
    """Return the writer of a file, but of angles; the file is started by its `with` block.

    Raises OutputError for an unknown kind.
    """
    drawing: dict[str, Any] = {
        "keypoint_threshold": config.keypoint_threshold,
        "colors": config.colors,
    }
    openers: dict[str, Callable[[], PoseWriter]] = {
        "coco": lambda: CocoWriter(path, source, config.weights),
        "posetrack": lambda: PosetrackWriter(path, source, config.weights),
        "openpose": lambda: OpenposeWriter(path, source),
        "mmpose": lambda: MmposeWriter(path),
        "csv": lambda: CsvWriter(path),
        "parquet": lambda: ParquetWriter(path, source, config.weights),
        "npz": lambda: NpzWriter(path),
        "overlay": lambda: OverlayWriter(path, source, angles=config.angles, **drawing),
        "compare": lambda: ComparisonWriter(path, source, angles=config.angles, **drawing),
        "contact_sheet": lambda: ContactSheetWriter(path, **drawing),
    }
    if kind not in openers:
        raise OutputError(f"{kind}: unknown format; available are {', '.join(ENDINGS)}")
    return openers[kind]()
