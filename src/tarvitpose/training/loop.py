"""The training loop (Lightning Fabric): from a configuration to weights, resumable at any step."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from tarvitpose.errors import ConfigError, WeightsError
from tarvitpose.inference.fast import fold_attention
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.batches import Batches, ReportLine, next_batch, read_sources
from tarvitpose.training.best import Best, check_monitor
from tarvitpose.training.checkpoint import KIND, LAST, load_state, save_state
from tarvitpose.training.config import TrainConfig, model_config
from tarvitpose.training.devices import close_devices, open_devices, shared_statistics, together
from tarvitpose.training.ema import Ema
from tarvitpose.training.facts import ANEW, experiment_facts, image_sample, renamed_facts
from tarvitpose.training.logs import WANDB_RUN, RunLog, open_wandb
from tarvitpose.training.optim import parameter_groups, rate_factor
from tarvitpose.training.step import Batch, TrainingStep
from tarvitpose.training.stepper import Stepper
from tarvitpose.training.validation import ValidationSets, fixed_share
from tarvitpose.training.warm_start import warm_start
from tarvitpose.utils.optional import require
from tarvitpose.utils.provenance import Facts, as_json, require_same
from tarvitpose.utils.reading import readable
from tarvitpose.weights.folder import load_config
from tarvitpose.weights.joint_rows import match_joints, new_joints_of


def train(config: TrainConfig, report: ReportLine, *, resume: bool = True) -> Path:
    """Run an experiment and return the folder of its final weights.

    Goes on from the last saved state in `config.output` if there is one and `resume` is set.
    Raises ConfigError, also where that state is of another experiment, DataError, WeightsError,
    OutputError or MissingDependencyError.
    """
    if config.run.wandb:  # before anything of an earlier run is removed
        require("wandb", "run.wandb", "wandb")
    step = training_step(config)
    some_unused = step.model.config.aggregation == "regression"  # the decoder, then
    fabric = open_devices(config.run, some_unused=some_unused)
    run = TrainingRun(config, fabric=fabric, step=step, report=report)
    fabric.launch()  # from here on there may be several processes
    try:
        weights = run.fit(resume=resume)
    except KeyboardInterrupt:
        if fabric.is_global_zero:
            raise
        raise SystemExit(0) from None
    close_devices(fabric)
    return weights


def training_step(config: TrainConfig) -> TrainingStep:
    """Return the network to train and its loss. Raises ConfigError or WeightsError."""
    torch.manual_seed(config.run.seed)
    model = build_model(config)
    return TrainingStep(
        model,
        frozen=config.run.frozen,
        frozen_blocks=config.run.frozen_blocks,
        coarse_loss_weight=config.run.coarse_loss_weight,
        position_loss_weight=config.run.position_loss_weight,
        clean_loss_weight=config.run.clean_loss_weight,
    )


def build_model(config: TrainConfig) -> TARViTPose:
    """Return the network to train: weights of `init` where it has them, else random ones.

    Joints are taken over by name. For a warm start the temporal part is a new one, also where
    `init` has one. Raises ConfigError where the weights' joints cannot be told apart, or more
    blocks are to be frozen than there are.
    """
    model = fold_attention(TARViTPose(model_config(config)))
    if config.run.frozen_blocks > model.config.depth:
        raise ConfigError(
            f"run.frozen_blocks: asked for {config.run.frozen_blocks}, the encoder has "
            f"{model.config.depth} blocks"
        )
    if config.init is not None:
        source = TARViTPose.from_pretrained(config.init)
        start, tensors, initial = source.config, source.state_dict(), model.state_dict()
        if start.joints != model.config.joints:
            if start.temporal and start.layout == "released":
                raise ConfigError(
                    f"model.joint_set: {config.init} has the released layout, whose "
                    f"{start.joint_set} cannot be taken apart"
                )
            tensors = match_joints(
                tensors, start.joints, model.config.joints, initial, config.new_joints
            )
        if config.run.warm_start:
            tensors = {k: v for k, v in tensors.items() if k.startswith(("encoder.", "decoder."))}
        fitting = {k: v for k, v in tensors.items() if k in initial and initial[k].shape == v.shape}
        model.load_state_dict(fitting, strict=False)
        if model.config.own_averages and not any(k.startswith("final_averages.") for k in fitting):
            model.final_averages.follow(model.decoder)
    return model


class TrainingRun:
    """One process of a training run. Making it reads the sources; raises DataError."""

    def __init__(
        self, config: TrainConfig, *, fabric: Any, step: TrainingStep, report: ReportLine
    ) -> None:
        self.config, self.fabric, self.step, self._report = config, fabric, step, report
        model, data = step.model.config, config.data
        self.data = Batches(config, model, fabric)
        held_out = fixed_share(read_sources(data.validation, model.joints), data.validation_share)
        workers = data.validation_workers
        self.validation = ValidationSets(
            held_out,
            data.validation_degradations,
            step,
            fabric,
            workers=data.workers if workers is None else workers,
        )
        scored = [name for name in self.validation.names if not name.endswith("/mask")]
        check_monitor(config.run.monitor, scored)
        self.best = Best(config.run.monitor, config.run.patience)
        self.facts: Facts = {}  # what the weights depend on; rank 0 knows
        self.ema: Ema | None = None
        self.log: RunLog | None = None

    def report(self, line: str) -> None:
        """Report a line, once for all processes."""
        if self.fabric.is_global_zero:
            self._report(line)

    def fit(self, *, resume: bool) -> Path:
        """Train to the last step, save and validate on the way; return the folder of weights."""
        start = self._prepare(resume=resume)
        run = self.config.run
        clips = run.batch_size * run.accumulate * self.fabric.world_size
        self.steps_per_epoch = max(self.data.length / clips, 1)
        self.total = math.ceil(run.epochs * self.steps_per_epoch)
        epochs = max(round(run.validate_epochs * self.steps_per_epoch), 1)
        self.validate_every = (
            epochs if run.validate_epochs else run.validate_every or run.save_every
        )
        with together(self.fabric):
            if start > self.total:
                raise ConfigError(
                    f"{self.config.output / LAST}: is at step {start}, with run.epochs="
                    f"{run.epochs:g} the run ends at step {self.total}; {ANEW}"
                )
        self.report(f"training: {self.total} steps of {clips} clips, from step {start}")
        self._report_new_joints()
        with together(self.fabric):
            self.log = self._open_log(start)
        with self.log or nullcontext():
            self._train(start)
        weights, best = self.config.output / "weights", self.config.output / "best"
        keep_best = run.keep == "best" and self.best.step > 0
        with together(self.fabric), self.averaged():
            if self.fabric.is_global_zero:
                final = TARViTPose.from_pretrained(best) if keep_best else self.step.model.eval()
                final.save_pretrained(weights)
        if self.best.step:
            folders = f"{best} and {weights}" if keep_best else best
            self.report(f"best: step {self.best.step}, score {self.best.score:.1f}, in {folders}")
        return weights

    def _report_new_joints(self) -> None:
        """Report which joints of the model the initial weights lack."""
        if self.config.init is None:
            return
        have, want = load_config(self.config.init).joints, self.step.model.config.joints
        if new := new_joints_of(have, want):
            how = "from the eyes" if self.config.new_joints == "eyes" else "at random"
            self.report(f"{self.config.init} lacks {', '.join(new)}: they start {how}")

    def _saved_state(self, *, resume: bool) -> dict[str, Any] | None:
        """Return the state to go on from; without `resume` there is none. Raises UserError."""
        path = self.config.output / LAST
        with together(self.fabric):
            if self.fabric.is_global_zero:
                records = {"train": self.data.records, "validation": self.validation.records}
                images = {name: image_sample(some) for name, some in records.items()}
                self.facts = as_json({**experiment_facts(self.config), "images": images})
                for earlier in () if resume else (path, path.with_name(WANDB_RUN)):
                    earlier.unlink(missing_ok=True)
        with together(self.fabric):
            state = load_state(path) if path.exists() else None
            if state is not None and self.fabric.is_global_zero:
                before = renamed_facts(path, state.get("facts"))
                require_same(path, before, self.facts, ANEW, ConfigError)
        return state

    def _prepare(self, *, resume: bool) -> int:
        """Bring everything to the devices, as it was saved, and return the steps that are done."""
        state = self._saved_state(resume=resume)
        on_cpu = self.fabric.device.type == "cpu"
        shared_statistics(self.step, self.fabric).to(self.fabric.device)
        if on_cpu:  # the decoder's convolutions are a quarter faster there
            self.step.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.config.data.cached:
            self.data.encode(self.step, self.report, fresh=not resume)
        if state is None and self.config.run.warm_start and self.step.model.config.temporal:
            self._warm_start()
        scaled = getattr(self.fabric.strategy.precision, "scaler", None) is not None
        fused = on_cpu and not scaled  # a fused optimiser would unscale by itself
        groups = parameter_groups(self.step.model, self.config.optim)
        optimizer = torch.optim.AdamW(groups, betas=self.config.optim.betas, fused=fused)
        if self.config.run.ema:
            self.ema = Ema(self.step.model, self.config.run.ema)
        if state is not None:
            with together(self.fabric):
                self._resume(state, optimizer)
        module, self.optimizer = self.fabric.setup(self.step, optimizer)
        self.stepper = Stepper(
            self.config, fabric=self.fabric, module=module, step=self.step, optimizer=self.optimizer
        )
        return 0 if state is None else int(state["step"])

    def _resume(self, state: dict[str, Any], optimizer: Any) -> None:
        """Go on from a state. Raises WeightsError where it does not fit, as after damage."""
        with readable(self.config.output / LAST, KIND, WeightsError):
            self.step.model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            self.best.resume(state["best"])
            if self.ema is not None:
                self.ema.resume(state["ema"])

    def _warm_start(self) -> None:
        """Set a new temporal part by the first batch's features, the same on all ranks."""
        with together(self.fabric):
            batch = next_batch(self.data.read(0, everything=True))
        self.step.eval()
        with torch.no_grad():
            features, _ = self.step.encode(batch)
        warm_start(self.step.model, features)

    def _open_log(self, start: int) -> RunLog | None:
        if not self.fabric.is_global_zero:
            return None
        project, folder, wandb = self.config.run.wandb, self.config.output, None
        if project:
            folder.mkdir(parents=True, exist_ok=True)
            wandb = open_wandb(project, folder, self.config.model_dump(mode="json"))
        return RunLog(folder, start, wandb)

    def _train(self, start: int) -> None:
        run = self.config.run
        batches = self.data.read(start * run.accumulate)
        began, losses = time.monotonic(), []
        for done in range(start + 1, self.total + 1):
            if self.best.is_over:
                self.report(f"stopped: no better score in {self.best.stale} validations")
                return
            losses.append(self.advance(batches, done - 1))
            is_last = done == self.total
            if is_last or done % run.log_every == 0:
                pace = (done - start) / (time.monotonic() - began)
                self._log_loss(done, sum(losses) / len(losses), pace)
                losses = []
            validate = is_last or done % self.validate_every == 0
            save = is_last or done % run.save_every == 0
            if validate or save:
                self._validate_and_save(done, validate=validate, save=save)

    def advance(self, batches: Iterator[Batch], index: int) -> float:
        """Take one optimiser step (from 0) and return its loss. Raises DataError."""
        factor = rate_factor(index, self.total, self.steps_per_epoch, self.config.optim)
        loss, moved = self.stepper.take(batches, index, factor)
        if moved and self.ema is not None:
            self.ema.update(index)
        return loss

    def _log_loss(self, done: int, loss: float, pace: float) -> None:
        values = {"loss": loss, "lr": self.stepper.rate, "steps_per_second": pace}
        if self.stepper.scaler is not None:
            values["loss_scale"] = self.stepper.scaler.get_scale()
        with together(self.fabric):
            if self.log is not None:
                self.log.write(done, **values)
        left = (self.total - done) / pace / 60
        self.report(f"step {done}/{self.total}: loss {loss:.6f}, {left:.0f} min left")

    def _validate_and_save(self, done: int, *, validate: bool, save: bool) -> None:
        """Validate and keep the best weights, and save the state."""
        with together(self.fabric):
            if self.log is not None and validate:
                self._validate(done, self.log)
            if self.log is not None and save:
                save_state(self.config.output / LAST, self._state(done))
        self.best.resume(self.fabric.broadcast(self.best.state()))

    def _validate(self, done: int, log: RunLog) -> None:
        if not self.validation.names:
            return
        with self.averaged():
            scores = self.validation.scores()
            if self.best.note(done, scores):
                self.step.model.save_pretrained(self.config.output / "best")
        log.write(done, **scores)
        for name, score in scores.items():
            self.report(f"step {done}: {name} {score:.1f}")

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model have its averaged weights for a while, if the run averages them."""
        return nullcontext() if self.ema is None else self.ema.applied()

    def _state(self, done: int) -> dict[str, Any]:
        return {
            "step": done,
            "facts": self.facts,
            "model": self.step.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "ema": None if self.ema is None else self.ema.average,
            "best": self.best.state(),
        }
