"""What the commands of `tarvitpose data` have in common."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tarvitpose.data.sources import Format


class Layout(StrEnum):
    """How annotations are written; each has a reader in data/sources.py."""

    COCO = "coco"
    POSETRACK17 = "posetrack17"
    POSETRACK18 = "posetrack18"  # and 21
    DCPOSE = "dcpose"


Dataset = Annotated[
    Path,
    typer.Argument(
        metavar="DATASET",
        help="Annotation file, folder of them, or the folder above annotations/.",
    ),
]
FormatOption = Annotated[
    Layout | None, typer.Option("--format", help="Layout of the annotations; guessed if absent.")
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", metavar="DIR", help="Folder that file names start from; found if absent."
    ),
]
SetName = Annotated[str, typer.Option("--set", metavar="NAME", help="Such as train or val.")]


def format_of(files: list[Path], layout: Layout | None) -> Format:
    """Return the layout asked for, or that of the first file that can be read.

    Raises DataError if none can be.
    """
    from tarvitpose.data.sources import guess_format
    from tarvitpose.errors import DataError

    if layout is not None:
        return layout.value
    errors = []
    for file in files:
        try:
            return guess_format(file)
        except DataError as error:
            errors.append(error)
    raise errors[0]
