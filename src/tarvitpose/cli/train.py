"""`tarvitpose train`: one YAML file is one experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.utils.atomic import check_writable

if TYPE_CHECKING:
    from tarvitpose.training.config import TrainConfig


def run(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="YAML file, such as configs/posetrack17/s.yaml."),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Changes to the configuration, such as run.epochs=2 optim.lr=1e-4.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start from the beginning instead of the last saved state."),
    ] = False,
) -> None:
    """Train a model, or continue where the last run stopped.

    Ctrl-C is safe: the same command continues from the last saved state. run.devices=2
    trains on two devices.
    """
    from tarvitpose.training.config import load_train_config

    experiment = load_train_config(config, tuple(changes or ()))
    check_experiment(experiment)
    from tarvitpose.training.devices import is_first_process
    from tarvitpose.training.loop import train

    try:
        weights = train(experiment, console.say, resume=not fresh)
    except KeyboardInterrupt:
        console.stopped("stopped; the same command continues from the last saved state")
        raise typer.Exit(130) from None
    if is_first_process():
        console.say(f"weights: {weights}")


def check_experiment(experiment: TrainConfig) -> None:
    """Refuse missing data and weights before PyTorch is loaded. Raises UserError."""
    from tarvitpose.training.config import model_config

    check_writable(experiment.output)
    model_config(experiment)
    for source in (*experiment.data.train, *experiment.data.validation):
        for path in filter(None, (source.annotations, source.images)):
            checks.existing(path)
