"""Frozen, validated configurations; every field has one sentence."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tarvitpose.skeleton import JOINT_SETS, JointSet, parse_joint_set, remember
from tarvitpose.utils.config_base import Config, temporal_none
from tarvitpose.utils.config_checks import (
    check_curve,
    check_device,
    check_offsets,
    number_or_auto,
)
from tarvitpose.utils.source_names import short

PATCH = 16
# Far above the largest network that is known; a config that claims more is damaged.
MOST_CHANNELS, MOST_BLOCKS, LARGEST_SIDE = 2048, 64, 1024
CropSide = Annotated[int, Field(le=LARGEST_SIDE)]
GridSide = Annotated[int, Field(le=LARGEST_SIDE // PATCH)]
OFFSETS = (-2, -1, 1, 2)  # of the paper's auxiliary frames
BOX_THRESHOLD = 0.4  # the score from which a detected person is followed
PERSON_SCORE = 0.35  # mean score of the better half of the joints of somebody who is seen

# Every choice of the configurations and of the command line stands here, once.
ViTPoseSize = Literal["s", "b", "l", "h"]
Size = Literal["tiny", ViTPoseSize]
JointSetName = Literal[
    "posetrack15", "posetrack17", "coco17", "coco25", "halpe26", "body25", "wholebody133"
]
NewJoints = Literal["random", "eyes"]  # how joints start that the first weights lack
Codec = Literal["udp", "classic"]  # how joints and heatmaps turn into each other
MaskRule = Literal["paper", "released", "none"]
Layout = Literal["paper", "released"]  # how features become tokens: model/layout.py
Aggregation = Literal[
    "joints",  # JTA and GRA: Table 4 (d), Table 5 (b)
    "all_tokens",  # Table 4 (a): self-attention over the tokens of all frames
    "current_to_auxiliary",  # Table 4 (b): cross-attention from the current frame's tokens
    "auxiliary_first",  # Table 4 (c): self-attention over the auxiliary tokens, then (b)
    "regression",  # Table 5 (a): coordinates straight from JTA's queries
]
AnnotationFormat = Literal["coco", "posetrack17", "posetrack18", "dcpose", "jhmdb"]
PoseFormat = Literal["coco", "posetrack", "openpose", "mmpose", "csv", "parquet", "npz"]
TransferFormat = Literal["trc", "mot", "bvh", "label-studio"]  # what other programs go on with
Backend = Literal["auto", "torch", "openvino", "onnxruntime"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
GraphPrecision = Literal["fp32", "fp16", "int8"]
CropPolicy = Literal["anchored", "window", "own"]
TemporalMode = Literal[
    "tar",  # the temporal part: the paper
    "pooled",  # single frames' heatmaps, moved along each joint's motion: nothing learned
    "fused",  # both
    "none",  # single frames: plain ViTPose
]
Temporal = Literal["auto", TemporalMode]
PeakChoice = Literal["linked", "highest"]
TrackerName = Literal["body", "iou", "bytetrack", "ocsort"]
Colors = Literal["track", "side", "joints"]  # what a skeleton's colours tell apart
Facing = Literal["auto", "right", "left", "camera", "away"]  # where a person faces in the image
SmoothMethod = Literal["none", "one-euro", "savgol"]
Baseline = Literal["transformers"]  # what a benchmark compares with
MeasuredMode = Literal["single", "windowed", "streaming"]
WorkerEngine = Literal["local", "ray"]  # where many videos are processed
POSE_FORMATS: tuple[PoseFormat, ...] = get_args(PoseFormat)
DetEvery = Annotated[int | Literal["auto"], BeforeValidator(number_or_auto)]
Curve = tuple[tuple[float, float], ...]  # points (x, y), rising


CURVES: dict[TemporalMode, str] = {  # the fields of score curves
    "tar": "score_curve",
    "pooled": "pooled_score_curve",
    "fused": "fused_score_curve",
    "none": "single_score_curve",
}


class ModelConfig(Config):
    """One network, as `config.json` stores it beside the weights."""

    width: int = Field(gt=0, le=MOST_CHANNELS)  # C, channels of a token
    depth: int = Field(gt=0, le=MOST_BLOCKS)  # transformer blocks of the encoder
    heads: int = Field(gt=0, le=MOST_CHANNELS)  # of the encoder; a wrong value is silent
    drop_path: float = Field(default=0.0, ge=0, lt=1)  # of the last block, linear from 0
    layer_norm_eps: float = Field(default=1e-6, gt=0)  # of the encoder
    position_grid: tuple[GridSide, GridSide] = (16, 12)  # h, w of the stored position embedding
    input_size: tuple[CropSide, CropSide] = (256, 192)  # height, width of a crop
    joint_set: str | JointSet = "posetrack15"  # a JointSetName, or a set that is not the package's
    decoder: Literal["classic", "simple"] = "classic"
    decoder_width: int = Field(default=256, gt=0, le=MOST_CHANNELS)  # of the classic decoder
    codec: Codec = "udp"
    offsets: tuple[int, ...] = OFFSETS  # auxiliary frames; none: a single-frame ViTPose
    aggregation: Aggregation = "joints"  # JTA and GRA, or one of the paper's alternatives to them
    jta_layers: int = Field(default=6, gt=0, le=MOST_BLOCKS)  # of JTA, or its alternative
    temporal_heads: int = Field(default=4, gt=0, le=MOST_CHANNELS)  # attention heads of JTA and GRA
    mask_rule: MaskRule = "paper"  # none: joints look everywhere
    mask_threshold: float = Field(default=0.2, ge=0, le=1)
    gra_layers: int = Field(default=1, ge=1, le=4)
    # own: the decoder's BatchNorm has separate averages for the final heatmaps
    norm_averages: Literal["shared", "own"] = "shared"
    layout: Layout = "paper"
    score_curve: Curve = ()  # heatmap maximum -> score; none: as it is
    single_score_curve: Curve = ()  # the same without the temporal part
    pooled_score_curve: Curve = ()  # of pooled heatmaps; none: as those of single frames
    fused_score_curve: Curve = ()  # of fused ones; none: as those of the temporal part
    default_temporal: TemporalMode = "tar"  # what "auto" stands for, with a temporal part

    @field_validator("joint_set", mode="before")
    @classmethod
    def _joint_set_is_known(cls, value: Any) -> JointSetName | JointSet:
        if isinstance(value, str):
            if value not in JOINT_SETS:
                raise ValueError(f"must be one of {', '.join(JOINT_SETS)}, got {short(value)!r}")
            return cast(JointSetName, value)
        joints = parse_joint_set(value)
        remember(joints)
        return joints

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name, heads in (("heads", self.heads), ("temporal_heads", self.temporal_heads)):
            if self.width % heads:
                raise ValueError(f"width {self.width} cannot be divided by {name} {heads}")
        if any(side % PATCH or side < 2 * PATCH for side in self.input_size):
            raise ValueError(
                f"input_size {self.input_size} must be multiples of {PATCH} from {2 * PATCH} on"
            )
        if min(self.position_grid) < 1:
            raise ValueError(f"position_grid {self.position_grid} must have a row and a column")
        check_offsets(self.offsets)
        for name in CURVES.values():
            check_curve(getattr(self, name))
        if self.aggregation != "joints" and self.layout == "released":
            raise ValueError('layout "released" is only known for aggregation "joints"')
        if self.aggregation == "regression" and self.codec != "udp":
            raise ValueError('aggregation "regression" needs codec "udp"')
        return self

    @property
    def joints(self) -> JointSet:
        """The joint set, with names, pairs and limbs."""
        return JOINT_SETS[self.joint_set] if isinstance(self.joint_set, str) else self.joint_set

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

    def curve(self, mode: TemporalMode) -> Curve:
        """Return the score curve of one mode."""
        curve: Curve = getattr(self, CURVES[mode])
        if not self.temporal:
            return (mode == "pooled" and curve) or self.score_curve
        alike = {"pooled": self.single_score_curve, "fused": self.score_curve}
        return curve or alike.get(mode, ())

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


class AnchorRule(Config):
    """When a person's crop may stay where it is, for the crop policy "anchored"."""

    margin: float = Field(default=0.02, ge=0, lt=0.5)  # of the crop, free on each side of the box
    scale: float = Field(default=1.25, ge=1)  # how much larger or smaller the box may become


