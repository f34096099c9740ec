"""`tarvitpose convert`: other projects' checkpoints become weights folders."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, get_args

import typer
from pydantic import Field

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import with_options
from tarvitpose.config import MOST_CHANNELS, Codec, CropSide, ModelConfig, ViTPoseSize
from tarvitpose.skeleton import JointSetName
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.config_base import Config
from tarvitpose.weights.named import NAMED


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
        default=None,
        ge=1,
        le=MOST_CHANNELS,
        description="Attention heads of an encoder of unknown size.",
    )
    dataset_index: int | None = Field(
        default=None,
        ge=0,
        le=MOST_CHANNELS,
        description="Expert of a ViTPose+ to use; by default 0 (COCO).",
    )
    codec: Codec | None = Field(
        default=None,
        description="Heatmap encoding of its training; by default classic for a released "
        "TAR-ViTPose, otherwise udp.",
    )
    input_size: tuple[CropSide, CropSide] | None = Field(
        default=None, description="Crop size of its training, such as 256x192."
    )


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A .pth, .pt, .bin or .safetensors file, a Hugging Face folder, a hub id, or a name "
        "that tarvitpose models lists.",
    ),
]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="Weights folder to write.")]


@with_options(ConvertConfig)
def run(source: Source, output: Output, *, config: ConvertConfig) -> None:
    """Turn a checkpoint of another project into a weights folder.

    Recognised are Hugging Face's VitPose, ViTAE's and MMPose's ViTPose, and released TAR-ViTPose.
    """
    checks.checkpoint(source)
    check_writable(output)
    if source in NAMED and not Path(source).exists():  # said before gigabytes are fetched
        named = NAMED[source]
        other = config.size not in (None, named.size)
        checks.refuse_unused({f"--size {config.size}": other}, f"{source} has size {named.size}")
        no_experts = config.dataset_index is not None and named.expert is None
        checks.refuse_unused({"--dataset-index": no_experts}, f"{source} has no experts")
    from tarvitpose.weights.convert import convert

    with console.notes_shown(), source_of(source) as path:
        written = convert(path, output, **config.model_dump())
    console.facts(f"{source} -> {output}", described(written))


@contextmanager
def source_of(source: str) -> Iterator[Path | str]:
    """Yield what to convert, fetched if it is a name that `tarvitpose models` lists."""
    if source not in NAMED or Path(source).exists():
        yield source
        return
    from tarvitpose.weights.converted import weights_cache
    from tarvitpose.weights.fetch import fetched

    with fetched(NAMED[source], weights_cache()) as path:
        yield path


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
