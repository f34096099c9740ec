"""`tarvitpose predict`: videos in, poses out."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import console
from tarvitpose.errors import ConfigError, OutputError, UserError, VideoError

if TYPE_CHECKING:
    from tarvitpose.config import PredictConfig
    from tarvitpose.pipeline import Outcome

FORMATS = ("coco", "csv")


class Precision(StrEnum):
    """The numbers that the network computes with."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Backend(StrEnum):
    """What runs the network."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


class CropPolicy(StrEnum):
    """Which box cuts the frames of a window."""

    ANCHORED = "anchored"
    WINDOW = "window"
    OWN = "own"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Video files, folders of frames, quoted globs, a webcam's number or a stream's URL.",
        show_default=False,
    ),
]
Weights = Annotated[str, typer.Option(help="default, a weights folder or a hub id.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 or mps.")]
Number = Annotated[Precision, typer.Option("--precision", help="Of the network.")]
RunBy = Annotated[
    Backend, typer.Option("--backend", help="What runs the network; auto takes the fastest.")
]
Policy = Annotated[
    CropPolicy,
    typer.Option(
        "--crop-policy",
        help="anchored: one box for a person while it fits, every crop encoded once; "
        "own: each frame's box; window: the current box for all frames, encoded anew for each "
        "(exact, and several times slower).",
    ),
]
DetEvery = Annotated[
    int,
    typer.Option(
        "--det-every", min=1, metavar="N", help="Detect in every Nth frame, track in between."
    ),
]
Offsets = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Neighbouring frames to look at, such as --offsets=-2,-1,1,2; "
        "the weights' own if not given.",
    ),
]
SingleFrame = Annotated[
    bool,
    typer.Option(
        "--single-frame", help="Leave the temporal part out: plain ViTPose, frame by frame."
    ),
]
FlipTest = Annotated[
    bool,
    typer.Option("--flip-test", help="Average with the mirrored image, at half the speed."),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Crops that run at once.")]
Detector = Annotated[
    str,
    typer.Option(
        help="What finds the people: nanodet, torchvision, or a transformers model by folder or id."
    ),
]
Boxes = Annotated[Path | None, typer.Option(help="File with the people's boxes instead.")]
BoxThreshold = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Least score of a box; if not given 0.4, with --boxes 0."),
]
MaxPeople = Annotated[
    int | None, typer.Option(min=1, help="Keep only the surest boxes of a frame.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of results.")]
Format = Annotated[
    str, typer.Option("--format", help=f"{' and '.join(FORMATS)}, with commas between.")
]
Render = Annotated[bool, typer.Option("--render/--no-render", help="Draw the poses on a video.")]
ContactSheet = Annotated[bool, typer.Option("--contact-sheet", help="Also make one picture of it.")]
KeypointThreshold = Annotated[
    float, typer.Option(min=0, max=1, help="Least score of a drawn joint.")
]
Start = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Where to begin.")]
End = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Where to stop.")]
Live = Annotated[
    bool | None,
    typer.Option(
        "--live/--not-live",
        help="Drop frames that come too fast; a file plays at its own pace. "
        "Webcams and streams are live unless told otherwise.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]


def run(
    source: Sources,
    *,
    output: Output = Path("results"),
    formats: Format = "coco",
    render: Render = True,
    contact_sheet: ContactSheet = False,
    keypoint_threshold: KeypointThreshold = 0.3,
    start: Start = None,
    end: End = None,
    live: Live = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    weights: Weights = "default",
    single_frame: SingleFrame = False,
    offsets: Offsets = None,
    flip_test: FlipTest = False,
    device: Device = "auto",
    precision: Number = Precision.AUTO,
    backend: RunBy = Backend.AUTO,
    crop_policy: Policy = CropPolicy.ANCHORED,
    batch_size: BatchSize = 16,
    detector: Detector = "nanodet",
    boxes: Boxes = None,
    box_threshold: BoxThreshold = None,
    max_people: MaxPeople = None,
    det_every: DetEvery = 1,
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
