"""What every labelled data set is read into, whatever its layout.   Axes: J joints."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.data.video_frames import image_file, read_frame
from tarvitpose.errors import DataError
from tarvitpose.utils.arrays import Bools, Float32, UInt8
from tarvitpose.utils.images import decode_image
from tarvitpose.utils.reading import file_bytes, reason_of

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Record:
    """One labelled person in one frame. Nothing can change it: its arrays are read-only copies."""

    name: str  # unique and readable, for error messages: "lspet/im00155#155"
    frames: tuple[Path, ...]  # the images of the whole video in order; one for a still
    current: int  # position in `frames` of the labelled frame
    box: Box  # xyxy in pixels of the frame, may reach outside it
    keypoints: Float32  # (J, 2), x and y in pixels of the frame; 0, 0 where not labelled
    visible: Float32  # (J,), 1 where a joint is labelled, less where it is trusted less, else 0

    @property
    def labelled(self) -> Bools:
        """Which joints have a label, however far it is trusted, (J,)."""
        return self.visible > 0

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


def read_image(path: Path, record: str) -> UInt8:
    """Read an RGB image (height, width, 3). Raises DataError naming the file and the record."""
    if image_file(path) != path:
        return read_frame(path, record)
    try:
        image = decode_image(file_bytes(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read for {record} ({reason_of(error)})") from None
    if image is None:
        raise DataError(f"{path}: not an image that OpenCV can decode, needed for {record}")
    return image
