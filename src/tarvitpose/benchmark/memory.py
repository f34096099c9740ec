"""How much memory is used, measured in separate processes: what ran before would count as well.

`resource.getrusage` would not do: Linux passes the parent's peak on to a child, even through
`exec`, and there is no current value.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from tarvitpose.benchmark.cases import CaseKey, pose_case
from tarvitpose.errors import ConfigError
from tarvitpose.inference.engine import Engine
from tarvitpose.utils.arrays import UInt8

STATUS = Path("/proc/self/status")
P = ParamSpec("P")
R = TypeVar("R")


def megabytes(field: str) -> float:
    """Return a number that Linux has of this process: "VmRSS" is used now, "VmHWM" at most.

    Raises ConfigError on other systems.
    """
    if not STATUS.is_file():
        raise ConfigError(f"memory is read from {STATUS}, which this system lacks: --no-memory")
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) / 1024


def in_child(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what a function returns in a process of its own; its errors are raised here."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_of(
    key: CaseKey, load_engine_: Callable[[], Engine], crops: UInt8, offsets: tuple[int, ...] | None
) -> float:
    """Return the most memory in megabytes that this process has used after some poses."""
    case = pose_case(key, load_engine_(), crops, offsets)
    for _ in range(3):
        case.work()
    return megabytes("VmHWM")
