"""One device or several: which ones, and how their processes agree (Lightning Fabric).

Every device has a process of its own, with a rank. Rank 0 alone writes files and reports. A
process that cannot go on says so to the others at the next agreement, so that none waits forever.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn

import torch
from torch import nn

from tarvitpose.errors import ConfigError, DataError, UserError
from tarvitpose.training.config import RunConfig
from tarvitpose.utils.optional import require

PATIENCE = timedelta(hours=12)  # others wait while rank 0 encodes clips or validates


def open_devices(run: RunConfig, *, some_unused: bool) -> Any:
    """Return a Fabric, not launched yet, for the devices that a run asks for.

    `some_unused` says that some parameters get no gradient. Raises ConfigError if the machine has
    no such devices, MissingDependencyError without Lightning Fabric.
    """
    fabric = require("lightning_fabric", "training", "train")
    kind = _accelerator(run)
    strategies = require("lightning_fabric.strategies", "training", "train")
    several = strategies.DDPStrategy(find_unused_parameters=some_unused, timeout=PATIENCE)
    return fabric.Fabric(
        accelerator=kind,
        devices=run.devices,
        strategy=several if run.devices > 1 else "auto",
        plugins=[_precision(run.precision, kind)],
    )


def _accelerator(run: RunConfig) -> str:
    """The kind of device, where it can do what the run asks for. Raises ConfigError."""
    available = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "cpu": run.devices,  # as many processes as one likes
    }
    kind = run.accelerator
    if kind == "auto":
        kind = "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if run.precision == "16-mixed" and kind != "cuda":
        raise ConfigError(
            f"run.precision: 16-mixed needs cuda, this run is on {kind}: use bf16-mixed or 32-true"
        )
    if run.devices > available[kind]:
        raise ConfigError(
            f"run.devices: asked for {run.devices} of kind {kind}, this machine has "
            f"{available[kind]}"
        )
    started = int(os.environ.get("WORLD_SIZE", run.devices))
    if "TORCHELASTIC_RUN_ID" in os.environ and started != run.devices:
        raise ConfigError(
            f"run.devices: torchrun started {started} processes, the configuration says "
            f"{run.devices}: add run.devices={started}"
        )
    return kind


def _precision(precision: str, kind: str) -> Any:
    """Return Fabric's plugin, which leaves targets and keypoints as exact as they came."""
    from lightning_fabric.plugins import MixedPrecision, Precision  # noqa: PLC0415 - optional

    if precision == "32-true":
        return Precision()
    plugin = MixedPrecision(precision, kind)
    plugin.convert_input = _unchanged  # autocast itself chooses the type of each operation
    return plugin


def _unchanged(values: Any) -> Any:
    return values


def is_first_process() -> bool:
    """Return whether this process speaks for the run, also outside of it."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def shared_statistics(module: nn.Module, fabric: Any) -> nn.Module:
    """Return the module with BatchNorm over the clips of all devices, where there are several.

    PyTorch has that for CUDA only. On CPUs each process normalises by its own clips, and rank 0's
    running averages are the ones that are kept.
    """
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(module)  # type: ignore[no-any-return]
    return module


def close_devices(fabric: Any) -> None:
    """Let the processes part after a run that went well."""
    # Gloo parts with the process: before, it can wait for ever for a thread that needs the GIL.
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        torch.distributed.destroy_process_group()


@contextmanager
def together(fabric: Any) -> Iterator[None]:
    """Let all ranks wait for each other after a block, and all stop if one of them failed in it."""
    problem: Exception | None = None
    try:
        yield
    except Exception as error:  # whatever it is, the others must learn of it
        problem = error
    if any_rank(fabric, problem is not None):
        stop_all(fabric, problem)


def any_rank(fabric: Any, value: bool) -> bool:
    """Return whether the value is true on any rank; every rank must ask."""
    if fabric.world_size == 1:
        return value
    count = torch.tensor(float(value), device=fabric.device)
    return bool(fabric.all_reduce(count, reduce_op="sum") > 0)


def stop_all(fabric: Any, problem: Exception | None) -> NoReturn:
    """Raise rank 0's problem, or DataError with another's; the other ranks end quietly."""
    problems = gathered(fabric, None if problem is None else str(problem))
    is_surprise = problem is not None and not isinstance(problem, UserError)
    if problem is not None and (fabric.is_global_zero or is_surprise):
        raise problem
    if fabric.is_global_zero:
        raise DataError(next(text for text in problems if text is not None))
    raise SystemExit(0)  # rank 0 says it once, and fails for all


def gathered(fabric: Any, value: Any) -> list[Any]:
    """Return the values of all ranks, in their order; every rank must ask."""
    values = [value] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values
