"""Results on disk: one file a module, each whole or not there."""

from __future__ import annotations

from pathlib import Path

from tarvitpose.config import PredictConfig
from tarvitpose.errors import OutputError
from tarvitpose.frame_source import FrameSource
from tarvitpose.writers.base import PoseWriter
from tarvitpose.writers.coco import CocoWriter
from tarvitpose.writers.contact_sheet import ContactSheetWriter, contact_sheet
from tarvitpose.writers.overlay import OverlayWriter
from tarvitpose.writers.table import CsvWriter

__all__ = [
    "FORMATS",
    "CocoWriter",
    "ContactSheetWriter",
    "CsvWriter",
    "OverlayWriter",
    "PoseWriter",
    "contact_sheet",
    "open_writer",
    "output_paths",
]

FORMATS = ("coco", "csv")
ENDINGS = {
    "coco": ".coco.json",
    "csv": ".csv",
    "overlay": ".mp4",
    "contact_sheet": ".contact.png",
}


def output_paths(source: FrameSource, config: PredictConfig) -> dict[str, Path]:
    """Return what a run writes: the formats asked for, "overlay" and "contact_sheet".

    Raises OutputError for an unknown format, and where a result would replace the source.
    """
    for name in config.formats:
        if name not in FORMATS:
            raise OutputError(f"{name}: unknown format; available are {', '.join(FORMATS)}")
    kinds = [*config.formats]
    kinds += ["overlay"] if config.render else []
    kinds += ["contact_sheet"] if config.contact_sheet else []
    paths = {kind: config.output / f"{source.name}{ENDINGS[kind]}" for kind in kinds}
    for path in paths.values():
        if source.path is not None and path.exists() and path.samefile(source.path):
            raise OutputError(f"{path}: is the source itself; choose another folder for results")
    return paths


def open_writer(kind: str, path: Path, source: FrameSource, config: PredictConfig) -> PoseWriter:
    """Return the writer of one file of `output_paths`; it starts when its `with` block does.

    Raises OutputError for an unknown kind.
    """
    threshold = config.keypoint_threshold
    match kind:
        case "coco":
            return CocoWriter(path, source, config.weights)
        case "csv":
            return CsvWriter(path)
        case "overlay":
            return OverlayWriter(path, source, keypoint_threshold=threshold)
        case "contact_sheet":
            return ContactSheetWriter(path, keypoint_threshold=threshold)
    raise OutputError(f"{kind}: unknown format; available are {', '.join(ENDINGS)}")
