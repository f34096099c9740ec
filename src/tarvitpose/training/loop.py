"""The training loop (Lightning Fabric): from a configuration to weights, resumable at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from tarvitpose.data.coco import read_coco
from tarvitpose.data.dataset import ClipDataset, KeySampler, single_threaded
from tarvitpose.data.posetrack import read_posetrack18
from tarvitpose.data.records import Record
from tarvitpose.errors import DataError, MissingDependencyError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.model.weights import load_checkpoint
from tarvitpose.skeleton import JointSet
from tarvitpose.training.checkpoint import LAST, load_state, save_state
from tarvitpose.training.config import SourceConfig, TrainConfig, model_config
from tarvitpose.training.features import EncodedClips, Together, encode_clips, is_complete
from tarvitpose.training.logs import RunLog
from tarvitpose.training.optim import parameter_groups, rate_factor, set_rate
from tarvitpose.training.step import Batch, TrainingStep
from tarvitpose.training.validation import ValidationSets
from tarvitpose.training.warm_start import warm_start

Report = Callable[[str], None]  # receives one line for a person to read


def train(config: TrainConfig, report: Report, *, resume: bool = True) -> Path:
    """Run an experiment and return the folder of its final weights.

    Goes on from the last saved state in `config.output` if there is one and `resume` is set.
    Raises ConfigError, DataError, WeightsError or OutputError.
    """
    fabric = _fabric(config)
    torch.manual_seed(config.run.seed)
    step = TrainingStep(
        build_model(config),
        frozen=config.run.frozen,
        coarse_loss_weight=config.run.coarse_loss_weight,
    )
    groups = parameter_groups(step.model, config.optim)
    optimizer = torch.optim.AdamW(groups, betas=config.optim.betas)
    state_file = config.output / LAST
    start = _resume(state_file, step.model, optimizer) if resume and state_file.exists() else 0
    module, optimizer = fabric.setup(step, optimizer)
    run = Run(config, fabric=fabric, module=module, step=step, optimizer=optimizer, report=report)
    run.fit(start)
    step.model.eval().save_pretrained(config.output / "weights")
    return config.output / "weights"


def build_model(config: TrainConfig) -> TARViTPose:
    """Return the network to train: weights of `init` where it has them, else random ones."""
    model = TARViTPose(model_config(config))
    if config.init is not None:
        tensors = load_checkpoint(config.init)[1]
        own = model.state_dict()
        fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
        model.load_state_dict(fitting, strict=False)
    return model


def read_source(source: SourceConfig, joints: JointSet) -> list[Record]:
    """Return the records of one source, repeated as it asks. Raises DataError."""
    if source.format == "coco":
        return read_coco(source.annotations, joints, source.images) * source.repeat
    images = source.images or source.annotations.parent
    return read_posetrack18(source.annotations, images, joints) * source.repeat


class Run:
    """One process of a training run."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        fabric: Any,
        module: Any,
        step: TrainingStep,
        optimizer: Any,
        report: Report,
    ) -> None:
        self.config, self.fabric, self.report = config, fabric, report
        self.module, self.step, self.optimizer = module, step, optimizer
        held_out = [
            r for s in config.data.validation for r in read_source(s, step.model.config.joints)
        ]
        self.validation = ValidationSets(held_out, config.data.validation_kinds, step, fabric)

    def fit(self, start: int) -> None:
        """Train from a step to the last one, saving and validating on the way."""
        run = self.config.run
        self.dataset = self._encoded() if self.config.data.cached else self._clips()
        self.steps_per_epoch = max(len(self.dataset) / run.batch_size, 1)  # type: ignore[arg-type]
        self.total = math.ceil(run.epochs * self.steps_per_epoch)
        self.report(f"training: {self.total} steps of {run.batch_size} clips, from step {start}")
        began, losses = time.monotonic(), []
        with RunLog(self.config.output, start) as log:
            if start == 0 and self.config.run.warm_start:
                self._warm_start()
            batches = self._loader(self.dataset, start)
            for done, batch in zip(range(start + 1, self.total + 1), batches, strict=False):
                losses.append(self.advance(batch, done - 1))
                if done % run.log_every == 0 or done == self.total:
                    loss, losses = sum(losses) / len(losses), []
                    pace = (done - start) / (time.monotonic() - began)
                    rate = self.optimizer.param_groups[0]["lr"]
                    log.write(done, loss=loss, lr=rate, steps_per_second=pace)
                    left = (self.total - done) / pace / 60
                    self.report(f"step {done}/{self.total}: loss {loss:.6f}, {left:.0f} min left")
                if done % run.save_every == 0 or done == self.total:
                    self._save(done)
                    scores = self.validation.scores()
                    log.write(done, **scores)
                    for name, score in scores.items():
                        self.report(f"step {done}: {name} {score:.1f}")

    def _warm_start(self) -> None:
        """Set a new temporal part by the first batch's features."""
        self.module.eval()
        with torch.no_grad():
            features, _ = self.step.encode(next(self._loader(self.dataset, 0)))
        warm_start(self.step.model, features)

    def advance(self, batch: Batch, index: int) -> float:
        """Take one optimiser step and return its loss. Raises DataError if that is not finite.

        The random numbers of a step depend on the step alone: that makes a resumed run exact.
        """
        torch.manual_seed(self.config.run.seed * 1_000_003 + index)
        factor = rate_factor(index, self.total, self.steps_per_epoch, self.config.optim)
        set_rate(self.optimizer, factor)
        self.module.train()
        loss = self.module(batch)
        if not torch.isfinite(loss):
            names = ", ".join(batch["name"])
            raise DataError(f"step {index + 1}: the loss is {loss.item()}; the batch is {names}")
        self.fabric.backward(loss)
        if self.config.optim.clip_norm:
            self.fabric.clip_gradients(
                self.module, self.optimizer, max_norm=self.config.optim.clip_norm
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())

    def _loader(self, dataset: Dataset[Any], start: int) -> Iterator[Batch]:
        size = self.config.run.batch_size
        length = len(dataset)  # type: ignore[arg-type]
        return iter(self._prepared(dataset, KeySampler(length, self.config.run.seed, start, size)))

    def _prepared(self, dataset: Dataset[Any], sampler: KeySampler) -> Any:
        loader = DataLoader(
            dataset,
            batch_size=self.config.run.batch_size,
            sampler=sampler,
            num_workers=self.config.data.workers,
            worker_init_fn=single_threaded,
        )
        return self.fabric.setup_dataloaders(loader, use_distributed_sampler=False)

    def _clips(self, *sources: SourceConfig) -> ClipDataset:
        """The clips of the given sources, or of all."""
        model = self.step.model.config
        records = [
            record
            for source in sources or self.config.data.train
            for record in read_source(source, model.joints)
        ]
        return ClipDataset(records, model, self.config.data.augment, self.config.run.seed)

    def _encoded(self) -> Dataset[Any]:
        """The clips of each source, encoded once into a folder of its own."""
        parts = []
        for number, source in enumerate(self.config.data.train):
            folder = self.config.output / "features" / str(number)
            if not is_complete(folder, source.cached_clips):
                self._encode(source, folder)
            parts.append(EncodedClips(folder, self.step.model.config))
        return Together(parts)

    def _encode(self, source: SourceConfig, folder: Path) -> None:
        self.module.eval()
        dataset = self._clips(source)
        loader = self._prepared(dataset, KeySampler(len(dataset), self.config.run.seed))
        recipe = f"{source!r} {self.config.data.augment!r} {self.step.model.config!r}"
        for done in encode_clips(folder, self.step, loader, source.cached_clips, recipe):
            if done // 200 > (done - self.config.run.batch_size) // 200:
                self.report(f"{source.annotations}: {done} of {source.cached_clips} clips encoded")

    def _save(self, done: int) -> None:
        state = {
            "step": done,
            "model": self.step.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(self.config.output / LAST, state)


def _fabric(config: TrainConfig) -> Any:
    try:
        from lightning_fabric import Fabric  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise MissingDependencyError("lightning-fabric", "training", "train") from None
    fabric = Fabric(
        accelerator=config.run.accelerator,
        devices=config.run.devices,
        precision=config.run.precision,
    )
    fabric.launch()
    return fabric


def _resume(path: Path, model: TARViTPose, optimizer: torch.optim.Optimizer) -> int:
    state = load_state(path)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
