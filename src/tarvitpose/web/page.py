"""The page: its parts, and what happens when a visitor uses them."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import gradio as gr

from tarvitpose.config import ModelConfig, SmoothMethod
from tarvitpose.errors import UserError, WeightsError
from tarvitpose.runs.pipeline import RunProgress
from tarvitpose.utils.optional import is_installed
from tarvitpose.visualization.attention_options import require_attention
from tarvitpose.web import messages
from tarvitpose.web.jobs import JobResults, StoppedError
from tarvitpose.web.service import Service
from tarvitpose.web.sessions import SWEEP_INTERVAL

MAX_WAITING = 20  # jobs in the queue
DEFAULT_FORMATS = ("coco", "csv")
DEFAULT_JOINT = "right_wrist"
TIME_STEP = 0.01  # seconds, of the slider
Updates = dict[Any, Any]
log = logging.getLogger(__name__)


class Features(NamedTuple):
    """What this server offers."""

    network: ModelConfig
    formats: tuple[str, ...]
    example: Path

    @property
    def shows_attention(self) -> bool:
        """Whether the network has joint queries whose attention can be drawn here, by PyTorch."""
        try:
            require_attention(self.network, "these weights")
        except WeightsError:
            return False
        return is_installed("torch")


class Page:
    """The parts of the page by name, and the functions behind them."""

    def __init__(self, service: Service, features: Features) -> None:
        self.service, self.features = service, features
        max_age = service.sessions.max_age
        with gr.Blocks(
            title=messages.TITLE,
            analytics_enabled=False,
            delete_cache=(round(SWEEP_INTERVAL), round(max_age)),
        ) as self.blocks:
            gr.HTML(messages.heading(service.limits, max_age / 60), elem_id="heading")
            with gr.Row():
                with gr.Column(scale=2, min_width=320):
                    self._lay_out_input()
                with gr.Column(scale=3, min_width=320):
                    self._lay_out_results()
            self._connect()
        self.blocks.queue(max_size=MAX_WAITING)

    def _lay_out_input(self) -> None:
        self.video = gr.Video(label="Your video", sources=["upload", "webcam"], elem_id="video")
        self.example = gr.Button("Take the example", size="sm", elem_id="example")
        with gr.Accordion("Options", open=False, elem_id="options"):
            self.compare = gr.Checkbox(
                label="Single frames beside it",
                info="A second video: the same network without the other frames (ViTPose).",
                visible=self.features.network.temporal,
            )
            self.smooth = gr.Radio(
                [*get_args(SmoothMethod)],
                value="none",
                label="Smoothing",
                info="Steadier joints: one-euro follows at once, savgol sees the future as well.",
            )
            self.det_every = gr.Slider(
                1, 10, value=1, step=1, label="Look for people in every Nth frame"
            )
            self.max_people = gr.Slider(
                0, 20, value=0, step=1, label="At most so many people", info="0: everybody."
            )
            self.blur_faces = gr.Checkbox(
                label="Without faces",
                info="Heads become mosaics in the videos. Whom the detector misses stays visible.",
            )
            self.formats = gr.CheckboxGroup(
                [*self.features.formats], value=[*DEFAULT_FORMATS], label="Formats to download"
            )
        with gr.Row():
            self.run = self._button("Find poses", "run", variant="primary")
            self.cancel = self._button("Cancel", "cancel")
        self.status = gr.HTML(messages.note(messages.CHOOSE), elem_id="status")

    def _lay_out_results(self) -> None:
        with gr.Tabs() as self.tabs:
            with gr.Tab("Poses", id="poses"):
                self.overlay = self._shown_video("The video with poses", "overlay")
            with gr.Tab("Side by side", id="compare", visible=False) as self.side_by_side:
                self.comparison = self._shown_video("Single frames, and with others", "comparison")
            with gr.Tab("Where a joint looks", id="attention", visible=False) as self.attention:
                self._lay_out_attention()
        self.downloads = gr.File(
            label="Downloads",
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id="downloads",
        )

    def _shown_video(self, label: str, name: str) -> Any:
        return gr.Video(label=label, show_label=False, interactive=False, loop=True, elem_id=name)

    def _button(self, label: str, name: str, **settings: Any) -> Any:
        return gr.Button(label, interactive=False, min_width=100, elem_id=name, **settings)

    def _lay_out_attention(self) -> None:
        names = [name.replace("_", " ") for name in self.features.network.joints.joints]
        choices = [(name, number) for number, name in enumerate(names)]
        first = self.features.network.joints.joints.index(DEFAULT_JOINT)
        with gr.Row():
            self.joint = gr.Dropdown(choices, value=first, label="Joint", min_width=120)
            self.track = gr.Dropdown([], label="Person", min_width=120)
        self.time = gr.Slider(
            0, 1, value=0, step=TIME_STEP, label="Time in seconds", elem_id="time"
        )
        self.attention_status = gr.HTML()
        self.picture = gr.Image(
            show_label=False,
            interactive=False,
            format="png",
            buttons=["fullscreen", "download"],
            elem_id="attention",
        )

    def _connect(self) -> None:
        """Connect events with functions. Those of one `concurrency_id` wait for each other."""
        every = {"api_visibility": "private", "show_progress": "hidden"}
        at_once = {**every, "concurrency_limit": None}
        queued = {"api_visibility": "private", "concurrency_id": "jobs", "concurrency_limit": 1}
        received = self.video.change(self.receive, self.video, [self.status, self.run], **at_once)
        lent = self.example.click(self.lend, None, self.video, **at_once)
        options = {self.video, self.compare, self.smooth, self.det_every}
        options |= {self.max_people, self.blur_faces}
        shown = [self.status, self.run, self.cancel, self.overlay, self.comparison]
        shown += [self.side_by_side, self.attention, self.downloads, self.track, self.time]
        self._update_at_once(self.run.click, self._emptied())
        finding = self.run.click(
            self.find_poses,
            options | {self.formats},
            shown,
            show_progress="full",
            show_progress_on=self.status,
            **queued,
        )
        stopped = {self.status: messages.STOPPED_LINE, **self._idle()}
        self._update_at_once(self.cancel.click, stopped, cancels=[finding])
        drawn = gr.on(
            [self.attention.select, self.joint.input, self.track.input, self.time.release],
            self.draw_attention,
            [self.time, self.joint, self.track],
            [self.attention_status, self.picture],
            trigger_mode="always_last",
            show_progress="full",
            show_progress_on=self.picture,
            **queued,
        )
        # What no function here can catch: a full queue, or an error of Gradio's own.
        for event in (received, lent, finding):
            self._on_failure(event, self.status, self._idle())
        self._on_failure(drawn, self.attention_status, {self.picture: None})
        self.blocks.unload(self.leave)

    def _update_at_once(self, event: Any, updates: Updates, **settings: Any) -> None:
        """Let the browser update the page without the server, which may be busy."""
        script = f"() => {json.dumps([*updates.values()])}"
        event(None, None, [*updates], js=script, api_visibility="private", **settings)

    def _on_failure(self, event: Any, status: Any, updates: Updates) -> None:
        """Let the browser say that there was no answer; for Gradio, "Stopped" is a failure too."""
        failed, stopped = map(json.dumps, (messages.NO_ANSWER_LINE, messages.STOPPED_LINE))
        script = (
            f"(status) => [status === {stopped} ? status : {failed}, "
            f"...{json.dumps([*updates.values()])}]"
        )
        event.failure(None, status, [status, *updates], js=script, api_visibility="private")

    def lend(self, request: gr.Request) -> str:
        """Return the example video."""
        return str(self.service.lend(str(request.session_hash), self.features.example))

    def receive(self, video: str | None, request: gr.Request) -> Updates:
        """Describe a video, or say why it is not taken."""
        if video is None:
            return self._refused(messages.note(messages.CHOOSE))
        try:
            upload = self.service.receive(str(request.session_hash), Path(video))
        except UserError as error:
            return self._refused(messages.problem(str(error)))
        return {self.status: messages.note(f"{upload}."), self.run: gr.update(interactive=True)}

    def _refused(self, status: str) -> Updates:
        return {self.status: status, self.run: gr.update(interactive=False)}

    async def find_poses(
        self,
        values: Mapping[Any, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it in
    ) -> Updates:
        """Process a video, and return the page with its results."""
        video = values[self.video]
        if video is None:
            return self._idle() | {self.status: messages.problem(messages.CHOOSE)}
        options = {
            "compare": values[self.compare],
            "smooth": values[self.smooth],
            "det_every": values[self.det_every],
            "max_people": values[self.max_people] or None,
            "blur_faces": values[self.blur_faces],
        }
        progress(0, desc=messages.LOADING)
        try:
            results = await self.service.find_poses(
                str(request.session_hash),
                Path(video),
                values[self.formats],
                options,
                show_progress(progress),
            )
            return self._idle() | self._filled(results)
        except StoppedError:
            return self._idle() | {self.status: messages.STOPPED_LINE}
        except UserError as error:
            return self._idle() | {self.status: messages.problem(str(error))}
        except Exception:
            log.exception("a job failed")
            return self._idle() | {self.status: messages.problem(messages.BROKEN)}

    def _emptied(self) -> Updates:
        """Return the page while a job waits or goes on."""
        hidden = gr.update(visible=False)
        return {
            self.status: "",  # Gradio shows the place in the queue, and then the progress
            self.run: gr.update(interactive=False),
            self.cancel: gr.update(interactive=True),
            self.overlay: None,
            self.comparison: None,
            self.downloads: gr.update(value=None, visible=False),
            self.picture: None,
            self.attention_status: "",
            self.side_by_side: hidden,
            self.attention: hidden,
            self.tabs: gr.update(selected="poses"),
        }

    def _filled(self, results: JobResults) -> Updates:
        """Return the page with results."""
        compares, tracks = results.config.compare, results.tracks
        attends = self.features.shows_attention and not results.config.blur_faces
        last = round(results.poses[-1].time, 2)  # 0 where there is one frame
        return {
            self.status: messages.done(results.outcome),
            self.overlay: str(results.file("overlay")),
            self.comparison: str(results.file("compare")) if compares else None,
            self.downloads: gr.update(value=[*map(str, results.downloads)], visible=True),
            self.side_by_side: gr.update(visible=compares),
            self.attention: gr.update(visible=attends and bool(tracks)),
            self.track: gr.update(choices=tracks, value=tracks[0] if tracks else None),
            self.time: gr.update(
                maximum=max(last, TIME_STEP), value=round(last / 2, 2), interactive=last > 0
            ),
        }

    def _idle(self) -> Updates:
        """Return the buttons while no job goes on."""
        return {self.run: gr.update(interactive=True), self.cancel: gr.update(interactive=False)}

    async def draw_attention(
        self, seconds: float, joint: int, track: int | None, request: gr.Request
    ) -> Updates:
        """Return a picture of where a joint looks."""
        try:
            picture = await self.service.draw_attention(
                str(request.session_hash), seconds, joint, track
            )
            return {self.attention_status: "", self.picture: str(picture)}
        except StoppedError:
            return {self.attention_status: ""}
        except UserError as error:
            return {self.attention_status: messages.problem(str(error)), self.picture: None}
        except Exception:
            log.exception("drawing the attention failed")
            text = messages.problem(messages.BROKEN)
            return {self.attention_status: text, self.picture: None}

    def leave(self, request: gr.Request) -> None:
        """Remove the files of a visitor who has closed the page."""
        self.service.sessions.leave(str(request.session_hash))


def show_progress(tracker: Callable[..., Any]) -> Callable[[RunProgress], None]:
    """Return a function that shows how far a job is, with its pace since the first frame."""
    first: tuple[float, int] | None = None  # when it was done, and its number

    def show(progress: RunProgress) -> None:
        nonlocal first
        now = time.monotonic()
        first = first or (now, progress.frame)
        seconds, frames = now - first[0], progress.frame - first[1]
        pace = frames / seconds if frames and seconds else None
        text = messages.working(progress, pace)
        tracker((progress.frame, progress.total), desc=text, unit="frames")

    return show
