"""`tarvitpose train`: one YAML file is one experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Changes
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.optional import check_installed

if TYPE_CHECKING:
    from tarvitpose.training.config import TrainConfig

STOPPED = "stopped; the same command continues from the last saved state"


def run(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="YAML file, or one that comes with the package: posetrack17/s."
        ),
    ],
    changes: Changes = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start from the beginning instead of the last saved state."),
    ] = False,
) -> None:
    """Train a model, or continue where the last run stopped.

    Ctrl-C is safe: the same command continues from the last saved state. run.devices=2
    trains on two devices.
    """
    for module in ("torch", "lightning_fabric"):
        check_installed(module, "training", "train")
    experiment = check_experiment(config, changes)
    from tarvitpose.training.devices import is_first_process
    from tarvitpose.training.loop import train

    with console.stoppable(STOPPED):
        weights = train(experiment, console.say, resume=not fresh)
    if is_first_process():
        console.say(f"weights: {weights}")


def check_experiment(file: Path, changes: Sequence[str] | None) -> TrainConfig:
    """Return a configuration whose data and weights are here, without PyTorch. Raises UserError."""
    from tarvitpose.training.config import load_train_config, model_config

    experiment = load_train_config(file, tuple(changes or ()))
    check_writable(experiment.output)
    model_config(experiment)
    for source in (*experiment.data.train, *experiment.data.validation):
        for path in filter(None, (source.annotations, source.images)):
            checks.existing(path)
    return experiment
