"""What the state of a training depends on, and what its encoded clips do.

Keys that are not named here count, so that a new key is compared without a change here.
"""

from collections.abc import Iterable
from pathlib import Path

from tarvitpose.config import SCORING
from tarvitpose.data.dataset import DRAWING
from tarvitpose.data.records import Record
from tarvitpose.data.sources import label_files
from tarvitpose.data.video_frames import images_digest
from tarvitpose.errors import ConfigError
from tarvitpose.evaluation.clips import encoding_facts
from tarvitpose.training.config import SourceConfig, TrainConfig, model_config
from tarvitpose.training.features import CLEAN_FEATURES, OFFSETS
from tarvitpose.training.step import TrainingStep
from tarvitpose.utils.config_base import renamed
from tarvitpose.utils.hashing import files_digest
from tarvitpose.utils.provenance import Facts, as_json
from tarvitpose.utils.reading import readable
from tarvitpose.weights.files import WEIGHTS_FILE
from tarvitpose.weights.folder import weights_digests

ANEW = "pass --fresh to start anew, or set another output"
AS_CONTENT = {"init", "model", "data.train", "data.validation"}  # and not by their names
WITHOUT_EFFECT = {  # where and how often something is written, how fast, and for how long
    *("output", "data.features", "data.workers", "data.validation_workers"),
    *("run.log_every", "run.save_every", "run.validate_every", "run.wandb"),
    *("run.accelerator", "run.devices", "run.accumulate"),
    *("run.epochs", "run.patience"),
}


def experiment_facts(config: TrainConfig) -> Facts:
    """Return what a training's weights at any step depend on. Raises UserError.

    Of `init` and annotations the content counts. Devices may change where a step stays the same:
    with as many batches in all, and no BatchNorm that learns, which sees one device's clips. The
    number of epochs counts where the rate depends on it.
    """
    run, optim, model = config.run, config.optim, model_config(config)
    facts: Facts = config.model_dump(mode="json")
    for key in AS_CONTENT | WITHOUT_EFFECT:
        section, _, name = key.rpartition(".")
        del (facts[section] if section else facts)[name]
    facts["model"] = model.facts(SCORING)
    facts["init"] = None if config.init is None else weights_digests(config.init)[WEIGHTS_FILE]
    for name in ("train", "validation"):
        sources = enumerate(getattr(config.data, name))
        facts["data"] |= {f"{name}[{at}]": source_facts(source) for at, source in sources}
    facts["run"]["accumulate x devices"] = run.accumulate * run.devices
    if model.decoder == "classic" and "decoder" not in run.frozen:
        facts["run"]["devices"] = run.devices
    if optim.schedule == "cosine":
        facts["run"]["epochs"] = run.epochs
    return facts


def renamed_facts(path: Path, facts: Facts | None) -> Facts | None:
    """Return the facts of an older version with their keys as they are called now.

    Raises ConfigError where `path`, which they are from, holds something else.
    """
    if facts is None:
        return None
    with readable(path, "as notes of what it was made from", ConfigError):
        current = {key: renamed(values) for key, values in facts.items()}
        if "model" in current:  # those of before version 0.14 hold score curves too
            current["model"] = {k: v for k, v in current["model"].items() if k not in SCORING}
        return as_json(current)


def source_facts(source: SourceConfig) -> Facts:
    """Return what the records of a source depend on, but for their images. Raises DataError."""
    unset = {"set"} if source.set is None else set()  # states of before version 0.7 lack it
    facts = source.model_dump(mode="json", exclude={"annotations", "images", *unset})
    return {**facts, "annotations": files_digest(label_files(source.annotations, source.set))}


def image_sample(records: Iterable[Record]) -> str:
    """Return what tells the images of records from others."""
    return images_digest([record.frames[record.current] for record in records])


def clip_facts(
    config: TrainConfig,
    source: SourceConfig,
    step: TrainingStep,
    *,
    offsets: tuple[int, ...],
    records: Iterable[Record],
) -> Facts:
    """Return what the encoded clips of a source depend on; `offsets` are those of their frames."""
    return {
        "drawing": DRAWING,
        "source": {**source_facts(source), "images": image_sample(records)},
        "augment": config.data.augment.model_dump(mode="json"),
        "offsets": offsets,
        "seed": config.encoded_seed,
        "precision": config.run.precision,
        "clean": [CLEAN_FEATURES, OFFSETS] if step.clean_loss_weight else False,
        **encoding_facts(step.model, step.frozen),
    }
