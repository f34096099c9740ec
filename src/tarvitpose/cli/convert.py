"""`tarvitpose convert`: other projects' checkpoints become weights folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer
from pydantic import Field

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import with_options
from tarvitpose.config import Codec, Config, JointSetName, ModelConfig, ViTPoseSize
from tarvitpose.errors import WeightsError
from tarvitpose.utils.atomic import check_writable


class ConvertConfig(Config):
    """What the checkpoint does not say of itself."""

    size: ViTPoseSize | None = Field(
        default=None, description="Refuse a checkpoint of another size."
    )
    joint_set: str | None = Field(
        default=None,
        description="Joints of the result, by default those of the source: "
        f"{', '.join(get_args(JointSetName))}, or a file that describes others.",
    )
    source_joints: str | None = Field(
        default=None,
        description="Joints that the source predicts, in its order; by default known by their "
        "number (15, 17, 25, 26, 133) or by its labels.",
    )
    heads: int | None = Field(
        default=None, ge=1, description="Attention heads of an encoder of unknown size."
    )
    dataset_index: int | None = Field(
        default=None, ge=0, description="Expert of a ViTPose+ to use; by default 0 (COCO)."
    )
    codec: Codec | None = Field(
        default=None,
        description="Heatmap encoding of its training; by default classic for a released "
        "TAR-ViTPose, otherwise udp.",
    )
    input_size: tuple[int, int] | None = Field(
        default=None, description="Crop size of its training, such as 256x192."
    )


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A .pth, .pt, .bin or .safetensors file, a Hugging Face folder or a hub id.",
    ),
]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="Weights folder to write.")]


@with_options(ConvertConfig)
def run(source: Source, output: Output, *, config: ConvertConfig) -> None:
    """Turn a checkpoint of another project into a weights folder.

    Recognised are Hugging Face's VitPose, ViTAE's and MMPose's ViTPose, and released TAR-ViTPose.
    """
    check_checkpoint(source)
    check_writable(output)
    from tarvitpose.weights.convert import convert

    with console.notes_shown():
        written = convert(source, output, **config.model_dump())
    console.facts(f"{source} -> {output}", described(written))


def check_checkpoint(source: str) -> None:
    """Raise WeightsError for a file that is not there, or what is no hub id either."""
    from tarvitpose.weights.folder import CHECKPOINTS, find_folder
    from tarvitpose.weights.hub import is_hub_id

    path = Path(source).expanduser()
    if path.suffix in CHECKPOINTS:
        checks.existing(path, WeightsError)
    elif not path.exists() and not is_hub_id(source):
        find_folder(source)  # which says what was expected


def described(config: ModelConfig) -> list[tuple[str, str]]:
    """Return what a converted model is, by name."""
    height, width = config.input_size
    temporal = f"frames {','.join(map(str, config.offsets))}" if config.temporal else "none"
    return [
        ("encoder", f"width {config.width}, {config.depth} blocks, {config.heads} heads"),
        ("decoder", config.decoder),
        ("temporal part", temporal),
        ("input", f"{height}x{width}, {config.codec} heatmaps"),
        ("joints", f"{config.joints.name} ({len(config.joints)})"),
    ]
