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
        help="Annotation file, a folder of them, or the folder above annotations/.",
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
SetName = Annotated[
    str, typer.Option("--set", metavar="NAME", help="Part of the data set, such as train or val.")
]
