"""TRC, the marker file of OpenSim, Pose2Sim and Sports2D: one person in a plane, z is 0."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tarvitpose.formats.file_writer import open_text
from tarvitpose.formats.motion import TrackMotion


def write_trc(path: Path, motion: TrackMotion) -> None:
    """Write a person's joints as markers; cells of joints that are not seen are empty.

    Times count from the video's beginning, x goes to the right, y up from the lowest joint. The
    unit is m, or px without a scale, which OpenSim does not know. Raises OutputError.
    """
    markers, frames = motion.joint_names, len(motion.times)
    rate = f"{motion.frame_rate:.6g}"
    axes = [f"{axis}{number}" for number in range(1, len(markers) + 1) for axis in "XYZ"]
    header = (
        ["PathFileType", "4", "(X/Y/Z)", path.name],
        [
            *("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units"),
            *("OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"),
        ],
        [rate, rate, f"{frames}", f"{len(markers)}", motion.unit, rate, "1", f"{frames}"],
        ["Frame#", "Time", *(cell for marker in markers for cell in (marker, "", ""))],
        ["", "", *axes],
    )
    with ExitStack() as stack:
        file = open_text(path, stack)
        file.writelines("\t".join(line) + "\n" for line in header)
        for number, (time, points) in enumerate(
            zip(motion.times, motion.keypoints, strict=True), 1
        ):
            cells = [cell for point in points.tolist() for cell in _cells(point, motion.digits)]
            file.write("\t".join([f"{number}", f"{time:.6f}", *cells]) + "\n")


def _cells(point: list[float], digits: int) -> list[str]:
    """Return x, y and z of a marker, three empty cells where it is not seen."""
    if not np.isfinite(point).all():
        return ["", "", ""]
    return [f"{value:.{digits}f}" for value in (*point, 0.0)]
