"""The options of `tarvitpose predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
