"""What every labelled data set is read into, whatever its layout.   Axes: J joints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.errors import DataError
from tarvitpose.results import Float32
from tarvitpose.skeleton import JointSet

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Record:
    """One labelled person in one frame. Nothing can change it: its arrays are read-only copies."""

    name: str  # unique and readable, for error messages: "lspet/im00155#155"
    frames: tuple[Path, ...]  # the images of the whole video in order; one for a still
    current: int  # position in `frames` of the labelled frame
    box: Box  # xyxy in pixels of the frame, may reach outside it
    keypoints: Float32  # (J, 2), x and y in pixels of the frame; 0, 0 where not labelled
    visible: Float32  # (J,), 1 where a joint is labelled, else 0

    def __post_init__(self) -> None:
        if not 0 <= self.current < len(self.frames):
            raise DataError(
                f"{self.name}: the labelled frame is number {self.current} of {len(self.frames)}"
            )
        object.__setattr__(self, "keypoints", _read_only(self.keypoints))
        object.__setattr__(self, "visible", _read_only(self.visible))


def _read_only(values: ArrayLike) -> Float32:
    array = np.array(values, np.float32)
    array.flags.writeable = False
    return array


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object. Raises DataError naming the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such annotation file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable JSON ({error})") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object with keys, found {type(content).__name__}")
    return content


def required(entry: dict[str, Any], key: str, where: str) -> Any:
    """Return a field of an entry. Raises DataError that names the place and the field."""
    try:
        return entry[key]
    except (KeyError, TypeError):
        raise DataError(f"{where}: {key} is missing") from None


def joint_names(content: dict[str, Any], path: Path) -> list[str]:
    """Return the names of the file's joints, in the file's order. Raises DataError."""
    categories = required(content, "categories", str(path))
    if not categories:
        raise DataError(f"{path}: categories is empty, so the joints have no names")
    return list(required(categories[0], "keypoints", f"{path}: categories[0]"))


def in_joint_order(
    values: Sequence[float], names: Sequence[str], joints: JointSet, where: str
) -> tuple[Float32, Float32]:
    """Turn a flat list of x, y, v into keypoints (J, 2) and visible (J,), mapped by name.

    A joint that the file does not know, or marks with v = 0, is 0, 0 and not visible.
    Raises DataError when the list does not fit the names.
    """
    if len(values) != 3 * len(names):
        raise DataError(f"{where}: keypoints has {len(values)} numbers, expected {3 * len(names)}")
    try:
        points = np.array(values, np.float32).reshape(-1, 3)
    except (TypeError, ValueError):
        raise DataError(f"{where}: keypoints must be numbers, found {values}") from None
    keypoints = np.zeros((len(joints), 2), np.float32)
    visible = np.zeros(len(joints), np.float32)
    for target, name in enumerate(joints.joints):
        if name in names:
            x, y, v = points[names.index(name)]
            if v > 0 and np.isfinite([x, y]).all():
                keypoints[target], visible[target] = (x, y), 1
    return keypoints, visible


def box_of(entry: dict[str, Any], where: str) -> Box:
    """Return the xyxy box of an entry's `bbox`, xywh. Raises DataError."""
    values = required(entry, "bbox", where)
    try:
        x, y, width, height = map(float, values)
    except (TypeError, ValueError):
        raise DataError(f"{where}: bbox must be x, y, width, height, found {values}") from None
    if not (width > 0 and height > 0):
        raise DataError(f"{where}: bbox {values} has no area")
    return x, y, x + width, y + height


def read_image(path: Path, record: str) -> NDArray[np.uint8]:
    """Read an RGB image (height, width, 3). Raises DataError naming the file and the record."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read for {record} ({error.strerror})") from None
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if image is None:
        raise DataError(f"{path}: not an image that OpenCV can decode, needed for {record}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
