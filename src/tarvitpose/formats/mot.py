"""MOT, the motion file of OpenSim: the joint angles of a person over time, in degrees."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tarvitpose.angles.series import AngleSeries
from tarvitpose.errors import DataError
from tarvitpose.formats.angles_table import ANGLE_DIGITS
from tarvitpose.formats.file_writer import open_text
from tarvitpose.formats.motion import TrackMotion

COORDINATES = {  # ours, and OpenSim's coordinate with its sign, as in the model of Rajagopal 2016
    "hip_flexion": ("hip_flexion", 1),
    "hip_abduction": ("hip_adduction", -1),
    "knee_flexion": ("knee_angle", 1),
    "ankle_dorsiflexion": ("ankle_angle", 1),
    "shoulder_flexion": ("arm_flex", 1),
    "shoulder_abduction": ("arm_add", -1),
    "elbow_flexion": ("elbow_flex", 1),
}


def write_mot(path: Path, motion: TrackMotion, series: AngleSeries) -> None:
    """Write the angles of a person, named as OpenSim's coordinates, those never known left out.

    There is a row for each frame of `motion`; what is not known is nan. Raises DataError where no
    angle is known, and OutputError.
    """
    columns = {}
    for name, degrees in series.degrees.items():
        side, _, angle = name.partition("_")
        if angle in COORDINATES and np.isfinite(degrees).any():
            coordinate, sign = COORDINATES[angle]
            column = np.full(len(motion.times), np.nan)
            column[np.searchsorted(motion.indices, series.frames)] = sign * degrees
            columns[f"{coordinate}_{side[0]}"] = column
    if not columns:
        raise DataError(f"track {motion.track_id}: no joint angle is known in any frame")
    header = [path.stem, "version=1", f"nRows={len(motion.times)}", f"nColumns={len(columns) + 1}"]
    with ExitStack() as stack:
        file = open_text(path, stack)
        file.writelines(f"{line}\n" for line in (*header, "inDegrees=yes", "endheader"))
        file.write("\t".join(["time", *columns]) + "\n")
        for time, *values in zip(motion.times, *columns.values(), strict=True):
            cells = [f"{round(value, ANGLE_DIGITS) + 0:.{ANGLE_DIGITS}f}" for value in values]
            file.write("\t".join([f"{time:.6f}", *cells]) + "\n")
