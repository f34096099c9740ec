"""Options of `PoseEstimator` and of `tarvitpose predict`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tarvitpose.config.choices import (
    POSE_FORMATS,
    Backend,
    Colors,
    CropPolicy,
    PeakChoice,
    Precision,
    SmoothMethod,
    Temporal,
    TrackerName,
)
from tarvitpose.config.network import Offset, Share, check_offsets
from tarvitpose.utils.config_base import (
    LARGEST_FACTOR,
    LARGEST_ID,
    MOST,
    MOST_CROPS,
    Config,
    temporal_none,
)
from tarvitpose.utils.source_names import short

BOX_THRESHOLD = 0.4  # the score from which a detected person is followed
CONFIRMED_THRESHOLD = 0.3  # the same, where the scores of joints confirm or leave out
CONTINUE, FAINT = 0.5, 0.25  # shares of it down to which a known person is followed
PERSON_SCORE = 0.4  # mean score of the better half of the joints of somebody who is seen
PICTURE_PERSON_SCORE = 0.3  # the same in single pictures, of which several looks are joined


def number_or_auto(value: object) -> object:
    """Return the number that a text is, and anything else as it is.

    Raises ValueError for what is neither "auto" nor a whole number from 1 on.

    >>> number_or_auto("5"), number_or_auto("auto")
    (5, 'auto')
    """
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    is_number = isinstance(number, int) and not isinstance(number, bool)
    if number != "auto" and not (is_number and 1 <= number <= MOST):  # type: ignore[operator]
        raise ValueError(f"must be a whole number from 1 on, or auto, got {short(repr(value))}")
    return number


def check_device(name: str) -> None:
    """Raise ValueError for what no device is called; whether it is here only PyTorch can say."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError(f"device {name!r}: expected auto, cpu, cuda, cuda:0 or mps")


ShareIfGiven = Annotated[float | None, Field(ge=0, le=1)]
DetEvery = Annotated[
    Annotated[int, Field(ge=1, le=MOST)] | Literal["auto"], BeforeValidator(number_or_auto)
]


class AnchorRule(Config):
    """When a person's crop may stay where it is, for the crop policy "anchored"."""

    margin: float = Field(default=0.02, ge=0, lt=0.5)  # of the crop, free on each side of the box
    # how much larger or smaller the box may become
    scale: float = Field(default=1.25, ge=1, le=LARGEST_FACTOR)


class SmoothConfig(Config):
    """How joints are smoothed over time; an option that is None is the filter's default."""

    smooth: SmoothMethod = Field(
        default="none",
        description="Steadier joints: one-euro answers at once, savgol also uses later frames; the "
        "raw joints are written as well.",
    )
    smooth_min_cutoff: float | None = Field(
        default=None, gt=0, le=MOST, description="For one-euro, in Hz: less is steadier."
    )
    smooth_beta: float | None = Field(
        default=None,
        ge=0,
        le=MOST,
        description="For one-euro: more follows fast joints more closely.",
    )
    smooth_window: float | None = Field(
        default=None,
        gt=0,
        le=LARGEST_FACTOR,
        description="For savgol, in seconds: more is steadier.",
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
        default="auto",
        description="Number format of the network; auto takes the fastest that hardly errs. int8: "
        "large products alone, with ONNX Runtime, faster and a little less exact.",
    )
    flip_test: bool = Field(
        default=False, description="Average with the mirrored image, at half the speed."
    )
    batch_size: int = Field(
        default=16, ge=1, le=MOST_CROPS, description="Crops that the network reads at once."
    )

    @model_validator(mode="after")
    def _device_has_a_name(self) -> Self:
        check_device(self.device)
        return self


class EstimatorConfig(NetworkConfig):
    """Everything that decides which poses a `PoseEstimator` gives."""

    _single_frame = model_validator(mode="before")(temporal_none)
    weights: str = Field(
        default="default",
        description="default; tiny, smaller and less exact; another name that tarvitpose models "
        "lists; a weights folder, a checkpoint of ViTPose, or a hub id.",
    )
    temporal: Temporal = Field(
        default="auto",
        description="How neighbouring frames help. tar: the temporal part of TAR-ViTPose; pooled: "
        "their heatmaps, moved along each joint's motion, also of weights without a temporal part; "
        "fused: both; none: not at all, plain ViTPose. auto: as the weights say, fused for the "
        "default ones.",
    )
    offsets: tuple[Offset, ...] | None = Field(
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
    cuda_graphs: bool = Field(
        default=False,
        description="With PyTorch on a GPU (CUDA), launch the network's steps as graphs instead of "
        "kernel by kernel.",
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
    box_threshold: ShareIfGiven = Field(
        default=None,
        description=f"Lowest score of a box; by default {CONFIRMED_THRESHOLD}, "
        f"{BOX_THRESHOLD} with weights whose scores are not calibrated, 0 for boxes of a file.",
    )
    max_people: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Keep only so many boxes of a frame, the highest-scoring.",
    )
    largest_first: bool = Field(
        default=False, description="With --max-people, keep the largest boxes instead."
    )
    det_every: DetEvery = Field(
        default=1,
        description="Detect people in every Nth frame, and track in between; auto: less often "
        "while everybody is where the tracker expects them, 5 times a second at least.",
    )
    person_score: ShareIfGiven = Field(
        default=None,
        description="How well a person must be seen over time: the mean score of the better half "
        f"of the joints; {PERSON_SCORE} by default, {PICTURE_PERSON_SCORE} in single pictures, and "
        "0 for boxes of a file and for weights whose scores are not calibrated.",
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
        le=MOST,
        description="For the tracker body: for how many seconds somebody who is gone may be "
        "recognised by the clothes; 0 for never.",
    )
    person: tuple[Annotated[int, Field(ge=0, le=LARGEST_ID)], ...] = Field(
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

    @property
    def continue_threshold(self) -> float:
        """The score from which a box continues any track."""
        return CONTINUE * self.start_threshold

    @property
    def faint_threshold(self) -> float:
        """The score from which a box continues a track for a moment."""
        share = FAINT if self.tracker == "body" else CONTINUE
        return share * self.start_threshold

    @model_validator(mode="after")
    def _offsets_and_modes_fit(self) -> Self:
        check_offsets(self.offsets or ())
        if self.offsets == ():
            raise ValueError("offsets is empty; temporal none uses no other frames")
        if self.compare and self.temporal == "none":
            raise ValueError(
                "compare shows single frames beside others, and temporal none has none: give one"
            )
        if self.offsets and self.temporal == "none":
            raise ValueError("offsets are other frames, and temporal none uses none: give one")
        if self.boxes and self.detector != type(self).model_fields["detector"].default:
            raise ValueError("boxes stand for a detector: give boxes or detector, not both")
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
    keypoint_threshold: Share = Field(
        default=0.3, description="Lowest score of a joint that is drawn."
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
    start: float | None = Field(default=None, ge=0, le=MOST, description="Where to begin.")
    end: float | None = Field(default=None, gt=0, le=MOST, description="Where to stop.")
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
        return self
