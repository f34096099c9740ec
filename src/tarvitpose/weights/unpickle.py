"""Pickles that others made: tensors out of them, and neither code nor claims to memory."""

import mmap
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from tarvitpose.utils.reading import check_zip


class _Unread:
    """Stands for NumPy's values, which MMPose keeps in `meta`: nothing of them is needed."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
NAMES = [f"{module}.{name}" for module in MODULES for name in ("_reconstruct", "scalar")]
UNREAD: list[Any] = [(_Unread, name) for name in ("numpy.ndarray", "numpy.dtype", *NAMES)]


def unpickled(path: Path) -> object:
    """Return what a file of `torch.save` holds. Raises whatever PyTorch does, and ValueError.

    PyTorch makes tensors and containers alone, but lets a pickle ask for a `bytearray` of any
    length, and unpacks whatever the file states.
    """
    check_zip(path)
    if _names_bytearray(path):
        raise pickle.UnpicklingError("GLOBAL bytearray")
    with torch.serialization.safe_globals(UNREAD), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old protocols and storages
        return torch.load(path, map_location="cpu", weights_only=True)


def _names_bytearray(path: Path) -> bool:
    """Tell whether a pickle in the file names the type, which no checkpoint needs."""
    name = b"\nbytearray\n"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:
            pickles = [part for part in parts.infolist() if part.filename.endswith(".pkl")]
            return any(name in parts.read(part) for part in pickles)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(name) >= 0
