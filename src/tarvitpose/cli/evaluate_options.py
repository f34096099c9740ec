"""The options of `tarvitpose evaluate`, and which of them go together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from tarvitpose.cli import checks
from tarvitpose.config import AnnotationFormat, NetworkConfig, ShareIfGiven, TemporalMode
from tarvitpose.errors import BoxesError, ConfigError
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.config_base import MOST, MOST_REPEATS, temporal_none
from tarvitpose.utils.config_messages import option_name
from tarvitpose.utils.lists import parse_choices

if TYPE_CHECKING:
    from tarvitpose.data.degrade import Degradation
    from tarvitpose.evaluation.datasets import LabelledVideo
    from tarvitpose.skeleton import JointSet

COMMON = {"weights", "json_file", "device"}
NETWORK = {"flip_test", "precision", "batch_size", "boxes", "box_threshold"}
LABELS = {"annotations", "layout", "images", "set_name", "limit"}
MODEL = {"temporal", "baselines", "every", "output", "overwrite", "samples", "reliability"}
DRAWS = 1000  # of videos, for the 95% intervals
MODES = {  # the option that decides what is scored, and all that go with it
    "correction": {"correction", "predictions", "json_file"},
    "predictions": {"predictions", "annotations", "json_file", "samples", "tracks"},
    "videos": COMMON | NETWORK | {"videos", "end", "temporal"},
    "degradations": COMMON | LABELS | {"degradations", "reliability", "temporal", "baselines"},
    "motion": COMMON | LABELS | {"motion", "every", "samples", "precision", "batch_size"},
    "weights": COMMON | NETWORK | LABELS | MODEL,
}
NEEDED = {"correction": ("predictions",), "predictions": ("annotations",), "videos": ("weights",)}


class EvaluateConfig(NetworkConfig):
    """One call of `tarvitpose evaluate`."""

    _single_frame = model_validator(mode="before")(temporal_none)
    weights: str | None = Field(
        default=None, description='Score these: "default", a weights folder or a hub id.'
    )
    predictions: Path | None = Field(
        default=None, description="Score these PoseTrack JSON files, one for each video."
    )
    annotations: Path | None = Field(default=None, description="The labels to compare with.")
    correction: Path | None = Field(
        default=None,
        description="With --predictions, one file of poses in any format: what somebody corrected "
        "of it, for example in CVAT or Label Studio.",
    )
    tracks: bool = Field(
        default=False,
        description="With --predictions: also score track ids, by MOTA, IDF1, HOTA, id switches, "
        "and PoseTrack's MOTA of each joint.",
    )
    layout: AnnotationFormat | None = Field(
        default=None, description="Format of the annotations; recognised by default."
    )
    set_name: str | None = Field(
        default=None, description="Part of the annotations, such as val; of JHMDB test1."
    )
    images: Path | None = Field(
        default=None,
        description="Folder that file names in the annotations start from; found by default.",
    )
    boxes: str | None = Field(
        default=None,
        description="Boxes of people: the labelled ones (gt, the default), those of the detector, "
        "or those in a JSON file.",
    )
    box_threshold: ShareIfGiven = Field(
        default=None, description="Lowest score of a box; 0.2 by default, and 0.4 with --videos."
    )
    temporal: TemporalMode = Field(
        default="tar",
        description="How neighbouring frames help, as predict has it; none scores single frames "
        "alone.",
    )
    baselines: bool = Field(
        default=False,
        description="Also score what needs no learning: means of the window's heatmaps, of its "
        "neighbours' and of its tokens, and heatmaps pooled along the joints' motion.",
    )
    motion: bool = Field(
        default=False,
        description="Score labelled videos by how fast joints move: clean, degraded and with "
        "shifted boxes, beside the baselines.",
    )
    every: int = Field(
        default=1, ge=1, le=MOST, description="Only one of N labelled frames of each video."
    )
    degradations: str | None = Field(
        default=None,
        description="Score clips made from stills, whose frames are degraded like this: "
        "clean,motion_blur for example, or all.",
    )
    reliability: Path | None = Field(
        default=None,
        description="Draw how often joints of each score are right, in labelled boxes (PNG).",
    )
    videos: list[str] = Field(
        default=[], description="Compare the jitter of joints in this video; can be repeated."
    )
    end: float | None = Field(default=None, gt=0, le=MOST, description="Where --videos stop.")
    limit: int | None = Field(
        default=None, ge=1, le=MOST, description="Only the first N videos, stills or people."
    )
    output: Path | None = Field(
        default=None,
        description="Store the predictions in this folder; the same command then resumes.",
    )
    overwrite: bool = Field(default=False, description="Replace existing predictions.")
    json_file: Path | None = Field(default=None, description="Also write the numbers here.")
    samples: int | None = Field(
        default=None,
        ge=0,
        le=MOST_REPEATS,
        description="95% intervals from N draws of videos, 0 for none; 1000 by default with "
        "--weights, otherwise 0.",
    )

    @property
    def draws(self) -> int:
        """How many draws give a model's 95% intervals."""
        return DRAWS if self.samples is None else self.samples

    def mode(self) -> str:
        """Return what is scored, a key of MODES.

        Raises ConfigError where an option is missing or does not go with the others.
        """
        fields = type(self).model_fields.items()
        options = {name for name, field in fields if getattr(self, name) != field.default}
        mode = next((name for name in MODES if name in options), None)
        if mode is None:
            raise ConfigError(
                "evaluate: expected --weights (a model) or --predictions (files of poses)"
            )
        for name in sorted(options - MODES[mode]):
            others = [other for other in MODES if name in MODES[other]]
            if mode == "weights" or (len(others) == 1 and others[0] not in options):
                named = " or ".join(map(option_name, others))
                raise ConfigError(f"evaluate: {option_name(name)} is for {named}")
            raise ConfigError(
                f"evaluate: {option_name(name)} cannot be combined with {option_name(mode)}"
            )
        for name in NEEDED.get(mode, ("weights", "annotations")):
            if name not in options:
                raise ConfigError(f"evaluate: {option_name(mode)} also needs {option_name(name)}")
        if mode == "videos" and self.boxes == "gt":
            raise ConfigError("--boxes gt: videos have no labelled boxes; use detector or a file")
        if mode == "videos" and self.temporal == "none":
            raise ConfigError("--videos compares --temporal tar, pooled or fused with none")
        return mode


