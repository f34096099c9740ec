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
BYTEARRAY = b"\nbytearray\n"  # as a pickle names the type, which no checkpoint needs
UNREAD: list[Any] = [(_Unread, name) for name in ("numpy.ndarray", "numpy.dtype", *NAMES)]


def unpickled(path: Path, *, is_tested: bool = False) -> object:
    """Return what a file of `torch.save` holds. Raises whatever PyTorch does, and ValueError.

    PyTorch makes tensors and containers alone, but lets a pickle ask for a `bytearray` of any
    length, unpacks whatever the file states, and looks at no checksum, which `is_tested` does: then
    the file must be a zip.
    """
    if is_tested or zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:
            check_zip(path, parts)
            if is_tested and (damaged := parts.testzip()) is not None:
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            pickles = [part for part in parts.infolist() if part.filename.endswith(".pkl")]
            names_bytearray = any(BYTEARRAY in parts.read(part) for part in pickles)
    else:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            names_bytearray = content.find(BYTEARRAY) >= 0
    if names_bytearray:
        raise pickle.UnpicklingError("GLOBAL bytearray")
    with torch.serialization.safe_globals(UNREAD), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old protocols and storages
        return torch.load(path, map_location="cpu", weights_only=True)
