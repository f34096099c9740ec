"""Whatever goes wrong on the page reaches the visitor as a sentence, and the button comes back."""

import gc
import json
from collections.abc import Callable, Iterator
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
from tarvitpose.runs.pipeline import Outcome, RunProgress

gr = pytest.importorskip("gradio")

from tarvitpose.web import messages, service  # noqa: E402
from tarvitpose.web.jobs import JobResults  # noqa: E402
from tarvitpose.web.limits import Limits, Upload  # noqa: E402
from tarvitpose.web.messages import BROKEN  # noqa: E402
from tarvitpose.web.page import MAX_WAITING, Features, Page, Updates, show_progress  # noqa: E402
from tarvitpose.web.service import Service  # noqa: E402
from tarvitpose.web.sessions import Sessions  # noqa: E402

pytestmark = [  # of Gradio, which leaves event loops open
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return the page, which no test changes; making one takes a second."""
    folder = tmp_path_factory.mktemp("page")
    backend = Service(PredictConfig(), Limits(500, 300), Sessions(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield Page(backend, Features(tiny_model().config, ("coco", "csv"), folder / "demo.mp4"))
    backend.close()
    gc.collect()  # what Gradio leaves must not trouble other tests


def results_of(folder: Path, poses: list[FramePoses]) -> JobResults:
    """Return results whose files exist, as a job leaves them."""
    for name in ("one.mp4", "one.coco.json"):
        (folder / name).write_text(json.dumps({}))
    config = PredictConfig(output=folder)
    outcome = Outcome("one.mp4", (), len(poses), 1, 1, 1.0, ())
    downloads = (folder / "one.mp4", folder / "one.coco.json")
    return JobResults(folder / "one.mp4", config, outcome, tuple(poses), downloads)


def click(page: Page, work: Callable[[], JobResults], monkeypatch: pytest.MonkeyPatch) -> Updates:
    """Click on the button, with other work than a video's; return what is shown at the end."""
    monkeypatch.setattr(service, "find_poses", lambda *_: work())
    monkeypatch.setattr(Limits, "check", lambda *_: Upload("one.mp4", 1.0, (8, 8)))
    video = page.service.sessions.files / "abc" / "one.mp4"
    video.parent.mkdir(exist_ok=True)
    video.write_text("video")
    values = dict.fromkeys((page.compare, page.max_people))
    values |= {page.smooth: "none", page.det_every: 1, page.compare: False}
    values |= {page.blur_faces: False}
    values |= {page.video: str(video), page.formats: ["coco"]}
    return finished(page.find_poses(values, gr.Request(session_hash="a")))


def shown_by_gradio(page: Page, updates: Updates) -> list[Any]:
    """Return what Gradio makes of updates after a click on the button: it can fail as well."""
    return finished(page.blocks.postprocess_data(event_of(page, "find_poses"), updates, None))


def event_of(page: Page, name: str) -> Any:
    """Return the event that calls a function of the page."""
    events = [*page.blocks.fns.values()]
    [event] = [event for event in events if getattr(event.fn, "__name__", "") == name]
    return event


@pytest.mark.parametrize("times", [(0.0,), (0.0, 0.004), (0.0, 0.0), (0.0, 0.04)], ids=str)
def test_a_clip_of_no_length_is_shown(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: tuple[float, ...]
) -> None:
    poses = [replace(some_poses(n, 1, time)) for n, time in enumerate(times)]
    last = click(page, lambda: results_of(tmp_path, poses), monkeypatch)
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
    page: Page, monkeypatch: pytest.MonkeyPatch, error: BaseException, sentence: str
) -> None:
    def fail() -> JobResults:
        raise error

    last = click(page, fail, monkeypatch)
    assert sentence in last[page.status]
    assert last[page.run]["interactive"] is True
    assert last[page.cancel]["interactive"] is False


def test_results_that_cannot_be_shown_end_with_a_sentence(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = click(page, lambda: results_of(tmp_path, []), monkeypatch)
    assert BROKEN in last[page.status]
    assert last[page.run]["interactive"] is True


@pytest.mark.parametrize("name", ["receive", "lend", "find_poses", "draw_attention"])
def test_what_fails_in_gradio_itself_is_followed_by_a_sentence(page: Page, name: str) -> None:
    event = event_of(page, name)
    [after] = [
        other
        for other in page.blocks.fns.values()
        if other.trigger_only_on_failure and other.trigger_after == event._id
    ]
    assert after.fn is None  # the browser does it: it works when the server does not answer
    status = page.attention_status if name == "draw_attention" else page.status
    outputs = {part._id for part in after.outputs}
    assert status._id in outputs
    assert name == "draw_attention" or {page.run._id, page.cancel._id} <= outputs
    assert json.dumps(messages.NO_ANSWER_LINE) in after.js


def test_jobs_wait_in_one_queue_of_limited_length(page: Page) -> None:
    jobs = [event_of(page, name) for name in ("find_poses", "draw_attention")]
    assert {(job.concurrency_id, job.concurrency_limit) for job in jobs} == {("jobs", 1)}
    assert page.blocks._queue.max_size == MAX_WAITING
    others = [event_of(page, name) for name in ("receive", "lend")]
    assert all(event.concurrency_limit is None for event in others)


def test_cancel_reaches_jobs_that_wait(page: Page) -> None:
    job = event_of(page, "find_poses")
    [cancel] = [event for event in page.blocks.fns.values() if event.cancels]
    assert cancel.cancels == [job._id]
    assert (page.cancel._id, "click") in cancel.targets


def test_progress_tells_frames_pace_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 12.0])
    monkeypatch.setattr("tarvitpose.web.page.time.monotonic", lambda: next(now))
    shown: list[Any] = []
    show = show_progress(lambda frames, **words: shown.append((frames, words["desc"])))
    show(RunProgress(1, 9, 1))
    show(RunProgress(5, 9, 2))
    assert shown == [
        ((1, 9), "1 person"),
        ((5, 9), "2 people, 2.0 frames/s, about 2 s left"),
    ]
