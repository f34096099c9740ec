"""`tarvitpose predict`: videos in, poses out."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli import predict_options as options
from tarvitpose.cli.outcome import print_outcome
from tarvitpose.cli.predict_options import FORMATS
from tarvitpose.errors import ConfigError, UserError, VideoError
from tarvitpose.utils.atomic import check_writable

if TYPE_CHECKING:
    from tarvitpose.config import PredictConfig


def run(
    context: typer.Context,
    source: options.Sources,
    *,
    output: options.Output = Path("results"),
    formats: options.Format = "coco",
    render: options.Render = True,
    compare: options.Compare = False,
    contact_sheet: options.ContactSheet = False,
    keypoint_threshold: options.KeypointThreshold = 0.3,
    start: options.Start = None,
    end: options.End = None,
    live: options.Live = None,
    allow_playlists: options.AllowPlaylists = False,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    engine: options.RunOn = options.Engine.LOCAL,
    workers: options.Workers = None,
    ray_address: options.RayAddress = None,
    quiet: options.Quiet = False,
    weights: options.Weights = "default",
    single_frame: options.SingleFrame = False,
    offsets: options.Offsets = None,
    flip_test: options.FlipTest = False,
    device: options.Device = "auto",
    precision: options.Number = options.Precision.AUTO,
    backend: options.RunBy = options.Backend.AUTO,
    crop_policy: options.Policy = options.CropPolicy.ANCHORED,
    batch_size: options.BatchSize = 16,
    detector: options.Detector = "nanodet",
    boxes: options.Boxes = None,
    box_threshold: options.BoxThreshold = None,
    max_people: options.MaxPeople = None,
    det_every: options.DetEvery = 1,
    tracker: options.TrackBy = options.Tracker.IOU,
    person: options.Person = None,
    smooth: options.Smooth = options.SmoothMethod.NONE,
    smooth_min_cutoff: options.MinCutoff = None,
    smooth_beta: options.Beta = None,
    smooth_window: options.Window = None,
) -> None:
    """Find the poses of the people in videos.

    They are drawn on OUTPUT/NAME.mp4, or on OUTPUT/NAME.png where the source is one picture. Files
    of --format are OUTPUT/NAME.coco.json, NAME.posetrack.json, NAME.mmpose.json, NAME.csv,
    NAME.parquet and NAME.npz; NAME.openpose is a folder. tarvitpose.load_poses reads them all.
    """
    config = given_config(context)
    process_all(
        expanded(source),
        config,
        quiet=quiet,
        on_ray=engine is options.Engine.RAY,
        workers=workers,
        address=ray_address,
    )


def given_config(context: typer.Context) -> PredictConfig:
    """Return what the options of a verb say; they have the names of the config's fields.

    Raises ConfigError.
    """
    from tarvitpose.config import OPTIONS, PredictConfig, parse_config

    values = {
        key: value for key, value in context.params.items() if key in PredictConfig.model_fields
    }
    for key, parse in LISTS.items():
        text = values.pop(key, None)
        if text is not None:
            values[key] = parse(text)
    return parse_config(PredictConfig, values, OPTIONS)


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a list with commas. Raises ConfigError.

    >>> parse_formats("csv, coco")
    ('csv', 'coco')
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    for name in names:
        if name not in FORMATS:
            raise ConfigError(f"--format {text}: expected {known}, got {name!r}")
    return names


def parse_offsets(text: str) -> tuple[int, ...]:
    """Return the offsets of a list with commas. Raises ConfigError.

    >>> parse_offsets("-2,-1,1,2")
    (-2, -1, 1, 2)
    """
    from tarvitpose.config import check_offsets

    try:
        offsets = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--offsets={text}: expected whole numbers with commas, such as --offsets=-2,-1,1,2"
        ) from None
    try:
        check_offsets(offsets)
    except ValueError as error:
        raise ConfigError(f"--offsets={text}: {error}") from None
    return offsets


def parse_person(text: str) -> tuple[int, ...]:
    """Return the track numbers of a list with commas. Raises ConfigError.

    >>> parse_person("3, 1,3")
    (1, 3)
    """
    names = [name.strip() for name in text.split(",")]
    if not all(name.isdecimal() for name in names):
        raise ConfigError(
            f"--person {text}: expected track numbers with commas, such as --person 1,3"
        )
    return tuple(sorted(set(map(int, names))))


LISTS: dict[str, Callable[[str], tuple[str, ...] | tuple[int, ...]]] = {
    "formats": parse_formats,
    "offsets": parse_offsets,
    "person": parse_person,
}


def expanded(sources: Iterable[str]) -> list[str]:
    """Return the sources with each glob of videos replaced by its files. Raises VideoError."""
    return [one for given in sources for one in expand(given)]


def expand(source: str) -> list[str]:
    """Return the files that a glob of videos matches; anything else is one source as it stands.

    Raises VideoError if a glob matches images and other files.
    """
    if "://" in source or not glob.has_magic(source) or os.path.exists(source):  # noqa: PTH110
        return [source]
    from tarvitpose.video.image_source import IMAGE_SUFFIXES

    found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (absolute ones as well)
    images = [name for name in found if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if len(images) == len(found):  # frames of one video, or nothing, which its reader says
        return [source]
    if images:
        raise VideoError(f"{source}: matches images and other files; use a pattern for one of them")
    return found


def process_all(
    sources: list[str],
    config: PredictConfig,
    *,
    quiet: bool,
    on_ray: bool = False,
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Process each source, also after one that fails; exits with 2 if one did."""
    if not on_ray and (workers is not None or address is not None):
        option = "--workers" if workers is not None else "--ray-address"
        raise ConfigError(f"{option} is for several workers: add --engine ray")
    if len(sources) == 1:  # of several, the others are processed all the same
        with told_of(sources[0]):
            checks.existing_source(sources[0])
    check_writable(config.output)
    from tarvitpose.runs.many import find_jobs, with_different_names

    jobs = with_different_names(find_jobs(sources, config.output))
    try:
        if on_ray or len(jobs) != 1 or jobs[0].output != config.output:
            from tarvitpose.cli.many import process_many

            process_many(jobs, config, on_ray=on_ray, workers=workers, address=address, quiet=quiet)
        else:
            process_one(jobs[0].source, config, quiet=quiet)
    except KeyboardInterrupt:
        if not any(config.output.rglob(".*.run/journal")):
            raise
        console.stopped("stopped; the same command with --resume goes on from here")
        raise typer.Exit(130) from None


def process_one(source: str, config: PredictConfig, *, quiet: bool) -> None:
    """Process one source; exits with 2 if it fails."""
    from tarvitpose.runs.pipeline import check_source, load_estimator, process

    with told_of(source):
        # Before the slow loading of a model that may not be needed.
        outcome = check_source(source, config)
        if outcome is None:
            with console.notes_shown(quiet=quiet):
                estimator = load_estimator(config)
            with console.progress_bar(source, quiet=quiet) as on_progress:
                outcome = process(source, estimator, config, on_progress)
    print_outcome(outcome, quiet=quiet)


@contextmanager
def told_of(source: str) -> Iterator[None]:
    """Print an error with the source that it is about, and exit with 2."""
    try:
        yield
    except UserError as error:
        console.fail(error, source=source)
        raise typer.Exit(console.BAD_INPUT) from None
