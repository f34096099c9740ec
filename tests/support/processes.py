"""Processes that start quickly, forked from a server that has loaded Python and torch."""

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from tarvitpose.cli import main


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    loaded = ["lightning_fabric", "tarvitpose.cli.train", "tarvitpose.training.loop"]
    context.set_forkserver_preload([*loaded, "torch.utils.tensorboard"])
    return context


def start(function: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Call a function in a new process."""
    process = _context().Process(target=function, args=arguments)
    process.start()
    return process


def command_line(
    arguments: tuple[str, ...],
    output: Path,
    variables: dict[str, str] | None = None,
    script: str = "tarvitpose",
) -> None:
    """Run `tarvitpose` with its output in a file. Never returns."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(variables or {})
    sys.argv = [script, *arguments]
    # As in the foreground of a shell, whatever the process that started the server ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    torch.set_num_threads(1)  # two processes on two cores would wait for each other
    main()


def ranks(count: int) -> list[dict[str, str]]:
    """Return the variables that make processes the ranks of one run, as a launcher sets them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": "0"}
    return [{**common, "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)} for rank in range(count)]


def size_of(path: Path) -> int:
    """Return the size of a file, 0 where there is none: a run that ends takes its journal away."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
