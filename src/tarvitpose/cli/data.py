"""`tarvitpose data`: check a data set, prepare a smaller copy, pack it, or make one up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import JsonFile
from tarvitpose.config import AnnotationFormat
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.config_base import MOST
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from tarvitpose.data.check import DataReport
    from tarvitpose.data.videos import Video

EXAMPLES = 3  # of each kind of fault on the screen
MOST_EXAMPLES = 100  # in the file
SOMETHING_WRONG = 1

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

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Check a data set before training, prepare a smaller copy, pack it, or generate one."""


@app.command("check")
def run_check(
    dataset: Dataset,
    *,
    layout: FormatOption = None,
    images: Images = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only check that the images exist, and decode none.")
    ] = False,
    json_file: JsonFile = None,
    preview: Annotated[
        Path | None,
        typer.Option("--preview", metavar="FILE", help="Draw the effect of augmentation (PNG)."),
    ] = None,
) -> None:
    """Find faults in a data set, and what its readers fill in or leave out.

    The exit code is 1 if there are faults, and 2 if no file can be read.
    """
    from tarvitpose.data.check import check_data
    from tarvitpose.data.sources import dataset_files
    from tarvitpose.errors import DataError

    checks.writable_files(json_file, preview)
    files = dataset_files(dataset)
    with console.count_bar("images") as progress:
        report = check_data(files, layout, images, quick=quick, progress=progress)
    unreadable = report.by_kind().get("annotations", [])
    if len(unreadable) == len(files):
        raise DataError(unreadable[0])
    checks.save_json(json_file, findings(dataset, report))
    say_report(dataset, report)
    if preview is not None:
        draw_preview(files, report.format, images, preview)
    if report.faults:
        raise typer.Exit(SOMETHING_WRONG)


@app.command("prepare")
def run_prepare(
    dataset: Dataset,
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="Folder for annotations/ and images/.")
    ],
    *,
    layout: FormatOption = None,
    images: Images = None,
    set_name: SetName = "train",
    span: Annotated[
        int,
        typer.Option(
            min=0, max=MOST, metavar="N", help="Frames to keep on each side of a labelled frame."
        ),
    ] = 2,
    max_side: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST,
            metavar="PIXELS",
            help="Scale larger images down to this; 0 links the images unchanged.",
        ),
    ] = 0,
) -> None:
    """Write a smaller copy in PoseTrack18's format, with only the frames that training reads.

    The same command continues where it was stopped.
    """
    check_writable(output)
    from tarvitpose.data.prepare import PrepareOptions, prepare
    from tarvitpose.data.sources import dataset_files, open_all, read_videos
    from tarvitpose.errors import DataError

    videos: list[tuple[Path, Video]] = []
    for file in open_all(dataset_files(dataset, set_name), layout, images, set_name):
        if file.format == "coco":
            raise DataError(f"{dataset}: stills need no preparing; train on them with format: coco")
        videos += [(file.root, video) for video in read_videos(file)]
    with console.count_bar("videos") as progress:
        done = prepare(videos, PrepareOptions(output, set_name, span, max_side), progress)
    if done.missing:
        lost = counted(done.missing, "unlabelled frame")
        console.warn(f"{lost} not on disk, left out: windows there repeat the nearest frame")
    written = f"{counted(done.written, 'video')}, {counted(done.frames, 'frame')}"
    before = f"; {done.done_before} existed before" if done.done_before else ""
    console.say(f"written: {written}{before}")
    console.say(f"train with format: posetrack18, annotations: {output / 'annotations' / set_name}")


