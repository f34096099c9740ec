"""The long table of CSV as Parquet, for data frames and databases, with all digits."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import image_size
from tarvitpose.formats.file_writer import PoseWriter, json_text, origin
from tarvitpose.formats.table import INTEGER_COLUMNS, as_integer, columns_to_read, read_rows
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.json_file import Entry
from tarvitpose.utils.optional import require
from tarvitpose.utils.reading import check_unpacked_size, readable
from tarvitpose.video.frame_source import FrameSource

ROWS = 1 << 16  # of a row group: how many rows are held in memory
TYPES = {"frame": "int64", "time_s": "float64", "track_id": "int64", "joint": "string"}
METADATA_KEY = b"tarvitpose"  # of the JSON in the schema's metadata


class ParquetWriter(PoseWriter):
    """Write the columns of CsvWriter with all digits, in groups of rows.

    The schema's metadata hold the joints, the image size and the origin of the file.
    """

    def __init__(self, path: Path, source: FrameSource, weights: str = "") -> None:
        super().__init__(path)
        self.source, self.weights = source, weights
        self._batches: list[Any] = []
        self._rows = 0

    def _start(self, stack: ExitStack) -> None:
        self._pyarrow = require("pyarrow", "--format parquet", "parquet")
        self._parquet = require("pyarrow.parquet", "--format parquet", "parquet")
        temporary = stack.enter_context(atomic_file(self.path))
        self._file = stack.enter_context(temporary.open("wb"))

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        columns = poses.to_columns()
        if not self._frames:
            schema = self._schema(poses, list(columns))
            self._table = self._stack.enter_context(
                self._parquet.ParquetWriter(self._file, schema, compression="zstd")
            )
        self._batches.append(
            self._pyarrow.RecordBatch.from_pydict(columns, schema=self._table.schema)
        )
        self._rows += self._batches[-1].num_rows
        if self._rows >= ROWS:
            self._write_group()

    def _end(self) -> None:
        if self._batches:
            self._write_group()

    def _write_group(self) -> None:
        self._table.write_table(
            self._pyarrow.Table.from_batches(self._batches), row_group_size=self._rows
        )
        self._batches, self._rows = [], 0

    def _schema(self, poses: FramePoses, names: list[str]) -> Any:
        height, width = poses.image_size
        metadata = {"joints": poses.joint_names, "height": height, "width": width}
        metadata |= origin(self.source, self.weights)
        types = [(name, getattr(self._pyarrow, TYPES.get(name, "float32"))()) for name in names]
        return self._pyarrow.schema(types, metadata={METADATA_KEY: json_text(metadata).encode()})


def read_parquet(path: Path) -> list[FramePoses]:
    """Return the frames of a Parquet table, which has no boxes.

    Raises DataError, or MissingDependencyError without pyarrow.
    """
    types = require("pyarrow.types", str(path), "parquet")
    parquet = require("pyarrow.parquet", str(path), "parquet")
    with readable(path, "Parquet"), parquet.ParquetFile(path) as file:
        check_unpacked_size(path, 8 * file.metadata.num_rows * file.metadata.num_columns)
        schema = file.schema_arrow
        columns = columns_to_read(path, schema.names)
        _check_types(path, {name: schema.field(name).type for name in columns}, types)
        metadata = Entry(f"{path}: metadata", json.loads(_metadata(schema)))
        batches = [*file.iter_batches(columns=columns)]
        for batch in batches:
            batch.validate(full=True)  # so that all values can be turned into Python's
    rows = (
        row
        for batch in batches
        for row in zip(*(_values(path, name, batch.column(name)) for name in columns), strict=True)
    )
    joints = metadata.get("joints")
    names = () if joints is None else tuple(name.text() for name in joints.items())
    return read_rows(path, rows, names, image_size(metadata))


def _metadata(schema: Any) -> bytes:
    content: bytes = (schema.metadata or {}).get(METADATA_KEY, b"{}")
    return content


def _check_types(path: Path, columns: dict[str, Any], types: Any) -> None:
    """Raise DataError for a column of another type than the writer's, or what pandas makes of it.

    pandas stores integers as floats where some are missing, and categories as dictionaries.
    """
    for name, kind in columns.items():
        if types.is_dictionary(kind):
            kind = kind.value_type  # noqa: PLW2901
        if name == "joint":
            expected, fits = "texts", types.is_string(kind) or types.is_large_string(kind)
        else:
            expected, fits = "numbers", types.is_integer(kind) or types.is_floating(kind)
        if not fits and not types.is_null(kind):
            raise DataError(f"{path}: {name}: expected {expected}, found a column of {kind}")


def _values(path: Path, name: str, column: Any) -> list[Any]:
    """Return the values of a column; whole numbers are None where they are missing."""
    values: list[Any] = column.to_pylist()
    if name not in INTEGER_COLUMNS:
        return values
    missing = column.is_null(nan_is_null=True).to_pylist()
    return [
        None if is_missing else as_integer(str(path), name, value, value)
        for value, is_missing in zip(values, missing, strict=True)
    ]
