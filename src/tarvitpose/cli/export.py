"""`tarvitpose export`: a model as graphs for OpenVINO and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.demo import demo_clip
from tarvitpose.cli.options import Overwrite, with_options
from tarvitpose.config import EstimatorConfig, GraphPrecision
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.config_base import LARGEST_FACTOR

if TYPE_CHECKING:
    from tarvitpose.inference.export import Agreement

MaxError = Annotated[
    float,
    typer.Option(
        min=0,
        max=LARGEST_FACTOR,
        help="Pixels by which 99% of the joints may differ from PyTorch's at most; with int8, "
        "half of them.",
    ),
]


@with_options(EstimatorConfig, "weights")
def run(
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder of graphs to write.")
    ],
    *,
    config: EstimatorConfig,
    check: Annotated[
        str | None,
        typer.Option(metavar="CLIP", help="Video for the comparison; the demo clip by default."),
    ] = None,
    precision: Annotated[
        GraphPrecision,
        typer.Option(help="fp16 halves the files; int8 makes the encoder faster and less exact."),
    ] = "fp32",
    max_error: MaxError = 0.5,
    rtmlib: Annotated[
        bool,
        typer.Option("--rtmlib", help="Also write rtmlib.onnx: single frames in fp32."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a model as graphs for --backend openvino and onnxruntime.

    The graphs run on a clip and are compared with PyTorch, joint by joint where PyTorch's score is
    0.3 or more. Where they differ by more than --max-error, nothing is written. On processors with
    bfloat16, which OpenVINO then uses unless predict is given --precision fp32, one more line
    shows its errors. The backends also work without this: predict writes its own graphs.
    """
    clip = check or str(demo_clip())
    checks.existing_source(clip)
    check_writable(output.parent)
    from tarvitpose.inference.graph_folder import refuse_existing

    refuse_existing(output, overwrite=overwrite)
    checks.local_weights(config.weights)
    from tarvitpose.inference.export import export

    agreements = export(
        config.weights,
        output,
        clip=clip,
        precision=precision,
        max_error=max_error,
        overwrite=overwrite,
        rtmlib=rtmlib,
    )
    console.say(f"{output}: the graphs agree with PyTorch on {clip}", style="bold")
    for line in table(agreements):
        console.say(line)
    console.say(f"use them: tarvitpose predict VIDEO --weights {output}")


def table(agreements: list[Agreement]) -> list[str]:
    """Return the lines that say how well each backend agrees."""
    errors = "".join(f"{name:>12}" for name in ("median", "99%", "largest"))
    title = f"  {'backend':<12}{'in':>4}{'joints':>8}{errors}{'speed':>8}"
    rows = [
        f"  {row.backend:<12}{row.precision:>4}{row.joints:>8}{row.median:>9.3f} px"
        f"{row.most:>9.3f} px{row.largest:>9.3f} px{row.speed:>7.2f}x"
        for row in agreements
    ]
    return [title, *rows]
