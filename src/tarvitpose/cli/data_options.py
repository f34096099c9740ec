"""What the commands of `tarvitpose data` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tarvitpose.config import AnnotationFormat

Dataset = Annotated[
    Path,
    typer.Argument(
        metavar="DATASET",
        help="Annotation file, folder of them, or the folder above annotations/.",
    ),
]
FormatOption = Annotated[
    AnnotationFormat | None,
    typer.Option("--format", help="Format of the annotations; recognised by default."),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", metavar="DIR", help="Folder that file names start from; found by default."
    ),
]
SetName = Annotated[str, typer.Option("--set", metavar="NAME", help="Such as train or val.")]


def format_of(files: list[Path], layout: AnnotationFormat | None) -> AnnotationFormat:
    """Return the layout asked for, or that of the first file that can be read.

    Raises DataError if none can be.
    """
    from tarvitpose.data.sources import guess_format
    from tarvitpose.errors import DataError

    if layout is not None:
        return layout
    errors = []
    for file in files:
        try:
            return guess_format(file)
        except DataError as error:
            errors.append(error)
    raise errors[0]
