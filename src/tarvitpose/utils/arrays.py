"""The kinds of arrays that are passed between modules, and files that hold them by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from tarvitpose.errors import DataError, UserError
from tarvitpose.utils.reading import check_zip, readable

Bools = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Generator = np.random.Generator


@contextmanager
def npz_arrays(path: Path, error: type[UserError] = DataError) -> Iterator[NpzFile]:
    """Open the arrays of an npz file; only reading them belongs into the block. Raises `error`."""
    # Given a path, NumPy would not close a file that holds no arrays; `np.load` takes any file.
    with readable(path, "npz", error), path.open("rb") as stream, NpzFile(stream) as arrays:
        if arrays.zip is not None:  # as it is until it is closed
            check_zip(path, arrays.zip)
        yield arrays
