"""`tarvitpose predict`: videos in, poses out."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.many import RayWorkers, process_many
from tarvitpose.cli.options import Quiet, with_options
from tarvitpose.cli.outcome import print_outcome
from tarvitpose.config import PredictConfig, WorkerEngine
from tarvitpose.errors import ConfigError, UserError, VideoError
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.config_base import MOST_PROCESSES

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Video files, folders of videos or of frames, quoted globs, the number of a webcam, "
        "or the URL of a stream.",
        show_default=False,
    ),
]
Engine = Annotated[
    WorkerEngine,
    typer.Option("--engine", help="ray: several workers at once, here or on a cluster."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_PROCESSES,
        help="For --engine ray: how many; by default one for each GPU, or one for each machine "
        "without a GPU.",
        show_default=False,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Address of a running Ray cluster, or auto."),
]


@with_options(PredictConfig)
def run(
    source: Sources,
    *,
    config: PredictConfig,
    engine: Engine = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    quiet: Quiet = False,
) -> None:
    """Find the poses of the people in videos.

    They are drawn on OUTPUT/NAME.mp4, or on OUTPUT/NAME.png where the source is a single picture.
    --format writes OUTPUT/NAME.coco.json, NAME.posetrack.json, NAME.mmpose.json, NAME.csv,
    NAME.parquet and NAME.npz; NAME.openpose is a folder. tarvitpose.load_poses reads all of them.
    """
    on_ray = engine == "ray"
    if not on_ray and (workers is not None or ray_address is not None):
        option = "--workers" if workers is not None else "--ray-address"
        raise ConfigError(f"{option} is for several workers: add --engine ray")
    ray = RayWorkers(workers, ray_address) if on_ray else None
    process_all([path for each in source for path in expand(each)], config, quiet=quiet, ray=ray)


def expand(source: str) -> list[str]:
    """Return the files that a glob of videos matches; anything else is one source as it stands.

    Raises VideoError if a glob matches images and other files.
    """
    if "://" in source or not glob.has_magic(source) or os.path.exists(source):  # noqa: PTH110
        return [source]
    from tarvitpose.video.image_source import IMAGE_SUFFIXES

    paths = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (absolute ones as well)
    images = [name for name in paths if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if len(images) == len(paths):  # frames of one video, or nothing, which its reader says
        return [source]
    if images:
        raise VideoError(f"{source}: matches images and other files; use a pattern for one of them")
    return paths


def process_all(
    sources: list[str], config: PredictConfig, *, quiet: bool, ray: RayWorkers | None = None
) -> None:
    """Process each source, also after one that fails; exits with 2 if one did."""
    if config.blur_faces and not (
        config.render or config.compare or config.contact_sheet or config.show
    ):
        raise ConfigError(
            "--blur-faces hides heads in what is drawn, and --no-render draws nothing: leave one "
            "out, or add --contact-sheet"
        )
    if len(sources) == 1:  # of several, the others are processed all the same
        with reported_with(sources[0]):
            checks.existing_source(sources[0])
    check_writable(config.output)
    from tarvitpose.runs.many import find_jobs, with_different_names

    jobs = with_different_names(find_jobs(sources, config.output))
    if config.show and (ray or len(jobs) != 1):
        raise ConfigError("--show is for a single source, without --engine ray")
    try:
        if ray or len(jobs) != 1 or jobs[0].output != config.output:
            process_many(jobs, config, ray, quiet=quiet)
        else:
            process_one(jobs[0].source, config, quiet=quiet)
    except KeyboardInterrupt:
        if not any(config.output.rglob(".*.run/journal")):
            raise
        console.stopped("stopped; the same command with --resume goes on from here")
        raise typer.Exit(130) from None


def process_one(source: str, config: PredictConfig, *, quiet: bool) -> None:
    """Process one source; exits with 2 if it fails."""
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.runs.pipeline import check_source, process
    from tarvitpose.video.window import check_display

    with reported_with(source):
        if config.show:
            check_display()
        # Before the slow loading of a model that may not be needed.
        outcome = check_source(source, config)
        if outcome is None:
            with console.notes_shown(quiet=quiet):
                estimator = PoseEstimator.from_config(config)
            with console.progress_bar(source, quiet=quiet) as on_progress:
                outcome = process(source, estimator, config, on_progress)
    print_outcome(outcome, quiet=quiet)


@contextmanager
def reported_with(source: str) -> Iterator[None]:
    """Print an error with the source that it is about, and exit with 2."""
    try:
        yield
    except UserError as error:
        console.fail(error, source=source)
        raise typer.Exit(console.BAD_INPUT) from None