class SmoothConfig(Config):
    """How joints are smoothed over time; an option that is None is the filter's default."""

    smooth: SmoothMethod = Field(
        default="none",
        description="Steadier joints: one-euro answers at once, savgol also uses later frames; the "
        "raw joints are written as well.",
    )
    smooth_min_cutoff: float | None = Field(
        default=None, gt=0, description="For one-euro, in Hz: less is steadier."
    )
    smooth_beta: float | None = Field(
        default=None, ge=0, description="For one-euro: more follows fast joints more closely."
    )
    smooth_window: float | None = Field(
        default=None, gt=0, description="For savgol, in seconds: more is steadier."
    )

    @model_validator(mode="after")
    def _options_fit_the_method(self) -> Self:
        options = ("smooth_min_cutoff", "smooth_beta", "smooth_window")
        for name, method in zip(options, ("one-euro", "one-euro", "savgol"), strict=True):
            if getattr(self, name) is not None and self.smooth != method:
                raise ValueError(f"{name} is for smooth {method}, not for {self.smooth}")
        return self


class NetworkConfig(Config):
    """How a network runs."""

    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:0 or mps.")
    precision: Precision = Field(
        default="auto", description="Number format of the network; auto takes the fastest."
    )
    flip_test: bool = Field(
        default=False, description="Average with the mirrored image, at half the speed."
    )
    batch_size: int = Field(default=16, ge=1, description="Crops that the network reads at once.")

    @model_validator(mode="after")
    def _device_has_a_name(self) -> Self:
        check_device(self.device)
        return self


