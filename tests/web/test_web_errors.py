"""Whatever goes wrong on the page reaches the visitor as a sentence, and the button comes back."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from async_calls import finished
from some_poses import some_poses
from tiny_models import tiny_model

from tarvitpose.config import PredictConfig
from tarvitpose.errors import VideoError
from tarvitpose.results import FramePoses
from tarvitpose.runs.pipeline import Outcome

gr = pytest.importorskip("gradio")

from tarvitpose.web.jobs import Results  # noqa: E402
from tarvitpose.web.limits import Limits  # noqa: E402
from tarvitpose.web.messages import BROKEN  # noqa: E402
from tarvitpose.web.page import Offer, Page  # noqa: E402
from tarvitpose.web.queue import Job  # noqa: E402
from tarvitpose.web.service import Desk  # noqa: E402
from tarvitpose.web.sessions import Visitors  # noqa: E402

pytestmark = [  # of Gradio, which leaves event loops open
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    desk = Desk(PredictConfig(), Limits(500, 300), Visitors(60))
    config = tiny_model().config
    yield Page(desk, Offer(config, ("coco", "csv"), tmp_path / "demo.mp4", 60))
    desk.close()
    gc.collect()  # what Gradio leaves must not trouble other tests


def results_of(folder: Path, poses: list[FramePoses]) -> Results:
    """Return results whose files exist, as a job leaves them."""
    for name in ("one.mp4", "one.coco.json"):
        (folder / name).write_text(json.dumps({}))
    config = PredictConfig(output=folder)
    outcome = Outcome("one.mp4", (), len(poses), 1, 1, 1.0, ())
    downloads = (folder / "one.mp4", folder / "one.coco.json")
    return Results(folder / "one.mp4", config, outcome, tuple(poses), downloads)


def finish(job: Job[Any]) -> Job[Any]:
    job.run()
    return job


def click(page: Page, job: Job[Any]) -> list[dict[Any, Any]]:
    """Click on the button, with a job that `begin` returns; return all that is shown then."""
    page.desk.begin = lambda *_: job  # type: ignore[method-assign]
    given = dict.fromkeys((page.compare, page.smooth, page.det_every, page.max_people))
    given |= {page.video: "one.mp4", page.formats: ["coco"]}

    async def all_of_it() -> list[dict[Any, Any]]:
        return [shown async for shown in page.ran(given, gr.Request(session_hash="a"))]

    return finished(all_of_it())


def shown_by_gradio(page: Page, updates: dict[Any, Any]) -> list[Any]:
    """Return what Gradio makes of updates after a click on the button: it can fail as well."""
    [ran] = [one for one in page.blocks.fns.values() if getattr(one.fn, "__name__", "") == "ran"]
    return finished(page.blocks.postprocess_data(ran, updates, None))


@pytest.mark.parametrize("times", [(0.0,), (0.0, 0.004), (0.0, 0.0), (0.0, 0.04)], ids=str)
def test_a_clip_of_no_length_is_shown(page: Page, tmp_path: Path, times: tuple[float, ...]) -> None:
    poses = [replace(some_poses(n, 1, time)) for n, time in enumerate(times)]
    job = finish(Job(lambda _: results_of(tmp_path, poses)))
    first, last = click(page, job)
    assert first[page.run]["interactive"] is False
    assert last[page.run]["interactive"] is True
    assert "Done" in last[page.status]
    slider = last[page.time]
    assert slider["maximum"] > 0
    assert slider["interactive"] is (times[-1] >= 0.01)
    assert shown_by_gradio(page, last)


def test_gradio_refuses_a_slider_without_length(page: Page) -> None:
    with pytest.raises(ValueError, match="minimum must be less than maximum"):
        shown_by_gradio(page, {page.time: gr.update(maximum=0.0)})


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (VideoError("one.mp4: the file is empty"), "one.mp4: the file is empty"),
        (ZeroDivisionError("division by zero"), BROKEN),
        (MemoryError(), BROKEN),
        (SystemExit(1), BROKEN),
        (KeyboardInterrupt(), BROKEN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_job_that_fails_ends_with_a_sentence(
    page: Page, error: BaseException, sentence: str
) -> None:
    def fail(_: object) -> Results:
        raise error

    first, last = click(page, finish(Job(fail)))
    assert first[page.run]["interactive"] is False
    assert sentence in last[page.status]
    assert last[page.run]["interactive"] is True
    assert last[page.cancel]["interactive"] is False


def test_results_that_cannot_be_shown_end_with_a_sentence(page: Page, tmp_path: Path) -> None:
    _, last = click(page, finish(Job(lambda _: results_of(tmp_path, []))))
    assert BROKEN in last[page.status]
    assert last[page.run]["interactive"] is True


@pytest.mark.parametrize("name", ["received", "lent", "ran", "stopped", "looked"])
def test_what_fails_in_gradio_itself_is_followed_by_a_sentence(page: Page, name: str) -> None:
    [event] = [one for one in page.blocks.fns.values() if getattr(one.fn, "__name__", "") == name]
    [after] = [
        one
        for one in page.blocks.fns.values()
        if one.trigger_only_on_failure and one.trigger_after == event._id
    ]
    updates = after.fn()
    status = page.look_status if name == "looked" else page.status
    assert BROKEN in updates[status]
    assert name == "looked" or updates[page.run]["interactive"] is True
    assert {part._id for part in updates} == {part._id for part in after.outputs}
