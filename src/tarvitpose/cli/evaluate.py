"""`tarvitpose evaluate`: PoseTrack's average precision of predictions that stand in files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tarvitpose.cli import console

if TYPE_CHECKING:
    from rich.table import Table

    from tarvitpose.metrics.posetrack_ap import ApResult, FramePair, Judged

    Intervals = dict[str, tuple[float, float]]

BOXES = "unknown"  # files of poses do not say whose boxes they come from


def run(
    *,
    predictions: Annotated[
        Path, typer.Option(metavar="DIR", help="PoseTrack JSON to score, one file for each video.")
    ],
    annotations: Annotated[
        Path, typer.Option(metavar="DIR", help="PoseTrack's JSON, files of the same names.")
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the AP here.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            metavar="N",
            min=0,
            help="Give the 95% interval of N draws of videos; 0 is off.",
        ),
    ] = 0,
) -> None:
    """Score poses by PoseTrack's average precision, as poseval does.

    The layouts of PoseTrack17, 18 and 21 are known by their keys.
    """
    from tarvitpose.metrics.posetrack_ap import pooled
    from tarvitpose.metrics.posetrack_files import paired_files

    videos = read_judged(paired_files(predictions, annotations))
    result = pooled(videos)
    found = intervals(videos, samples)
    if json_file is not None:
        write_json(json_file, result, found)
    counted = console.counted(len(videos), "video")
    console.say(f"PoseTrack AP of {predictions}, {counted}, boxes: {BOXES}", style="bold")
    console.say(drawn(table(result, found)))


def read_judged(files: list[tuple[Path, Path]]) -> list[Judged]:
    """Read and judge each video, one in memory at a time; warns of joints without a score."""
    from tarvitpose.metrics.posetrack_ap import judge
    from tarvitpose.metrics.posetrack_files import read_pairs

    videos, unscored = [], 0
    for predicted, annotated in files:
        pairs = read_pairs(predicted, annotated)
        unscored += count_unscored(pairs)
        videos.append(judge(pairs))
    if unscored:
        number = console.counted(unscored, "predicted joint")
        console.warn(f"{number} without a score, ranked below all others and misses first")
    return videos


def count_unscored(pairs: list[FramePair]) -> int:
    """Return how many predicted joints have no score in their file."""
    from tarvitpose.metrics.posetrack_ap import present
    from tarvitpose.metrics.posetrack_files import NO_SCORE

    frames = [predicted for _, predicted in pairs]
    return sum(int((one.scores[present(one.keypoints)] == NO_SCORE).sum()) for one in frames)


def intervals(videos: list[Judged], samples: int) -> Intervals:
    """Return the 95% intervals of the groups, the joints and the mean; none without samples."""
    from tarvitpose.metrics.posetrack_ap import bootstrap, interval

    if samples and len(videos) == 1:
        console.warn("--bootstrap draws whole videos and there is only one: no interval")
    if not samples or len(videos) == 1:
        return {}
    drawn_values = [values(result) for result in bootstrap(videos, samples)]
    return {name: interval(one[name] for one in drawn_values) for name in drawn_values[0]}


def values(result: ApResult) -> dict[str, float]:
    """Return the AP of groups, joints and mean by name."""
    return {**result.groups, **result.joints, "mean": result.mean}


def write_json(path: Path, result: ApResult, found: Intervals) -> None:
    """Write the AP of each joint and their mean, null where there is none. Raises OutputError."""
    from tarvitpose.files import replace_when_done

    ap = {**result.joints, "mean": result.mean}
    content: dict[str, Any] = {"ap": {name: known(value) for name, value in ap.items()}}
    if found:
        content["interval95"] = {name: [known(end) for end in found[name]] for name in ap}
    content["boxes"] = BOXES
    with replace_when_done(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def known(value: float) -> float | None:
    """Return a value as JSON can say it: NaN is null.

    >>> known(1.5), known(float("nan"))
    (1.5, None)
    """
    return None if math.isnan(value) else value


def table(result: ApResult, found: Intervals) -> Table:
    """Return the seven groups and the mean in the paper's order, each beside its joints."""
    from rich import box
    from rich.table import Table

    from tarvitpose.metrics.posetrack_ap import GROUPS

    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "AP", *(["95% interval"] if found else [])):
        rows.add_column(heading, justify="right" if heading else "left")
    rows.add_column("joints")
    for group, value in result.groups.items():
        joints = ", ".join(f"{name} {shown(result.joints[name])}" for name in GROUPS[group])
        rows.add_row(group, shown(value), *shown_interval(found, group), joints)
    rows.add_section()
    rows.add_row("Mean", shown(result.mean), *shown_interval(found, "mean"), "of the 15 joints")
    return rows


def shown(value: float) -> str:
    """Return an AP as the paper prints it.

    >>> shown(81.25), shown(float("nan"))
    ('81.2', '-')
    """
    return "-" if known(value) is None else f"{value:.1f}"


def shown_interval(found: Intervals, name: str) -> list[str]:
    """Return the table's cell for an interval, if there are intervals."""
    return ["..".join(shown(end) for end in found[name])] if found else []


def drawn(rows: Table) -> str:
    """Return a table as text of one width, whatever the terminal's."""
    from rich.console import Console

    page = Console(width=100, color_system=None, force_terminal=False)
    with page.capture() as captured:
        page.print(rows)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n")
