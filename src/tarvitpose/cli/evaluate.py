"""`tarvitpose evaluate`: how good poses are, a model's own or those that stand in files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tarvitpose.cli import console
from tarvitpose.cli.evaluate_model import (
    parse_degradations,
    score_clips,
    score_model,
    score_videos,
)
from tarvitpose.cli.evaluate_options import Options, check_files
from tarvitpose.cli.predict_options import (
    BatchSize,
    Device,
    FlipTest,
    Number,
    Overwrite,
    Precision,
    above_zero,
)
from tarvitpose.cli.tables import ap_table, drawn, write_numbers

if TYPE_CHECKING:
    from tarvitpose.cli.tables import Intervals
    from tarvitpose.metrics.posetrack_ap import FramePair, Matches

UNKNOWN_BOXES = "unknown"  # files of poses do not say whose boxes they come from


class Layout(StrEnum):
    """The layouts of annotations."""

    COCO = "coco"
    POSETRACK17 = "posetrack17"
    POSETRACK18 = "posetrack18"
    DCPOSE = "dcpose"


Predictions = Annotated[
    Path | None,
    typer.Option(metavar="DIR|FILE", help="Score these PoseTrack JSON files, one for each video."),
]
Weights = Annotated[
    str | None, typer.Option(help="Score these: default, a weights folder or a hub id.")
]
Annotations = Annotated[Path | None, typer.Option(metavar="DIR|FILE", help="What people labelled.")]
LayoutName = Annotated[
    Layout | None, typer.Option("--format", help="Of the annotations; guessed if not given.")
]
Images = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where the annotations' file names start; found if absent."),
]
BoxesOf = Annotated[
    str | None,
    typer.Option(
        metavar="gt|detector|FILE",
        help="Whose boxes: the labelled ones (gt, the default), the detector's, or a JSON file's.",
    ),
]
BoxThreshold = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Least score of a box; 0.2, and 0.4 with --videos."),
]
SingleFrame = Annotated[
    bool, typer.Option("--single-frame", help="Score only without the temporal part.")
]
Baselines = Annotated[
    bool,
    typer.Option(
        "--baselines",
        help="Also score the mean of the window's heatmaps, which needs no learning.",
    ),
]
Every = Annotated[
    int, typer.Option(min=1, metavar="N", help="Only one of N labelled frames of each video.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Keep the predictions here; resumable."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only the first N videos, stills or people.")
]
Degradations = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Make clips of stills, the frame degraded like this: clean,motion_blur or all.",
    ),
]
Kinds = Annotated[  # the name of --degradations until version 0.5
    str | None, typer.Option("--kinds", hidden=True)
]
ReliabilityFile = Annotated[
    Path | None,
    typer.Option(
        "--reliability",
        metavar="FILE",
        help="With --degradations: draw how often joints of each score are right (PNG).",
    ),
]
Videos = Annotated[
    list[str] | None,
    typer.Option(metavar="VIDEO", help="Compare how much joints tremble in this; repeatable."),
]
End = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", callback=above_zero, help="Where --videos stop."),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers here.")
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--bootstrap",
        metavar="N",
        min=0,
        help="95% intervals of N draws of videos; 0 is off. 1000 with --weights, else 0.",
    ),
]


def run(
    *,
    weights: Weights = None,
    predictions: Predictions = None,
    annotations: Annotations = None,
    layout: LayoutName = None,
    images: Images = None,
    boxes: BoxesOf = None,
    box_threshold: BoxThreshold = None,
    single_frame: SingleFrame = False,
    baselines: Baselines = False,
    every: Every = 1,
    flip_test: FlipTest = False,
    degradations: Degradations = None,
    kinds: Kinds = None,
    reliability: ReliabilityFile = None,
    videos: Videos = None,
    end: End = None,
    limit: Limit = None,
    output: Output = None,
    overwrite: Overwrite = False,
    json_file: JsonFile = None,
    samples: Samples = None,
    device: Device = "auto",
    precision: Number = Precision.AUTO,
    batch_size: BatchSize = 16,
) -> None:
    """Score poses against what people labelled.

    With --weights, of a model with and without its temporal part: PoseTrack's AP and PCK, COCO's
    AP (--format coco), PCK of clips made from stills (--degradations), or jitter (--videos). With
    --predictions, of files: PoseTrack's AP as poseval computes it, in any of its layouts.
    """
    options = Options(
        weights=weights,
        predictions=predictions,
        annotations=annotations,
        layout=None if layout is None else layout.value,
        images=images,
        boxes=boxes,
        box_threshold=box_threshold,
        single_frame=single_frame,
        baselines=baselines,
        every=every,
        flip_test=flip_test,
        degradations=degradations or kinds,
        reliability=reliability,
        videos=tuple(videos or ()),
        end=end,
        limit=limit,
        output=output,
        overwrite=overwrite,
        json_file=json_file,
        samples=samples,
        device=device,
        precision=precision.value,
        batch_size=batch_size,
    )
    way = options.way()
    if options.degradations is not None:
        parse_degradations(options.degradations)
    check_files(options)
    WAYS[way](options)


def score_files(options: Options) -> None:
    """Score PoseTrack JSON by PoseTrack's average precision, as poseval does."""
    from tarvitpose.metrics.posetrack_ap import aggregate

    assert options.predictions is not None
    assert options.annotations is not None
    videos = read_matches(options.predictions, options.annotations)
    result = aggregate(videos)
    found = intervals(videos, options.samples or 0)
    if options.json_file is not None:
        names = (*result.joints, "mean")
        content: dict[str, Any] = {"ap": {name: result.columns[name] for name in names}}
        if found:
            content["interval95"] = {name: found[name] for name in names}
        write_numbers(options.json_file, {**content, "boxes": UNKNOWN_BOXES})
    counted = console.counted(len(videos), "video")
    title = f"PoseTrack AP of {options.predictions}, {counted}, boxes: {UNKNOWN_BOXES}"
    console.say(title, style="bold")
    console.say(drawn(ap_table(result, found)))


