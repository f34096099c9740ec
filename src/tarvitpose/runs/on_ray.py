"""Many videos on Ray: each worker has a model, and takes the next video when it is free."""

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
from tarvitpose.runs.many import DEATHS, BatchQueue, JobReport, VideoJob, explained
from tarvitpose.runs.pipeline import Outcome, process
from tarvitpose.utils.optional import is_installed, require
from tarvitpose.utils.reading import reason_of


@dataclass(frozen=True)
class Answer:
    """What a worker returns: nothing once it is loaded, an outcome, or an error."""

    outcome: Outcome | None = None
    error: str | None = None
    trace: str | None = None


@dataclass(frozen=True)
class Assignment:
    """What a worker is busy with."""

    rank: int
    worker: Any
    job: VideoJob | None  # None: it loads the model


@dataclass(frozen=True)
class WorkerPlan:
    """How many workers there are, and what each of them takes of a machine."""

    workers: int
    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """How many cores a worker computes on."""
        return max(int(self.cpus), 1)


def plan_workers(nodes: list[dict[str, float]], device: str, workers: int | None) -> WorkerPlan:
    """Share machines among workers: one for each GPU, or without GPUs one for each machine.

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
    return WorkerPlan(count, cpus, min(gpus / count, 1.0))


class Worker:
    """What runs in a process of its own, on any machine of the cluster."""

    def __init__(self, config: PredictConfig, folder: Path, rank: int, threads: int) -> None:
        """Work in `folder`, so that relative paths mean the same on all machines."""
        self._config, self._folder = config, folder
        self._rank, self._threads = rank, threads
        self._estimator: PoseEstimator | None = None

    def load(self) -> Answer:
        """Load the model, or return an error that the user can put right."""
        try:
            os.chdir(self._folder)
            use_cores(self._rank, self._threads)
            self._estimator = PoseEstimator.from_config(self._config)
        except FileNotFoundError:
            advice = "Ray's machines must share the folder that tarvitpose is started in"
            return Answer(error=f"{self._folder}: not on all machines; {advice}")
        except UserError as error:
            return Answer(error=str(error))
        return Answer()

    def work(self, source: str, config: PredictConfig, stem: str | None) -> Answer:
        """Process one video."""
        assert self._estimator is not None
        try:
            return Answer(process(source, self._estimator, config, lambda progress: None, stem))
        except Exception as error:  # is reported by the pool, whatever it is
            return Answer(None, *explained(error))


def use_cores(rank: int, threads: int) -> None:
    """Keep this process to its share of the cores, or workers would wait for each other."""
    if is_installed("torch"):
        import torch  # noqa: PLC0415 - slow, and needed here only

        torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity"):  # what the other engines go by
        cores = sorted(os.sched_getaffinity(0))
        first = rank * threads
        os.sched_setaffinity(0, {cores[(first + i) % len(cores)] for i in range(threads)})


def run_on_ray(
    queue: BatchQueue, *, workers: int | None, address: str | None
) -> Iterator[JobReport]:
    """Process all videos on a Ray cluster, and yield a report on each attempt.

    Without an `address` the cluster is this machine alone, for as long as it takes. A video whose
    worker dies is given to another one, which goes on from its journal. Raises UserError.
    """
    with _cluster(address) as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        pool = WorkerPool(ray, queue, plan_workers(nodes, queue.config.device, workers))
        yield from pool.run()


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it warns about it
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # or it prints between our results
    ray = require("ray", "--engine ray", "ray")
    _refuse_silent(address)
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address or "local", logging_level=logging.ERROR, log_to_driver=False, **options)
    except Exception as error:  # its errors share no base class
        reason = reason_of(error)
        token = "; is RAY_AUTH_TOKEN that of the cluster?" if address else ""
        raise UserError(f"Ray on {address or 'this machine'}: {reason}{token}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_silent(address: str | None) -> None:
    """Raise UserError where nothing listens at HOST:PORT; Ray itself waits for minutes."""
    host, _, port = (address or "").rpartition(":")
    if "://" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(f"--ray-address {address}: no answer from this address ({error})") from None


class WorkerPool:
    """Workers on the cluster, each busy with a video or loading the model.

    `ray.util.ActorPool` would not do: it does not say which job a worker had that died, and that
    job is tried again.
    """

    def __init__(self, ray: Any, queue: BatchQueue, plan: WorkerPlan) -> None:
        self._ray, self._queue, self._plan = ray, queue, plan
        actor = ray.remote(Worker)
        self._actor = actor.options(num_cpus=plan.cpus, num_gpus=plan.gpus, max_restarts=0)
        self._busy: dict[Any, Assignment] = {}  # by Ray's reference to the answer
        self._died_loading = 0

    def run(self) -> Iterator[JobReport]:
        """Hand out all jobs."""
        for rank in range(min(self._plan.workers, self._queue.count("left"))):
            self._start(rank)
        while self._queue.count("left"):
            ready, _ = self._ray.wait(list(self._busy), timeout=1.0)
            for reference in ready:
                yield from self._finish(reference)

    def _finish(self, reference: Any) -> Iterator[JobReport]:
        """Take an answer, and give the worker, or a new one in its place, the next video."""
        done = self._busy.pop(reference)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            if done.job is None:
                self._count_death()
            else:
                yield self._queue.lost(done.job)
            if self._queue.is_waiting:
                self._start(done.rank)
            return
        if done.job is not None and answer.outcome is not None:
            yield self._queue.done(done.job, answer.outcome)
        elif done.job is not None:
            yield self._queue.failed(done.job, answer.error, answer.trace)
        elif answer.error is not None:
            raise UserError(answer.error)
        self._give(done.rank, done.worker)

    def _start(self, rank: int) -> None:
        worker = self._actor.remote(self._queue.config, Path.cwd(), rank, self._plan.threads)
        self._busy[worker.load.remote()] = Assignment(rank, worker, None)

    def _give(self, rank: int, worker: Any) -> None:
        """Give a worker the next video; without one it ends, and frees what it took."""
        job = self._queue.take()
        if job is not None:
            reference = worker.work.remote(job.source, self._queue.config_of(job), job.stem)
            self._busy[reference] = Assignment(rank, worker, job)

    def _count_death(self) -> None:
        self._died_loading += 1
        if self._died_loading >= DEATHS:
            raise UserError(
                f"{DEATHS} workers died while they loaded the model; is the memory too small for "
                f"{self._plan.workers} of them? Try fewer with --workers"
            )
