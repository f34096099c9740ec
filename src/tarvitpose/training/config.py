"""The keys of a training configuration; one YAML file is one experiment."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tarvitpose.config import (
    SIZES,
    AnnotationFormat,
    ModelConfig,
    NewJoints,
    Offset,
)
from tarvitpose.data.augment import AugmentConfig
from tarvitpose.data.degrade import Degradation
from tarvitpose.errors import ConfigError, WeightsError
from tarvitpose.utils.config_base import (
    LARGEST_FACTOR,
    MOST,
    MOST_CROPS,
    MOST_PROCESSES,
    MOST_REPEATS,
    Config,
)
from tarvitpose.utils.config_files import parse_config, read_yaml
from tarvitpose.utils.source_names import short
from tarvitpose.weights.folder import load_config
from tarvitpose.weights.joint_sets import find_joint_set, stored

STARTS = {  # ViTPose on the hub; of ViTPose+ the expert of COCO is converted
    "s": "usyd-community/vitpose-plus-small",
    "b": "usyd-community/vitpose-base",
    "l": "usyd-community/vitpose-plus-large",
    "h": "usyd-community/vitpose-plus-huge",
}

Beta = Annotated[float, Field(ge=0, lt=1)]
LossWeight = Annotated[float, Field(ge=0, le=LARGEST_FACTOR)]


class SourceConfig(Config):
    """Labelled people: one annotation file, or a folder of per-video files."""

    format: AnnotationFormat | None = None  # None: recognised by the keys of the file
    annotations: Path  # relative paths start at the working directory
    set: str | None = None  # part of the annotations: train, val; of JHMDB train1 to sub-test3
    images: Path | None = None  # where file names in the annotations start; beside them if absent
    # times the joints' extent, of a person without a box; None: 1.2 in PoseTrack17's layout, 1.3
    # in others
    box_scale: float | None = Field(default=None, gt=0, le=LARGEST_FACTOR)
    # how often each record appears in one epoch
    repeat: int = Field(default=1, ge=1, le=MOST_REPEATS)
    # encode so many clips once; needs a frozen encoder
    cached_clips: int = Field(default=0, ge=0, le=MOST)


class DataConfig(Config):
    """The data to train on, and to validate on."""

    train: tuple[SourceConfig, ...] = Field(min_length=1)
    validation: tuple[SourceConfig, ...] = ()  # never trained on
    validation_degradations: tuple[Degradation, ...] = ("clean", "motion_blur", "occluded")
    validation_share: float = Field(default=1.0, gt=0, le=1)  # of its people, always the same ones
    # for validation alone; None: as `workers`
    validation_workers: int | None = Field(default=None, ge=0, le=MOST_PROCESSES)
    augment: AugmentConfig = AugmentConfig()
    features: Path | None = None  # where encoded clips are stored; output/features if not given
    encoded_offsets: tuple[Offset, ...] | None = None  # of encoded clips; None: the model's own
    # of encoded clips, which runs may share; None: run.seed
    encoded_seed: int | None = Field(default=None, ge=0, le=MOST)
    workers: int = Field(default=2, ge=0, le=MOST_PROCESSES)  # processes that prepare clips

    @property
    def cached(self) -> bool:
        """Whether training reads clips that were encoded once."""
        return any(source.cached_clips for source in self.train)


class OptimConfig(Config):
    """AdamW and its schedule; the defaults are the paper's (appendix A)."""

    lr: float = Field(default=5e-6, gt=0, le=LARGEST_FACTOR)
    encoder_lr_scale: float = Field(default=1.0, gt=0, le=LARGEST_FACTOR)  # times lr
    layer_decay: float = Field(default=1.0, gt=0, le=1)  # of the encoder, per block from the last
    weight_decay: float = Field(default=0.1, ge=0, le=LARGEST_FACTOR)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    warmup_steps: int = Field(default=0, ge=0, le=MOST)
    schedule: Literal["constant", "step", "cosine"] = "step"
    # epochs between two decays of "step"
    decay_every: int = Field(default=5, ge=1, le=MOST_REPEATS)
    decay_factor: float = Field(default=0.5, gt=0, le=1)
    clip_norm: float = Field(default=0.0, ge=0, le=MOST)  # largest norm of the gradient; 0: any


class RunConfig(Config):
    """How long, how large and how often."""

    epochs: float = Field(default=30, gt=0, le=MOST_REPEATS)
    batch_size: int = Field(default=16, ge=1, le=MOST_CROPS)  # clips that one device reads at once
    accumulate: int = Field(default=1, ge=1, le=MOST_CROPS)  # batches of one optimiser step
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"  # 16-mixed needs cuda
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    # of this machine, one process each (DDP)
    devices: int = Field(default=1, ge=1, le=MOST_PROCESSES)
    seed: int = Field(default=0, ge=0, le=MOST)
    ema: float = Field(default=0.0, ge=0, lt=1)  # decay of the weights' running average; 0: none
    frozen: tuple[Literal["encoder", "decoder"], ...] = ()  # parts that keep their weights
    # blocks of the encoder that keep their weights, with all that comes before them
    frozen_blocks: int = Field(default=0, ge=0, le=MOST_REPEATS)
    warm_start: bool = False  # a new temporal part, set from the features of the first batch
    coarse_loss_weight: LossWeight = 0.0  # of the heatmaps before JTA and GRA
    position_loss_weight: LossWeight = 0.0  # of positions that tokens lose
    clean_loss_weight: LossWeight = 0.0  # of the clean frame's heatmaps as targets
    log_every: int = Field(default=10, ge=1, le=MOST)  # steps
    save_every: int = Field(default=200, ge=1, le=MOST)  # steps
    validate_every: int = Field(default=0, ge=0, le=MOST)  # steps; 0: with each save
    # epochs, in place of validate_every; 0: it
    validate_epochs: float = Field(default=0, ge=0, le=MOST_REPEATS)
    keep: Literal["last", "best"] = "last"  # what becomes output/weights; best/ is always written
    monitor: str = ""  # the score that chooses the best weights; "": the mean of all
    # validations without a new best, then stop; 0: go on
    patience: int = Field(default=0, ge=0, le=MOST)
    wandb: str = ""  # project of Weights & Biases that also gets the numbers; "": none


