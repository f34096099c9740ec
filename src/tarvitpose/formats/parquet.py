"""The long table of CSV as Parquet, for data frames and databases, with all digits."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tarvitpose.formats.base import FileWriter, json_text, origin
from tarvitpose.formats.table_reader import ABOUT, load_pyarrow
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.video.frame_source import FrameSource

ROWS = 1 << 16  # of a row group: how many rows are held in memory
KINDS = {"frame": "int64", "time_s": "float64", "track_id": "int64", "joint": "string"}


class ParquetWriter(FileWriter):
    """Write the columns of CsvWriter, numbers as they are, in groups of rows.

    The joints, the image's size and where the file comes from stand in the schema's metadata.
    """

    def __init__(self, path: Path, source: FrameSource, weights: str = "") -> None:
        super().__init__(path)
        self.source, self.weights = source, weights
        self._batches: list[Any] = []
        self._rows = 0

    def _start(self, stack: ExitStack) -> None:
        self._pyarrow, self._parquet = load_pyarrow("--format parquet")
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

    def _finish(self) -> None:
        if self._batches:
            self._write_group()

    def _write_group(self) -> None:
        self._table.write_table(
            self._pyarrow.Table.from_batches(self._batches), row_group_size=self._rows
        )
        self._batches, self._rows = [], 0

    def _schema(self, poses: FramePoses, names: list[str]) -> Any:
        height, width = poses.image_size
        about = {"joints": poses.joint_names, "height": height, "width": width}
        about |= origin(self.source, self.weights)
        kinds = [(name, getattr(self._pyarrow, KINDS.get(name, "float32"))()) for name in names]
        return self._pyarrow.schema(kinds, metadata={ABOUT: json_text(about).encode()})