def labelled_videos(options: EvaluateConfig, joints: JointSet) -> list[LabelledVideo]:
    """Read the labelled frames of the annotations. Raises DataError."""
    from tarvitpose.evaluation.datasets import read_labelled

    assert options.annotations is not None
    return read_labelled(
        options.layout,
        options.annotations,
        joints,
        images=options.images,
        limit=options.limit,
        set_name=options.set_name,
    )


def check_files(options: EvaluateConfig) -> None:
    """Refuse files that are not there or could not be written, before anything slow is loaded.

    Raises UserError.
    """
    files = (options.predictions, options.correction, options.annotations, options.images)
    for path in filter(None, files):
        checks.existing(path)
    for video in options.videos:
        checks.existing_source(video)
    checks.writable_files(options.json_file, options.reliability)
    if options.output is not None:
        check_writable(options.output)
    if options.boxes is not None and options.boxes.endswith(".json"):
        checks.existing(options.boxes, BoxesError)
    if options.weights is not None:
        checks.local_weights(options.weights)


def parse_degradations(text: str) -> tuple[Degradation, ...]:
    """Return the degradations of a list with commas; "all" is every one. Raises ConfigError.

    >>> parse_degradations("dark, clean")
    ('clean', 'dark')
    """
    from tarvitpose.data.degrade import DEGRADATIONS

    names = parse_choices("--degradations", text, DEGRADATIONS, allow_all=True)
    return tuple(name for name in DEGRADATIONS if name in names)
