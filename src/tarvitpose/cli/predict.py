"""`tarvitpose predict`: videos in, poses out."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tarvitpose.cli import console
from tarvitpose.cli import predict_options as options
from tarvitpose.cli.predict_options import FORMATS
from tarvitpose.errors import ConfigError, OutputError, UserError, VideoError

if TYPE_CHECKING:
    from tarvitpose.config import PredictConfig
    from tarvitpose.pipeline import Outcome


def run(
    source: options.Sources,
    *,
    output: options.Output = Path("results"),
    formats: options.Format = "coco",
    render: options.Render = True,
    contact_sheet: options.ContactSheet = False,
    keypoint_threshold: options.KeypointThreshold = 0.3,
    start: options.Start = None,
    end: options.End = None,
    live: options.Live = None,
    overwrite: options.Overwrite = False,
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
) -> None:
    """Find the poses of the people in videos: OUTPUT/NAME.coco.json (or .csv) and NAME.mp4."""
    from tarvitpose.config import PredictConfig, parse_config

    values = {
        "output": output,
        "formats": parse_formats(formats),
        "render": render,
        "contact_sheet": contact_sheet,
        "keypoint_threshold": keypoint_threshold,
        "start": start,
        "end": end,
        "live": live,
        "overwrite": overwrite,
        "weights": weights,
        "single_frame": single_frame,
        "offsets": None if offsets is None else parse_offsets(offsets),
        "flip_test": flip_test,
        "device": device,
        "precision": precision.value,
        "backend": backend.value,
        "crop_policy": crop_policy.value,
        "batch_size": batch_size,
        "det_every": det_every,
        "detector": detector,
        "boxes": boxes,
        "box_threshold": box_threshold,
        "max_people": max_people,
    }
    config = parse_config(PredictConfig, values, "predict")
    process_all(expanded(source), config, quiet=quiet)


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a list with commas. Raises ConfigError.

    >>> parse_formats("csv, coco")
    ('csv', 'coco')
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise ConfigError(f"--format {text}: expected {' or '.join(FORMATS)}, got {name!r}")
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


def expanded(sources: Iterable[str]) -> list[str]:
    """Return the sources with each glob of videos replaced by its files. Raises VideoError."""
    return [one for given in sources for one in expand(given)]


def expand(source: str) -> list[str]:
    """Return the files that a glob of videos matches; anything else is one source as it stands.

    Raises VideoError if a glob matches images and other files.
    """
    if "://" in source or not glob.has_magic(source) or Path(source).exists():
        return [source]
    from tarvitpose.image_source import IMAGE_SUFFIXES

    found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (absolute ones as well)
    images = [name for name in found if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if len(images) == len(found):  # frames of one video, or nothing, which its reader says
        return [source]
    if images:
        raise VideoError(f"{source}: matches images and other files; use a pattern for one of them")
    return found


def refuse_same_names(sources: Iterable[str]) -> None:
    """Raise OutputError if the results of two files or folders would have the same names."""
    seen: dict[str, str] = {}
    for source in sources:
        path = Path(source)
        if not path.exists():  # a stream, a webcam or a glob of images
            continue
        name = path.resolve().name if path.is_dir() else path.stem
        if name in seen:
            raise OutputError(
                f"{seen[name]} and {source}: the results of both would be named {name}; "
                "run them one by one with different --output"
            )
        seen[name] = source


def process_all(sources: list[str], config: PredictConfig, *, quiet: bool) -> None:
    """Process each source, also after one that fails; exits with 2 if one did."""
    from tarvitpose.pipeline import check_source, load_estimator, process

    refuse_same_names(sources)
    usable = []
    for source in sources:  # before the slow loading of a model that may not be needed
        try:
            check_source(source, config)
        except UserError as error:
            console.fail(error)
        else:
            usable.append(source)
    failed = len(sources) - len(usable)
    with console.notes_shown(quiet=quiet):
        estimator = load_estimator(config) if usable else None
    for source in usable:
        try:
            assert estimator is not None
            with console.progress_bar(Path(source).name, quiet=quiet) as on_progress:
                outcome = process(source, estimator, config, on_progress)
        except UserError as error:
            console.fail(error)
            failed += 1
        else:
            report(outcome, quiet=quiet)
    if failed:
        raise typer.Exit(2)


def report(outcome: Outcome, *, quiet: bool) -> None:
    """Print what came out of one source and where it is."""
    if not quiet:
        console.say(summary(outcome))
        for path in outcome.files:
            console.say(f"  {path}")
    for warning in outcome.warnings:
        console.warn(warning)


def summary(outcome: Outcome) -> str:
    """Return the numbers of one source in a line."""
    pace = outcome.frames / outcome.seconds if outcome.seconds else 0.0
    return (
        f"{outcome.source}: {console.counted(outcome.frames, 'frame')}, at most "
        f"{console.counted(outcome.people, 'person', 'people')} in one, "
        f"{console.counted(outcome.tracks, 'track')}, {outcome.seconds:.1f} s ({pace:.1f} frames/s)"
    )
