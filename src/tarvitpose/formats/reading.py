"""Read results of `predict`, and files of the same formats that other tools wrote."""

from pathlib import Path

from tarvitpose.errors import DataError
from tarvitpose.formats.coco import read_coco, read_results
from tarvitpose.formats.file_reader import in_order
from tarvitpose.formats.label_studio import read_label_studio
from tarvitpose.formats.mmpose import read_mmpose
from tarvitpose.formats.npz import read_npz
from tarvitpose.formats.openpose import read_openpose, read_openpose_file
from tarvitpose.formats.parquet import read_parquet
from tarvitpose.formats.table import read_csv
from tarvitpose.results import FramePoses
from tarvitpose.utils.json_file import Entry, read_entry
from tarvitpose.utils.reading import is_folder, require_file

EXPECTED = "a folder of OpenPose files, or a file .json, .csv, .parquet or .npz"


def load_poses(path: str | Path) -> list[FramePoses]:
    """Return every frame of a result of `predict`, sorted by index.

    The fields of a JSON file show whether it is COCO's, PoseTrack18's, MMPose's, OpenPose's or
    Label Studio's. A
    value that the file lacks is NaN, a track id of -1 or an image size of (0, 0). Raises DataError,
    a UserError, for any other file, and MissingDependencyError for Parquet without pyarrow.
    """
    path = Path(path)
    return in_order(path, _read(path))


def _read(path: Path) -> list[FramePoses]:
    if is_folder(path):
        return read_openpose(path)
    require_file(path, missing="no such file or folder")
    match path.suffix.lower():
        case ".json":
            return _read_json(read_entry(path))
        case ".csv":
            return read_csv(path)
        case ".parquet":
            return read_parquet(path)
        case ".npz":
            return read_npz(path)
    raise DataError(f"{path}: expected {EXPECTED}")


def _read_json(content: Entry) -> list[FramePoses]:
    """Tell the layouts apart by their fields."""
    value = content.value
    first = value[0] if isinstance(value, list) and value else value
    fields = first if isinstance(first, dict) else {}
    if "instance_info" in fields or "instances" in fields:
        return read_mmpose(content)
    if "images" in fields:
        return read_coco(content)
    if "data" in fields and ("annotations" in fields or "predictions" in fields):
        return read_label_studio(content)
    if "people" in fields:
        return read_openpose_file(content)
    if "image_id" in fields and "keypoints" in fields:
        return read_results(content)
    if "annolist" in fields:
        raise DataError(
            f"{content.where}: is PoseTrack17 JSON; only the layout of 2018 can be read"
        )
    raise DataError(f"{content.where}: expected the JSON of COCO, PoseTrack18, MMPose or OpenPose")
