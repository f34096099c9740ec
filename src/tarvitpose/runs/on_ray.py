"""Many videos on Ray: each worker has a model, and takes a video whenever it has none."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs.many import DEATHS, Report, Work, explained
from tarvitpose.runs.pipeline import Outcome, load_estimator, process
from tarvitpose.utils.optional import require

Answer = tuple[Outcome | None, tuple[str, str | None] | None]  # what came out, or what went wrong


@dataclass(frozen=True)
class Plan:
    """How many workers there are, and what each of them takes of a machine."""

    workers: int
    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """How many cores a worker computes on."""
        return max(int(self.cpus), 1)


def plan_workers(nodes: list[dict[str, float]], device: str, workers: int | None) -> Plan:
    """Share machines among workers: one for each GPU, without any one for each machine.

    `nodes` are Ray's resources of each machine, "CPU" and "GPU". More workers than that share them.
    Raises UserError where no machine has what `device` needs.
    """
    wants_gpu = device.startswith("cuda")
    may_use_gpu = wants_gpu or device == "auto"
    with_gpu = [node for node in nodes if node.get("GPU") and may_use_gpu]
    if wants_gpu and not with_gpu:
        raise UserError(f"--device {device}: no machine of the Ray cluster has a GPU; use cpu")
    used = with_gpu or [node for node in nodes if node.get("CPU")]
    if not used:
        raise UserError("the Ray cluster has no machine with processors to compute on")
    gpus = sum(node["GPU"] for node in with_gpu)
    count = workers or int(gpus) or len(used)
    cores = [node["CPU"] for node in used]
    share = min(sum(cores) / count, *cores)
    cpus = float(int(share)) if share >= 1 else round(share - 0.005, 2)
    return Plan(count, cpus, min(gpus / count, 1.0))


class Worker:
    """What runs in a process of its own, on any machine of the cluster."""

    def __init__(self, config: PredictConfig, folder: Path, rank: int, threads: int) -> None:
        """Work in `folder`, so that relative paths mean the same on all machines."""
        self._config, self._folder = config, folder
        self._rank, self._threads = rank, threads
        self._estimator: PoseEstimator | None = None

    def load(self) -> Answer:
        """Load the model, or return what the user can put right."""
        try:
            os.chdir(self._folder)
            use_cores(self._rank, self._threads)
            self._estimator = load_estimator(self._config)
        except FileNotFoundError:
            where = "Ray's machines must share the folder that tarvitpose is started in"
            return None, (f"{self._folder}: not on all machines; {where}", None)
        except UserError as error:
            return None, explained(error)
        return None, None

    def work(self, source: str, config: PredictConfig, stem: str | None) -> Answer:
        """Process one video."""
        assert self._estimator is not None
        try:
            return process(source, self._estimator, config, lambda progress: None, stem), None
        except Exception as error:  # goes to who gave the work, whatever it is
            return None, explained(error)


def use_cores(rank: int, threads: int) -> None:
    """Keep this process to its share of the cores, or workers would wait for each other."""
    import torch  # noqa: PLC0415 - slow, and needed here only

    torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity"):  # what the other runtimes go by
        there = sorted(os.sched_getaffinity(0))
        first = rank * threads
        os.sched_setaffinity(0, {there[(first + i) % len(there)] for i in range(threads)})


def run_on_ray(work: Work, *, workers: int | None, address: str | None) -> Iterator[Report]:
    """Process all videos on a Ray cluster, and yield what became of each attempt.

    Without an `address` the cluster is this machine alone, for as long as it takes. A video whose
    worker dies is given to another one, which goes on from its journal. Raises UserError.
    """
    with _cluster(address) as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        crew = _Crew(ray, work, plan_workers(nodes, work.config.device, workers))
        yield from crew.run()


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it warns about it
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # what it says between our results
    ray = require("ray", "--engine ray", "ray")
    _refuse_silent(address)
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address or "local", logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0]
        token = "; is RAY_AUTH_TOKEN set as there?" if address else ""
        raise UserError(f"Ray on {address or 'this machine'}: {reason}{token}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_silent(address: str | None) -> None:
    """Raise UserError where nobody listens at HOST:PORT; Ray itself waits for minutes."""
    host, _, port = (address or "").rpartition(":")
    if "://" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(f"--ray-address {address}: nobody answers there ({error})") from None


class _Crew:
    """The workers, each with a video or on its way to one."""

    def __init__(self, ray: Any, work: Work, plan: Plan) -> None:
        self._ray, self._work, self._plan = ray, work, plan
        kind = ray.remote(Worker)
        self._kind = kind.options(num_cpus=plan.cpus, num_gpus=plan.gpus, max_restarts=0)
        self._busy: dict[Any, tuple[int, Any, Any]] = {}  # by answer: rank, worker, job or None
        self._died_loading = 0

    def run(self) -> Iterator[Report]:
        """Give out all the work."""
        for rank in range(min(self._plan.workers, self._work.count("left"))):
            self._start(rank)
        while self._work.count("left"):
            ready, _ = self._ray.wait(list(self._busy), timeout=1.0)
            for answer in ready:
                rank, worker, job = self._busy.pop(answer)
                try:
                    outcome, error = self._ray.get(answer)
                except self._ray.exceptions.RayActorError:
                    self._count_death(job)
                    if job is not None:
                        yield self._work.lost(job)
                    if self._work.is_waiting:
                        self._start(rank)
                    continue
                if job is not None and outcome is not None:
                    yield self._work.done(job, outcome)
                elif job is not None:
                    yield self._work.failed(job, *error)
                elif error is not None:
                    raise UserError(error[0])
                self._give(rank, worker)

    def _start(self, rank: int) -> None:
        worker = self._kind.remote(self._work.config, Path.cwd(), rank, self._plan.threads)
        self._busy[worker.load.remote()] = rank, worker, None

    def _give(self, rank: int, worker: Any) -> None:
        """Give a worker the next video; without one it ends, and frees what it took."""
        job = self._work.take()
        if job is not None:
            answer = worker.work.remote(job.source, self._work.config_of(job), job.stem)
            self._busy[answer] = rank, worker, job

    def _count_death(self, job: object) -> None:
        self._died_loading += job is None
        if self._died_loading >= DEATHS:
            raise UserError(
                f"{DEATHS} workers died while they loaded the model; is the memory too small for "
                f"{self._plan.workers} of them? Try fewer with --workers"
            )
