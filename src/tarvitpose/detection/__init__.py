"""People in a frame, by one of several detectors or out of a file."""

import re
from pathlib import Path

from tarvitpose.detection.boxes_file import BoxesFile
from tarvitpose.detection.protocol import Detections, Detector, keep_best
from tarvitpose.errors import BoxesError

__all__ = ["BoxesFile", "Detections", "Detector", "check_detector", "keep_best", "load_detector"]

BUILT_IN = ("nanodet", "torchvision")
AVAILABLE = (
    "nanodet, torchvision, a folder with a transformers detector, "
    "or a hub id such as PekingU/rtdetr_r50vd"
)


def load_detector(
    spec: str = "nanodet", *, threshold: float = 0.4, device: str = "cpu"
) -> Detector:
    """Load the detector that `spec` names.

    "nanodet" comes with the package, "torchvision" is Faster R-CNN; a folder or a hub id is a
    detector of the `transformers` library. `threshold` is the lowest score that counts. Raises
    BoxesError for another spec or a detector that cannot be used, and MissingDependencyError.
    """
    if spec == "nanodet":
        from tarvitpose.detection.nanodet import NanoDet  # noqa: PLC0415

        return NanoDet(threshold, device)
    if spec == "torchvision":
        from tarvitpose.detection.torchvision import FasterRCNN  # noqa: PLC0415

        return FasterRCNN(threshold, device)
    check_detector(spec)
    from tarvitpose.detection.huggingface import HuggingFaceDetector  # noqa: PLC0415

    return HuggingFaceDetector(spec, threshold, device)


def check_detector(spec: str) -> None:
    """Raise BoxesError for what names no detector, before anything large is imported."""
    if spec in BUILT_IN:
        return
    path = Path(spec)
    if spec and path.is_dir():
        return
    if path.is_file() or path.suffix == ".json":
        raise BoxesError(f"{spec}: a detector is expected, not a file; give boxes with --boxes")
    if path.is_absolute() or spec.startswith((".", "~")):
        raise BoxesError(f"{spec}: no such folder; expected {AVAILABLE}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", spec):
        raise BoxesError(f"{spec!r}: no such detector; expected {AVAILABLE}")
