"""`tarvitpose demo`: the whole thing on a clip that comes with the package."""

from pathlib import Path
from typing import Annotated

import typer

from tarvitpose.cli.models import assets_folder
from tarvitpose.cli.options import Quiet, with_options
from tarvitpose.cli.predict import process_all
from tarvitpose.config import PredictConfig
from tarvitpose.errors import VideoError

CLIP = "demo.mp4"


@with_options(PredictConfig, "temporal", "device")
def run(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of results; existing ones are replaced.")
    ] = Path("results/demo"),
    config: PredictConfig,
    quiet: Quiet = False,
) -> None:
    """Find the poses in a short clip that comes with the package.

    Writes the clip with poses, COCO JSON, a CSV table and a contact sheet.
    """
    changes = {"output": output, "formats": ("coco", "csv")}
    changes |= {"contact_sheet": True, "overwrite": True}
    process_all([str(demo_clip())], config.model_copy(update=changes), quiet=quiet)


def demo_clip() -> Path:
    """Return the clip's path. Raises VideoError if the installation lacks it."""
    path = assets_folder() / CLIP
    if not path.is_file():
        raise VideoError(f"{path}: the demo clip is missing; install the package again")
    return path
