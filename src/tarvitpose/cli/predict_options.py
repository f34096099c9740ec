"""The options of `tarvitpose predict`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

FORMATS = ("coco", "posetrack", "openpose", "mmpose", "csv", "parquet", "npz")


def completing(*values: str) -> Callable[[str], list[str]]:
    """Return what a shell asks for the values that begin as typed."""
    return lambda incomplete: [value for value in values if value.startswith(incomplete)]


def complete_formats(incomplete: str) -> list[str]:
    """Return the lists with commas that go on from what was typed.

    >>> complete_formats("csv,co"), complete_formats("csv,cs")
    (['csv,coco'], [])
    """
    done, comma, begun = incomplete.rpartition(",")
    rest = [name for name in FORMATS if name not in done.split(",")]
    return [f"{done}{comma}{name}" for name in rest if name.startswith(begun)]


def above_zero(value: float | None) -> float | None:
    """Return a number above 0, or None. Raises a usage error for others."""
    if value is not None and not value > 0:
        raise typer.BadParameter(f"must be above 0, got {value:g}")
    return value


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


class Tracker(StrEnum):
    """What tells people apart over time."""

    IOU = "iou"
    BYTETRACK = "bytetrack"
    OCSORT = "ocsort"


class SmoothMethod(StrEnum):
    """How joints are smoothed over time."""

    NONE = "none"
    ONE_EURO = "one-euro"
    SAVGOL = "savgol"


class Engine(StrEnum):
    """Where many videos are processed."""

    LOCAL = "local"
    RAY = "ray"


class CropPolicy(StrEnum):
    """Which box cuts the frames of a window."""

    ANCHORED = "anchored"
    WINDOW = "window"
    OWN = "own"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Video files, folders of videos or of frames, quoted globs, a webcam's number or a "
        "stream's URL.",
        show_default=False,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="default, a weights folder or a hub id.", autocompletion=completing("default")
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda, cuda:0 or mps.",
        autocompletion=completing("auto", "cpu", "cuda", "mps"),
    ),
]
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
TrackBy = Annotated[
    Tracker,
    typer.Option(
        "--tracker", help="Who is who: iou is built in, the others need the package trackers."
    ),
]
Person = Annotated[
    str | None,
    typer.Option(
        metavar="ID,...",
        help="Only the people with these numbers in an earlier run with the same options.",
    ),
]
Smooth = Annotated[
    SmoothMethod,
    typer.Option(
        "--smooth",
        help="Steadier joints: one-euro follows at once, savgol sees the future as well; "
        "the raw ones are kept beside them.",
    ),
]
MinCutoff = Annotated[
    float | None,
    typer.Option(
        "--smooth-min-cutoff",
        metavar="HZ",
        callback=above_zero,
        help="Of one-euro: less is steadier.",
    ),
]
Beta = Annotated[
    float | None,
    typer.Option("--smooth-beta", min=0, help="Of one-euro: more follows fast joints."),
]
Window = Annotated[
    float | None,
    typer.Option(
        "--smooth-window",
        metavar="SECONDS",
        callback=above_zero,
        help="Of savgol: more is steadier.",
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
        help="What finds people: nanodet, torchvision, or a transformers model by folder or id.",
        autocompletion=completing("nanodet", "torchvision"),
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
    str,
    typer.Option(
        "--format",
        metavar="NAME,...",
        help=f"Any of {', '.join(FORMATS)}, with commas between.",
        autocompletion=complete_formats,
    ),
]
Render = Annotated[bool, typer.Option("--render/--no-render", help="Draw the poses on a video.")]
ContactSheet = Annotated[bool, typer.Option("--contact-sheet", help="Also make one picture of it.")]
Compare = Annotated[
    bool,
    typer.Option(
        "--compare", help="Also make NAME.compare.mp4: single frames left, TAR-ViTPose right."
    ),
]
KeypointThreshold = Annotated[
    float, typer.Option(min=0, max=1, help="Least score of a drawn joint.")
]
Video = Annotated[
    str, typer.Argument(metavar="VIDEO", help="A video file, or a folder or glob of frames.")
]
Start = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Where to begin.")]
End = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", callback=above_zero, help="Where to stop."),
]
AllowPlaylists = Annotated[
    bool,
    typer.Option(
        "--allow-playlists",
        help="Open HLS and DASH playlists and concat scripts, with all files and addresses that "
        "they name.",
    ),
]
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
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where a run was interrupted; what is done stays."),
]
RunOn = Annotated[
    Engine,
    typer.Option("--engine", help="ray: several workers at once, here or on a cluster."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Of --engine ray; one for each GPU, or without any one for each machine.",
        show_default=False,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Ray cluster that is there already, or auto."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]
