"""One network, as `config.json` stores it beside the weights, and ViTPose's sizes."""

from collections.abc import Collection
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tarvitpose.config.choices import Aggregation, Codec, Layout, MaskRule, Temporal, TemporalMode
from tarvitpose.skeleton import JOINT_SETS, JointSet, parse_joint_set, remember
from tarvitpose.utils.config_base import Config
from tarvitpose.utils.source_names import short

PATCH = 16
# Far above the largest network that is known; a config that claims more is damaged.
MOST_CHANNELS, MOST_BLOCKS, LARGEST_SIDE = 2048, 64, 1024
LARGEST_OFFSET = 300
CropSide = Annotated[int, Field(ge=2 * PATCH, le=LARGEST_SIDE, multiple_of=PATCH)]
GridSide = Annotated[int, Field(ge=1, le=LARGEST_SIDE // PATCH)]
Offset = Annotated[int, Field(ge=-LARGEST_OFFSET, le=LARGEST_OFFSET)]
Share = Annotated[float, Field(ge=0, le=1)]
BOX_PADDING = 1.25  # size of a crop relative to the box (paper, section 3)
OFFSETS = (-2, -1, 1, 2)  # of the paper's auxiliary frames

Curve = tuple[tuple[Share, Share], ...]  # points (x, y), rising


CURVES: dict[TemporalMode, str] = {  # the fields of score curves
    "tar": "score_curve",
    "pooled": "pooled_score_curve",
    "fused": "fused_score_curve",
    "none": "single_score_curve",
}
FLIP_CURVE = "flip_score_curve"
ALL_CURVES = (*CURVES.values(), FLIP_CURVE)
SCORING = {*ALL_CURVES, "default_temporal"}  # fields that no weights depend on
# Fields that came later than version 0.9.
LATER = ("key_positions", "gra_gate", "fine_cells", "merge_after", "box_padding", "mlp_ratio")


def check_offsets(offsets: tuple[int, ...]) -> None:
    """Raise ValueError unless the offsets are sorted, distinct and without the current frame."""
    if 0 in offsets or list(offsets) != sorted(set(offsets)):
        raise ValueError(f"offsets {offsets} must be sorted, distinct and without 0")


def check_curve(curve: Curve) -> None:
    """Raise ValueError unless the points of a score curve rise in both values, within 0..1."""
    for values in zip(*curve, strict=True):
        if list(values) != sorted(set(values)) or not 0 <= values[0] <= values[-1] <= 1:
            raise ValueError(
                f"score curve {curve}: both values must rise from point to point, in 0..1"
            )


class ModelConfig(Config):
    """One network, as `config.json` stores it beside the weights."""

    width: int = Field(gt=0, le=MOST_CHANNELS)  # C, channels of a token
    depth: int = Field(gt=0, le=MOST_BLOCKS)  # transformer blocks of the encoder
    heads: int = Field(gt=0, le=MOST_CHANNELS)  # of the encoder; a wrong value is silent
    mlp_ratio: float = Field(default=4.0, gt=0, le=8)  # hidden channels of a block's MLP, of width
    drop_path: float = Field(default=0.0, ge=0, lt=1)  # of the last block, linear from 0
    layer_norm_eps: float = Field(default=1e-6, gt=0, le=1)  # of the encoder
    position_grid: tuple[GridSide, GridSide] = (16, 12)  # h, w of the stored position embedding
    input_size: tuple[CropSide, CropSide] = (256, 192)  # height, width of a crop
    box_padding: float = Field(default=BOX_PADDING, ge=1, le=3)  # size of a crop, of the box
    joint_set: str | JointSet = "posetrack15"  # a JointSetName, or a set that is not the package's
    decoder: Literal["classic", "simple"] = "classic"
    decoder_width: int = Field(default=256, gt=0, le=MOST_CHANNELS)  # of the classic decoder
    codec: Codec = "udp"
    offsets: tuple[Offset, ...] = OFFSETS  # auxiliary frames; none: a single-frame ViTPose
    aggregation: Aggregation = "joints"  # JTA and GRA, or one of the paper's alternatives to them
    jta_layers: int = Field(default=6, gt=0, le=MOST_BLOCKS)  # of JTA, or its alternative
    temporal_heads: int = Field(default=4, gt=0, le=MOST_CHANNELS)  # attention heads of JTA and GRA
    mask_rule: MaskRule = "paper"  # none: joints look everywhere; soft: rather where they are
    mask_threshold: float = Field(default=0.2, ge=0, le=1)
    gra_layers: int = Field(default=1, ge=1, le=4)
    # Not in the paper; both begin as if they were absent.
    key_positions: bool = False  # JTA's tokens tell their position and frame
    gra_gate: bool = False  # each token of the current frame decides how far it is restored
    # Of the cells of 2 x 2 tokens so many stay as they are, where joints are expected; after the
    # first `merge_after` blocks all others become one token each. 0: nothing is merged.
    fine_cells: int = Field(default=0, ge=0, le=(LARGEST_SIDE // (2 * PATCH)) ** 2)
    merge_after: int = Field(default=2, ge=1, le=MOST_BLOCKS)
    # own: the decoder's BatchNorm has separate averages for the final heatmaps
    norm_averages: Literal["shared", "own"] = "shared"
    layout: Layout = "paper"
    score_curve: Curve = ()  # heatmap maximum -> score; none: as it is
    single_score_curve: Curve = ()  # the same without the temporal part
    flip_score_curve: Curve = ()  # of single frames with the flip test; none: as those without
    pooled_score_curve: Curve = ()  # of pooled heatmaps; none: as those of single frames
    fused_score_curve: Curve = ()  # of fused ones; none: as those of the temporal part
    default_temporal: TemporalMode = "tar"  # what "auto" stands for, with a temporal part

    @field_validator("joint_set", mode="before")
    @classmethod
    def _joint_set_is_known(cls, value: Any) -> str | JointSet:
        if isinstance(value, str):
            if value not in JOINT_SETS:
                raise ValueError(f"must be one of {', '.join(JOINT_SETS)}, got {short(value)!r}")
            return value
        joints = parse_joint_set(value)
        remember(joints)
        return joints

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name, heads in (("heads", self.heads), ("temporal_heads", self.temporal_heads)):
            if self.width % heads:
                raise ValueError(f"width {self.width} cannot be divided by {name} {heads}")
        check_offsets(self.offsets)
        self._check_cells()
        for name in ALL_CURVES:
            check_curve(getattr(self, name))
        if self.aggregation != "joints" and self.layout == "released":
            raise ValueError('layout "released" is only known for aggregation "joints"')
        if self.layout == "released" and (self.key_positions or self.mask_rule == "soft"):
            raise ValueError('key_positions and mask_rule "soft" need layout "paper"')
        if self.aggregation == "regression" and self.codec != "udp":
            raise ValueError('aggregation "regression" needs codec "udp"')
        return self

    def _check_cells(self) -> None:
        height, width = (side // PATCH for side in self.input_size)
        if self.fine_cells and (height % 2 or width % 2):
            raise ValueError(f"fine_cells need crops of multiples of {2 * PATCH} pixels")
        if self.fine_cells > height * width // 4:
            raise ValueError(f"fine_cells {self.fine_cells}: there are {height * width // 4} cells")

    @property
    def joints(self) -> JointSet:
        """The joint set, with names, pairs and limbs."""
        return JOINT_SETS[self.joint_set] if isinstance(self.joint_set, str) else self.joint_set

    @property
    def mlp_width(self) -> int:
        """Hidden channels of each block's MLP."""
        return round(self.mlp_ratio * self.width)

    @property
    def temporal(self) -> bool:
        """Whether there is a temporal part."""
        return bool(self.offsets)

    @property
    def own_averages(self) -> bool:
        """Whether the final heatmaps have averages of their own: only classic decoders have any."""
        decodes = self.temporal and self.aggregation != "regression" and self.decoder == "classic"
        return decodes and self.norm_averages == "own"

    def mode(self, temporal: Temporal) -> TemporalMode:
        """Return what "auto" stands for with these weights; anything else is itself."""
        if temporal != "auto":
            return temporal
        return self.default_temporal if self.temporal else "none"

    def curve(self, mode: TemporalMode, *, flip_test: bool = False) -> Curve:
        """Return the score curve of one mode, with or without the flip test."""
        if flip_test and mode == "none" and self.flip_score_curve:
            return self.flip_score_curve
        curve: Curve = getattr(self, CURVES[mode])
        if not self.temporal:
            return (mode == "pooled" and curve) or self.score_curve
        alike = {"pooled": self.single_score_curve, "fused": self.score_curve}
        return curve or alike.get(mode, ())

    def facts(self, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Return what stored results of this network are compared by, without some keys.

        A `LATER` key counts where it is not at its default, so that older results stay good.
        """
        defaults = {name: type(self).model_fields[name].default for name in LATER}
        unused = {name for name, value in defaults.items() if getattr(self, name) == value}
        return self.model_dump(mode="json", exclude={*exclude, *unused})

    @property
    def masked(self) -> bool:
        """Whether the temporal part looks through a mask made from coarse heatmaps."""
        uses_joints = self.aggregation in ("joints", "regression")
        return self.temporal and uses_joints and self.mask_rule != "none"


def window_offsets(offsets: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Return the offsets of all frames of a window, and the index of the current one.

    >>> window_offsets((-2, -1, 1, 2))
    ((-2, -1, 0, 1, 2), 2)
    >>> window_offsets((-1,))
    ((-1, 0), 1)
    """
    frames = tuple(sorted((*offsets, 0)))
    return frames, frames.index(0)


# Each makes a config and takes changes to it; tiny is not one of ViTPose's sizes.
vit_tiny = partial(ModelConfig, width=192, depth=12, heads=3, decoder_width=128)
vit_small = partial(ModelConfig, width=384, depth=12, heads=12, drop_path=0.1)
vit_base = partial(ModelConfig, width=768, depth=12, heads=12, drop_path=0.3)
vit_large = partial(ModelConfig, width=1024, depth=24, heads=16, drop_path=0.5)
vit_huge = partial(ModelConfig, width=1280, depth=32, heads=16, drop_path=0.55)
SIZES = {"tiny": vit_tiny, "s": vit_small, "b": vit_base, "l": vit_large, "h": vit_huge}


def size_name(config: ModelConfig) -> str:
    """Return the size of an encoder, or its width and depth where it is no known one.

    >>> size_name(vit_small()), size_name(vit_small(width=24, depth=2))
    ('s', '24x2')
    """
    shape = (config.width, config.depth)
    names = {(make().width, make().depth): name for name, make in SIZES.items()}
    return names.get(shape, f"{shape[0]}x{shape[1]}")