def read_matches(predictions: Path, annotations: Path) -> list[Matches]:
    """Read and judge each video, one in memory at a time where each has its file.

    Warns of joints without a score, and of frames that other names made match by order.
    """
    from tarvitpose.evaluation.posetrack_pairs import read_videos
    from tarvitpose.metrics.posetrack_ap import match

    videos, unscored = [], 0
    renamed: list[str] = []
    for pairs in read_videos(predictions, annotations, renamed.append):
        unscored += count_unscored(pairs)
        videos.append(match(pairs))
    if renamed:
        number = console.counted(len(renamed), "video")
        console.warn(
            f"{number} with other frame names than annotated, matched by order as poseval does "
            f"(the first: {renamed[0]})"
        )
    if unscored:
        number = console.counted(unscored, "predicted joint")
        console.warn(f"{number} without a score, ranked below all others and misses first")
    return videos


def count_unscored(pairs: list[FramePair]) -> int:
    """Return how many predicted joints have no score in their file."""
    from tarvitpose.formats.posetrack_layout import NO_SCORE
    from tarvitpose.metrics.posetrack_ap import present

    frames = [predicted for _, predicted in pairs]
    return sum(int((one.scores[present(one.keypoints)] == NO_SCORE).sum()) for one in frames)


def intervals(videos: list[Matches], samples: int) -> Intervals:
    """Return the 95% intervals of the groups, the joints and the mean; none without samples."""
    from tarvitpose.metrics.posetrack_ap import bootstrap, interval

    if samples and len(videos) == 1:
        console.warn("--bootstrap draws whole videos and there is only one: no interval")
    if not samples or len(videos) == 1:
        return {}
    draws = [result.columns for result in bootstrap(videos, samples)]
    return {name: interval(one[name] for one in draws) for name in draws[0]}


WAYS = {
    "predictions": score_files,
    "weights": score_model,
    "degradations": score_clips,
    "videos": score_videos,
}
