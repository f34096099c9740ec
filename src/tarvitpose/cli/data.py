"""`tarvitpose data`: check a data set, prepare a smaller copy, pack it, or make one up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tarvitpose.cli import console, data_generate, data_pack
from tarvitpose.cli.data_options import Dataset, FormatOption, Images, SetName
from tarvitpose.utils.atomic import check_writable

if TYPE_CHECKING:
    from tarvitpose.config import AnnotationFormat
    from tarvitpose.data.check import DataReport
    from tarvitpose.data.videos import Video

EXAMPLES = 3  # places of each kind of fault on the screen
MOST_EXAMPLES = 100  # in the file
SOMETHING_WRONG = 1

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
        bool, typer.Option("--quick", help="Only look for the images, and decode none.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the findings here.")
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option("--preview", metavar="FILE", help="Draw what augmentation does, as PNG."),
    ] = None,
) -> None:
    """Find what breaks trainings, and what readers fill in or leave out.

    The exit code is 1 if something is wrong, and 2 if no file can be read.
    """
    from tarvitpose.data.check import check_data
    from tarvitpose.data.sources import dataset_files
    from tarvitpose.errors import DataError

    for path in filter(None, (json_file, preview)):
        check_writable(path.parent)
    files = dataset_files(dataset)
    with progress_bar("images") as progress:
        report = check_data(files, layout, images, quick=quick, progress=progress)
    unreadable = report.by_kind().get("annotations", [])
    if len(unreadable) == len(files):
        raise DataError(unreadable[0])
    if json_file is not None:
        write_json(json_file, dataset, report)
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
        int, typer.Option(min=0, metavar="N", help="Frames kept on each side of a labelled one.")
    ] = 2,
    max_side: Annotated[
        int,
        typer.Option(
            min=0, metavar="PIXELS", help="Scale larger images down to this; 0 links all as is."
        ),
    ] = 0,
) -> None:
    """Write the layout that training reads (PoseTrack18), with the frames that windows reach.

    The same command goes on where it was stopped.
    """
    check_writable(output)
    from tarvitpose.data.prepare import Plan, prepare
    from tarvitpose.data.sources import dataset_files, open_all, read_videos
    from tarvitpose.errors import DataError

    videos: list[tuple[Path, Video]] = []
    for file in open_all(dataset_files(dataset, set_name), layout, images):
        if file.format == "coco":
            raise DataError(f"{dataset}: stills need no preparing; train on them with format: coco")
        videos += [(file.root, video) for video in read_videos(file)]
    with progress_bar("videos") as progress:
        done = prepare(videos, Plan(output, set_name, span, max_side), progress)
    if done.missing:
        lost = console.counted(done.missing, "unlabelled frame")
        console.warn(f"{lost} not on disk, left out: windows there repeat the nearest frame")
    written = f"{console.counted(done.written, 'video')}, {console.counted(done.frames, 'frame')}"
    before = f"; {done.done_before} there before" if done.done_before else ""
    console.say(f"written: {written}{before}")
    console.say(f"train with format: posetrack18, annotations: {output / 'annotations' / set_name}")


app.command("pack")(data_pack.run)
app.command("generate")(data_generate.run)


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
    from tarvitpose.data.check import KINDS
    from tarvitpose.data.check_notes import NOTES

    counts = [
        console.counted(report.videos, "still" if report.format == "coco" else "video"),
        console.counted(report.frames, "frame"),
        f"{report.labelled} labelled",
        console.counted(report.people, "person with joints", "people with joints"),
    ]
    console.say(f"{dataset} ({report.format}): {', '.join(counts)}", style="bold")
    for line in table(report.by_kind(), KINDS):
        console.say(line)
    if not report.faults:
        console.say("nothing wrong was found")
    if report.notes:
        console.say("not wrong, but filled in, changed or left out by the readers:")
    for line in table(report.notes_by_kind(), NOTES):
        console.say(line)


def table(found: dict[str, list[str]], meanings: dict[str, str]) -> list[str]:
    """Return a line for each kind with its count, and lines with the first places."""
    lines = []
    for kind, places in found.items():
        lines.append(f"{len(places):>8}  {kind}: {meanings[kind]}")
        lines += [f"{'':>10}{place}" for place in places[:EXAMPLES]]
        more = len(places) - EXAMPLES
        lines += [f"{'':>10}and {more} more"] if more > 0 else []
    return lines


def write_json(path: Path, dataset: Path, report: DataReport) -> None:
    """Write counts and the first places of each kind of fault and note. Raises OutputError."""
    from tarvitpose.utils.atomic import atomic_file

    content = {
        "dataset": str(dataset),
        "format": report.format,
        "videos": report.videos,
        "frames": report.frames,
        "labelled_frames": report.labelled,
        "people": report.people,
        "faults": _counted(report.by_kind()),
        "notes": _counted(report.notes_by_kind()),
    }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _counted(found: dict[str, list[str]]) -> dict[str, Any]:
    return {
        kind: {"count": len(places), "places": places[:MOST_EXAMPLES]}
        for kind, places in found.items()
    }


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with how many are done, of how many; draws if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(bar_width=30), MofNCompleteColumn(), unit, TimeRemainingColumn(), "left")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
