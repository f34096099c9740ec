"""Results from disk: what `predict` wrote, and files of the same formats that others wrote."""

from __future__ import annotations

from pathlib import Path

from tarvitpose.errors import DataError
from tarvitpose.formats.build import finished
from tarvitpose.formats.coco_reader import read_coco, read_results
from tarvitpose.formats.mmpose_reader import read_mmpose
from tarvitpose.formats.npz_reader import read_npz
from tarvitpose.formats.openpose_reader import read_one, read_openpose
from tarvitpose.formats.table_reader import read_csv, read_parquet
from tarvitpose.results import FramePoses
from tarvitpose.utils.json_file import Entry, read_entry

__all__ = ["load_poses"]

KNOWN = "a folder of OpenPose files, or a file .json, .csv, .parquet or .npz"


def load_poses(path: str | Path) -> list[FramePoses]:
    """Return every frame of a result of `predict`, by index.

    JSON is COCO's, PoseTrack18's, MMPose's or OpenPose's, as its fields tell. What a file does
    not tell is NaN, a track id of -1, an image size of (0, 0). Raises DataError, a UserError, in
    one line for what is none of these, and MissingDependencyError without pyarrow for Parquet.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    return finished(path, _read(path))


def _read(path: Path) -> list[FramePoses]:
    if path.is_dir():
        return read_openpose(path)
    match path.suffix.lower():
        case ".json":
            return _read_json(read_entry(path))
        case ".csv":
            return read_csv(path)
        case ".parquet":
            return read_parquet(path)
        case ".npz":
            return read_npz(path)
    raise DataError(f"{path}: expected {KNOWN}")


def _read_json(content: Entry) -> list[FramePoses]:
    """Tell the layouts apart by their fields."""
    value = content.value
    first = value[0] if isinstance(value, list) and value else value
    fields = first if isinstance(first, dict) else {}
    if "instance_info" in fields or "instances" in fields:
        return read_mmpose(content)
    if "images" in fields:
        return read_coco(content)
    if "people" in fields:
        return read_one(content)
    if "image_id" in fields and "keypoints" in fields:
        return read_results(content)
    if "annolist" in fields:
        raise DataError(f"{content.where}: is of PoseTrack17; only the layout of 2018 can be read")
    raise DataError(f"{content.where}: expected the JSON of COCO, PoseTrack18, MMPose or OpenPose")