class TrainConfig(Config):
    """One experiment."""

    output: Path  # checkpoints, metrics.jsonl and the final weights go here
    init: str | None = None  # weights to start from: "default", a folder or a hub id
    new_joints: NewJoints = "random"  # how head_bottom and head_top start where init lacks them
    model: dict[str, Any] = Field(default_factory=dict)  # `size` or changes to the config of `init`
    data: DataConfig
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.data.cached and "encoder" not in self.run.frozen:
            raise ValueError("cached_clips of a source needs run.frozen to name the encoder")
        if self.data.cached and not all(source.cached_clips for source in self.data.train):
            raise ValueError("cached_clips is needed for every source of data.train, or for none")
        chosen = self.run.patience or self.run.monitor or self.run.keep == "best"
        if chosen and not self.data.validation:
            raise ValueError("run.patience, run.monitor and run.keep=best need data.validation")
        if self.run.validate_every and self.run.validate_epochs:
            raise ValueError("give only one of run.validate_every and run.validate_epochs")
        if self.run.warm_start and self.init is None:
            raise ValueError("run.warm_start needs an init, whose encoder and decoder it takes")
        if self.init is None and self.model.get("size") is None:
            raise ValueError(f"model.size is needed without init; one of {', '.join(SIZES)}")
        unread = self._unread()
        if unread is not None:
            raise ValueError("{} would change nothing: {}".format(*unread))
        return self

    def _unread(self) -> tuple[str, str] | None:
        """Return a key that was given a value and that nothing would read, and why."""
        data, optim, frozen = self.data, self.optim, "encoder" in self.run.frozen
        stored = {"features", "encoded_offsets", "encoded_seed"}
        of_encoder = {"encoder_lr_scale", "layer_decay"}
        for section, config, names, is_unread, why in (
            ("data", data, stored, not data.cached, "no source has cached_clips"),
            ("optim", optim, of_encoder, frozen, "run.frozen names the encoder"),
            (
                "optim",
                optim,
                {"decay_every", "decay_factor"},
                optim.schedule != "step",
                "only optim.schedule step decays so",
            ),
            ("run", self.run, {"frozen_blocks"}, frozen, "run.frozen names the whole encoder"),
        ):
            for name in sorted(names) if is_unread else ():
                if getattr(config, name) != type(config).model_fields[name].default:
                    return f"{section}.{name}", why
        return None

    @property
    def encoded_seed(self) -> int:
        """The seed of encoded clips."""
        return self.run.seed if self.data.encoded_seed is None else self.data.encoded_seed


def load_train_config(path: Path, overrides: tuple[str, ...] = ()) -> TrainConfig:
    """Read a YAML file with `section.key=value` overrides. Raises ConfigError."""
    return parse_config(TrainConfig, read_yaml(path, overrides), str(path))


def model_config(config: TrainConfig) -> ModelConfig:
    """Return the network's config: that of `init` or of `size`, with the changes asked for."""
    changes = dict(config.model)
    size = changes.pop("size", None)
    if size not in (None, *SIZES):  # also what cannot be a key
        raise ConfigError(
            f"model.size: expected one of {', '.join(SIZES)}, got {short(repr(size))}"
        )
    if config.init is not None:
        _check_start(config.init)
    if isinstance(changes.get("joint_set"), str):  # also a file
        changes["joint_set"] = stored(find_joint_set(changes["joint_set"]))
    base = SIZES[str(size)]() if config.init is None else load_config(config.init)
    if size is not None and base.width != SIZES[str(size)]().width:
        raise ConfigError(f"model.size={size}: init {config.init} has another; leave one out")
    return parse_config(ModelConfig, {**base.model_dump(), **changes}, "model")


def _check_start(init: str) -> None:
    """Raise WeightsError, with what to do, where the recipes' start was not converted yet.

    The hub is not searched for it: a repository of the same name would be another model.
    """
    match = re.fullmatch(r"(?:\./)?weights/vitpose-([sblh])", init)
    if match and not Path(init).is_dir():
        size = match[1]
        raise WeightsError(
            f"init: {init} does not exist; make it from ViTPose's weights: 'tarvitpose convert "
            f"{STARTS[size]} {init} --size {size} --joint-set posetrack15', with a "
            "downloaded checkpoint in place of the hub id; or train one: 'tarvitpose train "
            f"configs/coco/{size}.yaml', and give init=runs/coco/{size}/weights"
        )