class EstimatorConfig(NetworkConfig):
    """Everything that decides which poses a `PoseEstimator` gives."""

    _single_frame = model_validator(mode="before")(temporal_none)
    weights: str = Field(
        default="default",
        description="A name that tarvitpose models lists, a weights folder, a checkpoint of "
        "ViTPose, or a hub id.",
    )
    temporal: Temporal = Field(
        default="auto",
        description="How neighbouring frames help. tar: the temporal part of TAR-ViTPose; pooled: "
        "their heatmaps, moved along each joint's motion, also of weights without a temporal part; "
        "fused: both; none: not at all, plain ViTPose. auto: as the weights say, fused for the "
        "default ones.",
    )
    offsets: tuple[int, ...] | None = Field(
        default=None,
        description="Other frames, such as --offsets=-2,-1,1,2; by default those of the weights.",
    )
    compare: bool = Field(
        default=False,
        description="Also write NAME.compare.mp4: single frames on the left, TAR-ViTPose on the "
        "right.",
    )
    backend: Backend = Field(
        default="auto", description="What runs the network; auto takes the fastest."
    )
    crop_policy: CropPolicy = Field(
        default="anchored",
        description="anchored: one box for a person as long as it fits, every crop encoded once; "
        "own: each frame's box; window: the current box for all frames of a window, encoded anew "
        "for each (exact, and several times slower).",
    )
    anchor: AnchorRule = AnchorRule()
    peaks: PeakChoice = Field(
        default="linked",
        description="linked: where a heatmap has several peaks, take those that follow each other "
        "over time; highest: each frame's highest peak.",
    )
    detector: str = Field(
        default="nanodet",
        description="What finds people: nanodet, torchvision, or the folder or hub id of a "
        "transformers model.",
    )
    boxes: Path | None = Field(
        default=None, description="File with the boxes of people, instead of a detector."
    )
    box_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=f"Lowest score of a box; {BOX_THRESHOLD} by default, or 0 for boxes of a file.",
    )
    max_people: int | None = Field(
        default=None, ge=1, description="Keep only so many boxes of a frame, the highest-scoring."
    )
    largest_first: bool = Field(
        default=False, description="With --max-people, keep the largest boxes instead."
    )
    det_every: DetEvery = Field(
        default=1,
        description="Detect people in every Nth frame, and track in between; auto: less often "
        "while everybody is where the tracker expects them, 5 times a second at least.",
    )
    person_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How well a person must be seen over time: the mean score of the better half "
        f"of the joints; {PERSON_SCORE} by default, or 0 for boxes of a file and for weights whose "
        "scores are not calibrated.",
    )
    keep_all: bool = Field(
        default=False,
        description="Keep people whose joints nobody sees, and those who double another.",
    )
    tracker: TrackerName = Field(
        default="body",
        description="What tells people apart: body (motion and clothes), iou (overlap of boxes, as "
        "in the paper), or bytetrack and ocsort, which need the package trackers.",
    )
    reidentify: float = Field(
        default=0.0,
        ge=0,
        description="For the tracker body: for how many seconds somebody who is gone may be "
        "recognised by the clothes; 0 for never.",
    )
    person: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(),
        description="Only people with these track numbers, as an earlier run with the same options "
        "gave them.",
    )

    @property
    def start_threshold(self) -> float:
        """The score from which a box starts a new track."""
        if self.box_threshold is None:
            return BOX_THRESHOLD if self.boxes is None else 0.0
        return self.box_threshold

    @model_validator(mode="after")
    def _offsets_and_modes_fit(self) -> Self:
        check_offsets(self.offsets or ())
        if self.offsets == ():
            raise ValueError("offsets is empty; temporal none uses no other frames")
        if self.compare and self.temporal == "none":
            raise ValueError("compare shows single frames beside another mode than temporal none")
        if self.largest_first and self.max_people is None:
            raise ValueError("largest_first chooses max_people: give both")
        if self.reidentify and self.tracker != "body":
            raise ValueError(f"reidentify is for tracker body, not for {self.tracker}")
        if self.keep_all and self.person_score is not None:
            raise ValueError("keep_all keeps everybody whatever the person_score: give one")
        return self


