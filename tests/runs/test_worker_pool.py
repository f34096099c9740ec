"""How jobs are handed to workers that fail or die, on a stand-in for Ray."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError
from tarvitpose.runs.many import DEATHS, BatchQueue, VideoJob
from tarvitpose.runs.on_ray import Answer, WorkerPlan, WorkerPool
from tarvitpose.runs.pipeline import Outcome

DONE = Answer(Outcome("clip", (), frames=3, people=1, tracks=1, seconds=1.0, warnings=()))
LOADED = Answer()
LOAD = "load"


class WorkerDiedError(Exception):
    """Stands for Ray's error of an actor that died."""


class FakeRay:
    """Answers each call, named "load" or by its video, with what is listed for it; None dies."""

    exceptions = SimpleNamespace(RayActorError=WorkerDiedError)

    def __init__(self, **answers: list[Answer | None]) -> None:
        self.answers = answers
        self.resumed: list[tuple[str, bool]] = []  # the videos that were handed out

    def remote(self, worker: type) -> Any:
        start = SimpleNamespace(remote=lambda *arguments: self._actor())
        return SimpleNamespace(options=lambda **resources: start)

    def _actor(self) -> Any:
        def work(source: str, config: PredictConfig, stem: str | None) -> tuple[str, object]:
            self.resumed.append((source, config.resume))
            return source, object()

        load = SimpleNamespace(remote=lambda: (LOAD, object()))
        return SimpleNamespace(load=load, work=SimpleNamespace(remote=work))

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return references[:1], references[1:]

    def get(self, reference: tuple[str, object]) -> Answer:
        answer = self.answers[reference[0]].pop(0)
        if answer is None:
            raise WorkerDiedError
        return answer


def run(ray: FakeRay, *names: str, workers: int = 2) -> list[tuple[str, str, str | None]]:
    """Return the source, the status and the error of each report."""
    queue = BatchQueue([VideoJob(name, Path(), name) for name in names], PredictConfig())
    pool = WorkerPool(ray, queue, WorkerPlan(workers, 1, 0))
    return [(report.job.source, report.status, report.error) for report in pool.run()]


def test_a_dead_workers_video_is_next_and_a_failed_one_is_last() -> None:
    failed = Answer(error="cannot be read")
    ray = FakeRay(load=[LOADED] * 3, a=[None, DONE], b=[failed, failed], c=[DONE])
    assert run(ray, "a", "b", "c") == [
        ("a", "left", "a: its worker died"),
        ("b", "left", "cannot be read"),
        ("a", "done", "a: its worker died"),
        ("c", "done", None),
        ("b", "failed", "cannot be read"),
    ]
    assert ray.resumed == [("a", False), ("b", False), ("a", True), ("c", False), ("b", True)]
    assert ray.answers[LOAD] == []  # one more worker was started, in place of the dead one


def test_a_video_that_kills_its_workers_is_given_up() -> None:
    reports = run(FakeRay(load=[LOADED] * (DEATHS + 1), a=[None] * DEATHS, b=[DONE]), "a", "b")
    assert ("b", "done", None) in reports
    assert ("a", "failed", f"a: its worker died {DEATHS} times") in reports


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([None] * DEATHS, f"{DEATHS} workers died while they loaded the model.*--workers"),
        ([Answer(error="no such weights")], "no such weights"),
    ],
)
def test_workers_that_cannot_load_the_model_end_the_run(
    answers: list[Answer | None], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(FakeRay(load=answers), "a", workers=1)
