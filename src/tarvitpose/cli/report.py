"""`tarvitpose report`: one page that shows what came out of a video, and how well."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli import predict_options as options
from tarvitpose.cli.outcome import summary
from tarvitpose.cli.predict import given_config
from tarvitpose.errors import ConfigError, OutputError, VideoError

if TYPE_CHECKING:
    from tarvitpose.config import PredictConfig
    from tarvitpose.video.frame_source import FrameSource
    from tarvitpose.visualization.report_data import Material

ENDING = ".report.html"
OF_ANY_REPORT = {"video", "poses", "output", "overwrite", "keypoint_threshold", "quiet"}

Poses = Annotated[
    Path | None,
    typer.Option(
        metavar="RESULT",
        help="Poses that predict wrote, in any format: nothing is computed again, and there is "
        "no speed by stage.",
        show_default=False,
    ),
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")]


def run(
    context: typer.Context,
    video: options.Video,
    *,
    poses: Poses = None,
    output: OutputFolder = Path("results"),
    overwrite: options.Overwrite = False,
    render: options.Render = True,
    compare: options.Compare = False,
    keypoint_threshold: options.KeypointThreshold = 0.3,
    start: options.Start = None,
    end: options.End = None,
    quiet: options.Quiet = False,
    weights: options.Weights = "default",
    single_frame: options.SingleFrame = False,
    offsets: options.Offsets = None,
    device: options.Device = "auto",
    precision: options.Number = options.Precision.AUTO,
    backend: options.RunBy = options.Backend.AUTO,
    crop_policy: options.Policy = options.CropPolicy.ANCHORED,
    detector: options.Detector = "nanodet",
    boxes: options.Boxes = None,
    max_people: options.MaxPeople = None,
    det_every: options.DetEvery = 1,
    tracker: options.TrackBy = options.Tracker.IOU,
    smooth: options.Smooth = options.SmoothMethod.NONE,
) -> None:
    """Write a page on one video.

    OUTPUT/NAME.report.html needs nothing beside it: overview, contact sheet, tracks over time,
    jitter, worst frames, speed by stage. Unless --poses gives them, the poses are found as predict
    does it, and its files are left beside the report: NAME.coco.json, NAME.run.json, and NAME.mp4
    unless --no-render. The video is then read a second time, for pictures.
    """
    config = given_config(context)
    checks.existing_source(video)
    if poses is not None:
        _refuse_options(context)
        checks.existing(poses)
    with _open(video, config) as source:
        path = output / f"{source.name}{ENDING}"
        checks.new_file(path, overwrite=overwrite)
        material = _material(source, poses, config, quiet=quiet)
        _write(path, source, material, keypoint_threshold)
    if not quiet:
        console.result([f"  {path}"], source=video, files=[str(path)])
    for note in material.notes:
        console.warn(note)


def _write(path: Path, source: FrameSource, material: Material, threshold: float) -> None:
    from tarvitpose.utils.atomic import atomic_file
    from tarvitpose.visualization.page import report_page

    with atomic_file(path) as temporary:
        page = report_page(source, material, threshold)
        temporary.write_text(page, encoding="utf-8", errors="replace")


def _refuse_options(context: typer.Context) -> None:
    """Raise ConfigError for an option of a run, where there is none."""
    for key in context.params:
        how = context.get_parameter_source(key)
        if key not in OF_ANY_REPORT and how is not None and how.name == "COMMANDLINE":
            raise ConfigError(
                f"--{key.replace('_', '-')} is for a new run, and --poses shows results that are "
                "there: give one of them"
            )


def _open(video: str, config: PredictConfig) -> FrameSource:
    """Open what can be read twice. Raises VideoError."""
    from tarvitpose.runs.manifest import source_files
    from tarvitpose.video.sources import open_source

    source = open_source(video, start=config.start, end=config.end, live=False)
    if not source_files(source):
        source.close()
        raise VideoError(
            f"{video}: a report reads its video twice, which a webcam or a stream cannot give; "
            "record it first"
        )
    return source


def _material(
    source: FrameSource, poses: Path | None, config: PredictConfig, *, quiet: bool
) -> Material:
    """Return what is reported: of results that are there, or of a new run."""
    if poses is not None:
        from tarvitpose.visualization.report_data import gather

        return gather(source, poses)
    from tarvitpose.formats.writing import output_paths

    results = output_paths(source, config)["coco"]
    if results.exists() and not config.overwrite:
        raise OutputError(
            f"{results}: there already; pass --poses {results} to report on it, --overwrite or "
            "another --output"
        )
    from tarvitpose.runs.pipeline import check_source, load_estimator

    check_source(source.given, config)
    from tarvitpose.benchmark.stages import timed_process
    from tarvitpose.visualization.report_data import gather
    from tarvitpose.visualization.timed_run import ReportObserver

    with console.notes_shown(quiet=quiet):
        estimator = load_estimator(config)
    observer = ReportObserver()
    try:
        with console.progress_bar(source.source, quiet=quiet) as on_progress:
            outcome, stages = timed_process(source.given, estimator, config, observer, on_progress)
    except KeyboardInterrupt:
        console.stopped(
            "stopped; predict with the same options and --resume goes on from here, and then "
            "report --poses shows it"
        )
        raise typer.Exit(130) from None
    if not quiet:
        console.result(
            [summary(outcome), *(f"  {path}" for path in outcome.files)], **asdict(outcome)
        )
    offsets = estimator.predictor.offsets
    return gather(source, results, stages=stages, offsets=offsets, alone=observer.single_frames)