class PredictConfig(EstimatorConfig, SmoothConfig):
    """One run of `tarvitpose predict`."""

    output: Path = Field(default=Path("results"), description="Folder of results.")
    formats: tuple[str, ...] = Field(
        default=("coco",), description=f"Any of {', '.join(POSE_FORMATS)}, separated by commas."
    )
    render: bool = Field(default=True, description="Draw the poses on a video.")
    contact_sheet: bool = Field(
        default=False, description="Also write one picture of evenly spaced frames."
    )
    keypoint_threshold: float = Field(
        default=0.3, ge=0, le=1, description="Lowest score of a joint that is drawn."
    )
    colors: Colors = Field(
        default="track",
        description="Draw each person in a colour of their own, or the left side of everybody in "
        "amber and the right side in blue, or joints in the colours of their joint set.",
    )
    angles: bool = Field(
        default=False,
        description="Also write joint and segment angles over time, NAME.angles.csv (and, with "
        "--format parquet, NAME.angles.parquet), and draw those of knees, hips, elbows and "
        "shoulders.",
    )
    blur_faces: bool = Field(
        default=False,
        description="Make the heads of all people who are detected unrecognisable in what is "
        "drawn.",
    )
    start: float | None = Field(default=None, ge=0, description="Where to begin.")
    end: float | None = Field(default=None, gt=0, description="Where to stop.")
    live: bool | None = Field(
        default=None,
        description="Drop frames that come too fast, and play a file at its own pace; by default "
        "only webcams and streams are live.",
    )
    allow_playlists: bool = Field(
        default=False,
        description="Open HLS and DASH playlists and concat scripts, with all files and addresses "
        "that they name.",
    )
    show: bool = Field(
        default=False,
        description="Show the poses in a window while they are found; q ends the run and keeps "
        "what there is.",
    )
    overwrite: bool = Field(default=False, description="Replace existing results.")
    resume: bool = Field(
        default=False, description="Continue an interrupted run; what is finished stays."
    )

    @model_validator(mode="after")
    def _output_and_times_fit(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"end {self.end:g} must come after start {self.start:g}")
        if self.resume and self.overwrite:
            raise ValueError("resume keeps existing results and overwrite replaces them: give one")
        if self.blur_faces and not (self.render or self.compare or self.contact_sheet):
            raise ValueError(
                "blur_faces has nothing to draw on: without render give contact_sheet or compare"
            )
        return self
