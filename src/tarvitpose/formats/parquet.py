"""The long table of CSV as Parquet, for data frames and databases, with all digits."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tarvitpose.errors import DataError
from tarvitpose.formats.file_writer import PoseWriter, json_text, origin
from tarvitpose.formats.table import INTEGER_COLUMNS, columns_to_read, read_rows
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.numeric import whole_number
from tarvitpose.utils.optional import require
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
    pyarrow = require("pyarrow", str(path), "parquet")
    parquet = require("pyarrow.parquet", str(path), "parquet")
    try:
        with parquet.ParquetFile(path) as file:
            columns = columns_to_read(path, file.schema_arrow.names)
            metadata = json.loads((file.schema_arrow.metadata or {}).get(METADATA_KEY, b"{}"))
            rows = (
                row
                for batch in file.iter_batches(columns=columns)
                for row in zip(*(_values(path, batch, name) for name in columns), strict=True)
            )
            size = metadata.get("height", 0), metadata.get("width", 0)
            return read_rows(path, rows, tuple(metadata.get("joints", ())), size)
    except (OSError, ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: not readable Parquet ({str(error).splitlines()[0]})") from None


def _values(path: Path, batch: Any, name: str) -> list[Any]:
    """Return the values of a column; pandas stores integers as floats where some are missing."""
    values: list[Any] = batch.column(name).to_pylist()
    if name not in INTEGER_COLUMNS or not any(isinstance(value, float) for value in values):
        return values
    present = [None if value is None or math.isnan(value) else value for value in values]
    integers = [whole_number(value) for value in present]
    for value, integer in zip(present, integers, strict=True):
        if value is not None and integer is None:
            raise DataError(f"{path}: {name}: expected a whole number, found {value!r}")
    return integers
