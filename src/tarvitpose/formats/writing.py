"""Results on disk: one format a module, each file whole or not there."""

from __future__ import annotations

from pathlib import Path

from tarvitpose.config import POSE_FORMATS, PredictConfig
from tarvitpose.errors import OutputError
from tarvitpose.formats.base import PoseWriter
from tarvitpose.formats.coco import CocoWriter
from tarvitpose.formats.comparison import ComparisonWriter
from tarvitpose.formats.contact_sheet import ContactSheetWriter, contact_sheet
from tarvitpose.formats.mmpose import MmposeWriter
from tarvitpose.formats.npz import NpzWriter
from tarvitpose.formats.openpose import OpenposeWriter, refuse_other
from tarvitpose.formats.overlay import OverlayWriter
from tarvitpose.formats.parquet import ParquetWriter
from tarvitpose.formats.posetrack import PosetrackWriter
from tarvitpose.formats.table import CsvWriter
from tarvitpose.formats.table_reader import load_pyarrow
from tarvitpose.video.frame_source import FrameSource

__all__ = [
    "CocoWriter",
    "ComparisonWriter",
    "ContactSheetWriter",
    "CsvWriter",
    "MmposeWriter",
    "NpzWriter",
    "OpenposeWriter",
    "OverlayWriter",
    "ParquetWriter",
    "PoseWriter",
    "PosetrackWriter",
    "contact_sheet",
    "open_writer",
    "output_paths",
]

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
}
OF_PICTURES = {"overlay": ".png", "compare": ".compare.png"}


def output_paths(source: FrameSource, config: PredictConfig) -> dict[str, Path]:
    """Return what a run writes: the formats asked for, "overlay", "compare", "contact_sheet".

    Raises OutputError for an unknown format, and where a result would replace the source or
    another folder; MissingDependencyError where a format needs a package that is not there.
    """
    for name in config.formats:
        if name not in POSE_FORMATS:
            raise OutputError(f"{name}: unknown format; available are {', '.join(POSE_FORMATS)}")
    if "parquet" in config.formats:
        load_pyarrow("--format parquet")
    kinds = [*config.formats]
    kinds += ["overlay"] if config.render else []
    kinds += ["compare"] if config.compare else []
    kinds += ["contact_sheet"] if config.contact_sheet else []
    endings = {**ENDINGS, **OF_PICTURES} if source.is_picture else ENDINGS
    paths = {kind: config.output / f"{source.name}{endings[kind]}" for kind in kinds}
    for path in paths.values():
        if source.path is not None and path.exists() and path.samefile(source.path):
            raise OutputError(f"{path}: is the source itself; choose another folder for results")
    if "openpose" in paths:
        refuse_other(paths["openpose"])
    return paths


def open_writer(kind: str, path: Path, source: FrameSource, config: PredictConfig) -> PoseWriter:
    """Return the writer of one file of `output_paths`; it starts when its `with` block does.

    Raises OutputError for an unknown kind.
    """
    threshold = config.keypoint_threshold
    writer: PoseWriter
    match kind:
        case "coco":
            writer = CocoWriter(path, source, config.weights)
        case "posetrack":
            writer = PosetrackWriter(path, source, config.weights)
        case "openpose":
            writer = OpenposeWriter(path, source)
        case "mmpose":
            writer = MmposeWriter(path)
        case "csv":
            writer = CsvWriter(path)
        case "parquet":
            writer = ParquetWriter(path, source, config.weights)
        case "npz":
            writer = NpzWriter(path)
        case "overlay" | "compare":
            drawing = OverlayWriter if kind == "overlay" else ComparisonWriter
            writer = drawing(path, source, keypoint_threshold=threshold)
        case "contact_sheet":
            writer = ContactSheetWriter(path, keypoint_threshold=threshold)
        case _:
            raise OutputError(f"{kind}: unknown format; available are {', '.join(ENDINGS)}")
    return writer