@app.command("pack")
def run_pack(
    dataset: Dataset,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="New folder for the shards.")],
    *,
    layout: FormatOption = None,
    images: Images = None,
    set_name: SetName = "train",
    max_mb: Annotated[
        float, typer.Option(min=0.1, max=MOST, metavar="MB", help="Largest size of one shard.")
    ] = 60,
) -> None:
    """Write tar files of bounded size, each with its images and labels.

    Packs stills of any format, and videos in PoseTrack18's format, which 'data prepare' writes.
    """
    from tarvitpose.data.pack import MEGABYTE, pack
    from tarvitpose.data.sources import dataset_files, open_all

    files = list(open_all(dataset_files(dataset, set_name), layout, images))
    limit = round(max_mb * MEGABYTE)
    done = pack(files, output, set_name=set_name, limit=limit)
    counts = [
        counted(len(done.shards), "shard"),
        counted(done.images, "image"),
        counted(done.people, "person", "people"),
    ]
    console.say(f"{output}: {', '.join(counts)}, at most {done.largest / MEGABYTE:.1f} MB each")
    console.say(f"unpack each into one folder: tar -xf {done.shards[0].name} -C FOLDER")
    labels = f"FOLDER/annotations/{set_name}"
    console.say(f"train with format: {files[0].format}, annotations: {labels}, images: FOLDER")


@app.command("generate")
def run_generate(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="New folder to write.")],
    *,
    people: Annotated[
        int,
        typer.Option(min=1, max=100_000, help="People for training; a quarter as many held out."),
    ] = 40,
    frames: Annotated[int, typer.Option(min=1, max=10_000, help="Frames of each video.")] = 9,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Seed of the random numbers.")] = 0,
) -> None:
    """Draw moving figures with exact joints, in PoseTrack18's format.

    The people are not real: this is for trying out training and evaluation without a download.
    """
    from tarvitpose.data.generated import SETS, write_generated

    write_generated(output, people, seed, frames)
    facts = []
    for name in SETS:
        videos = len(list((output / "annotations" / name).glob("*.json")))
        size = f"{counted(videos, 'video')} of {counted(frames, 'frame')}"
        facts.append((name, f"{size}: {output / 'annotations' / name}"))
    console.facts(f"generated people in {output}", [*facts, ("images", str(output))])


def draw_preview(
    files: list[Path], layout: AnnotationFormat | None, images: Path | None, path: Path
) -> None:
    """Draw what augmentation does to the people of a data set."""
    from tarvitpose.data.sources import open_all, records_of_file
    from tarvitpose.skeleton import POSETRACK_15
    from tarvitpose.visualization.augmentation_preview import write_preview

    opened = open_all(files, layout, images)
    records = [record for file in opened for record in records_of_file(file, POSETRACK_15)]
    write_preview(records, path)
    console.say(f"preview: {path}")


def say_report(dataset: Path, report: DataReport) -> None:
    """Print what was looked at, what is wrong with it, and what readers make of the rest."""
    from tarvitpose.data.check import FAULTS
    from tarvitpose.data.check_notes import NOTES

    counts = [
        counted(report.videos, "still" if report.format == "coco" else "video"),
        counted(report.frames, "frame"),
        f"{report.labelled} labelled",
        counted(report.people, "person with joints", "people with joints"),
    ]
    console.say(f"{dataset} ({report.format}): {', '.join(counts)}", style="bold")
    for line in table(report.by_kind(), FAULTS):
        console.say(line)
    if not report.faults:
        console.say("no fault was found")
    if report.notes:
        console.say("not wrong, but filled in, changed or left out by the readers:")
    for line in table(report.notes_by_kind(), NOTES):
        console.say(line)


def table(examples_of: dict[str, list[str]], meanings: dict[str, str]) -> list[str]:
    """Return a line for each kind with its count, and lines with the first examples."""
    lines = []
    for kind, examples in examples_of.items():
        lines.append(f"{len(examples):>8}  {kind}: {meanings[kind]}")
        lines += [f"{'':>10}{example}" for example in examples[:EXAMPLES]]
        more = len(examples) - EXAMPLES
        lines += [f"{'':>10}and {more} more"] if more > 0 else []
    return lines


def findings(dataset: Path, report: DataReport) -> dict[str, Any]:
    """Return counts and the first examples of each kind of fault and note, for JSON."""
    return {
        "dataset": str(dataset),
        "format": report.format,
        "videos": report.videos,
        "frames": report.frames,
        "labelled_frames": report.labelled,
        "people": report.people,
        "faults": _counted(report.by_kind()),
        "notes": _counted(report.notes_by_kind()),
    }


def _counted(examples_of: dict[str, list[str]]) -> dict[str, Any]:
    return {
        kind: {"count": len(examples), "places": examples[:MOST_EXAMPLES]}
        for kind, examples in examples_of.items()
    }
