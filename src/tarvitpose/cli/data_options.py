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
