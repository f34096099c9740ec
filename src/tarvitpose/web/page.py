"""What the page shows, and what happens when something on it is used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from tarvitpose.config import ModelConfig
from tarvitpose.errors import UserError, WeightsError
from tarvitpose.visualization.attention_options import require_attention
from tarvitpose.web import messages as texts
from tarvitpose.web.jobs import Results
from tarvitpose.web.queue import Job, StoppedError
from tarvitpose.web.service import Desk

PAUSE = 0.25  # seconds between two looks at a job
FIRST = ("coco", "csv")  # formats, unless the visitor chooses others
FIRST_JOINT = "right_wrist"
STEP = 0.01  # seconds, of the slider
Updates = dict[Any, Any]
log = logging.getLogger(__name__)


class Offer(NamedTuple):
    """What this server can do."""

    network: ModelConfig
    formats: tuple[str, ...]
    example: Path
    minutes: float  # that files are kept

    @property
    def shows_attention(self) -> bool:
        """Whether the network has joints that look at places."""
        try:
            require_attention(self.network, "these weights")
        except WeightsError:
            return False
        return True


class Page:
    """The page's parts by name, and what they do for a desk."""

    def __init__(self, desk: Desk, offer: Offer) -> None:
        self.desk, self.offer = desk, offer
        with gr.Blocks(title=texts.TITLE, analytics_enabled=False) as self.blocks:
            gr.HTML(texts.heading(desk.limits, offer.minutes), elem_id="heading")
            with gr.Row():
                with gr.Column(scale=2, min_width=320):
                    self._lay_out_input()
                with gr.Column(scale=3, min_width=320):
                    self._lay_out_results()
            self._connect()

    def _lay_out_input(self) -> None:
        self.video = gr.Video(label="Your video", sources=["upload", "webcam"], elem_id="video")
        self.example = gr.Button("Take the example", size="sm", elem_id="example")
        with gr.Accordion("Options", open=False, elem_id="options"):
            self.compare = gr.Checkbox(
                label="Single frames beside it",
                info="A second video: the same network without its look at other frames (ViTPose).",
                visible=self.offer.network.temporal,
            )
            self.smooth = gr.Radio(
                ["none", "one-euro", "savgol"],
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
            self.formats = gr.CheckboxGroup(
                [*self.offer.formats], value=[*FIRST], label="Formats to download"
            )
        with gr.Row():
            self.run = self._button("Find poses", "run", variant="primary")
            self.cancel = self._button("Cancel", "cancel")
        self.status = gr.HTML(texts.note(texts.WAITING), elem_id="status")

    def _lay_out_results(self) -> None:
        with gr.Tabs() as self.tabs:
            with gr.Tab("Poses", id="poses"):
                self.overlay = self._shown_video("The video with poses", "overlay")
            with gr.Tab("Side by side", id="compare", visible=False) as self.side_by_side:
                self.comparison = self._shown_video("Single frames, and with others", "comparison")
            with gr.Tab("Where a joint looks", id="looks", visible=False) as self.looks:
                self._lay_out_looks()
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

    def _lay_out_looks(self) -> None:
        names = [name.replace("_", " ") for name in self.offer.network.joints.joints]
        choices = [(name, place) for place, name in enumerate(names)]
        first = self.offer.network.joints.joints.index(FIRST_JOINT)
        with gr.Row():
            self.joint = gr.Dropdown(choices, value=first, label="Joint", min_width=120)
            self.track = gr.Dropdown([], label="Person", min_width=120)
        self.time = gr.Slider(0, 1, value=0, step=STEP, label="Time in seconds", elem_id="time")
        self.look_status = gr.HTML()
        self.picture = gr.Image(
            show_label=False,
            interactive=False,
            format="png",
            buttons=["fullscreen", "download"],
            elem_id="looks",
        )

    def _connect(self) -> None:
        """Say which function follows which click."""
        every = {"api_visibility": "private", "show_progress": "hidden", "queue": True}
        free = {**every, "concurrency_limit": None}  # the desk has a line of its own
        received = self.video.change(self.received, self.video, [self.status, self.run], **free)
        lent = self.example.click(self.lent, None, self.video, **free)
        given = {self.video, self.compare, self.smooth, self.det_every, self.max_people}
        shown = [self.status, self.run, self.cancel, self.overlay, self.comparison]
        shown += [self.side_by_side, self.looks, self.downloads, self.track, self.time]
        shown += [self.picture, self.look_status, self.tabs]
        ran = self.run.click(self.ran, given | {self.formats}, shown, **free)
        stopped = self.cancel.click(self.stopped, None, self.cancel, **free)
        looked = gr.on(
            [self.looks.select, self.joint.input, self.track.input, self.time.release],
            self.looked,
            [self.time, self.joint, self.track],
            [self.look_status, self.picture],
            trigger_mode="always_last",
            **free,
        )
        # What goes wrong in Gradio itself, once it has an answer, no function here can catch.
        for event in (received, lent, ran, stopped):
            event.failure(self.broke, None, [self.status, self.run, self.cancel], **free)
        looked.failure(self.look_broke, None, [self.look_status, self.picture], **free)
        self.blocks.unload(self.left)

    def lent(self, request: gr.Request) -> str:
        """Return the example video."""
        return str(self.desk.lend(str(request.session_hash), self.offer.example))

    def received(self, video: str | None, request: gr.Request) -> Updates:
        """Say what a video is, or why it is not taken."""
        if video is None:
            return {self.status: texts.note(texts.WAITING), self.run: gr.update(interactive=False)}
        try:
            upload = self.desk.receive(str(request.session_hash), Path(video))
        except UserError as error:
            return {self.status: texts.problem(str(error)), self.run: gr.update(interactive=False)}
        return {self.status: texts.note(f"{upload}."), self.run: gr.update(interactive=True)}

    async def ran(self, given: Mapping[Any, Any], request: gr.Request) -> AsyncIterator[Updates]:
        """Process a video, and tell how far it is until the results are there."""
        session, video = str(request.session_hash), given[self.video]
        if video is None:
            yield {self.status: texts.problem(texts.WAITING)}
            return
        choices = {
            "compare": given[self.compare],
            "smooth": given[self.smooth],
            "det_every": given[self.det_every],
            "max_people": given[self.max_people] or None,
        }
        over = self._over()
        try:
            job = self.desk.begin(session, Path(video), given[self.formats], choices)
            yield self._emptied()
            while not job.is_over:
                yield {self.status: self._state(job)}
                await asyncio.sleep(PAUSE)
            yield over | self._filled(job.result())
        except StoppedError:
            yield over | {self.status: texts.note(texts.STOPPED)}
        except UserError as error:
            yield over | {self.status: texts.problem(str(error))}
        except Exception:
            log.exception("a job failed")
            yield self.broke()

    def _state(self, job: Job[Results]) -> str:
        before = self.desk.line.before(job)
        return texts.waiting(before) if before else texts.working(job.progress, job.pace)

    def _emptied(self) -> Updates:
        """Return the page while a job goes on."""
        hidden = gr.update(visible=False)
        return {
            self.run: gr.update(interactive=False),
            self.cancel: gr.update(interactive=True),
            self.overlay: None,
            self.comparison: None,
            self.downloads: gr.update(value=None, visible=False),
            self.picture: None,
            self.look_status: "",
            self.side_by_side: hidden,
            self.looks: hidden,
            self.tabs: gr.update(selected="poses"),
        }

    def _filled(self, results: Results) -> Updates:
        """Return the page with results."""
        compares, tracks = results.config.compare, results.tracks
        last = round(results.poses[-1].time, 2)  # 0 where there is one frame
        return {
            self.status: texts.done(results.outcome),
            self.overlay: str(results.file("overlay")),
            self.comparison: str(results.file("compare")) if compares else None,
            self.downloads: gr.update(value=[*map(str, results.downloads)], visible=True),
            self.side_by_side: gr.update(visible=compares),
            self.looks: gr.update(visible=self.offer.shows_attention and bool(tracks)),
            self.track: gr.update(choices=tracks, value=tracks[0] if tracks else None),
            self.time: gr.update(
                maximum=max(last, STEP), value=round(last / 2, 2), interactive=last > 0
            ),
        }

    def stopped(self, request: gr.Request) -> Updates:
        """Stop what goes on; `ran` tells when it has ended."""
        self.desk.stop(str(request.session_hash))
        return {self.cancel: gr.update(interactive=False)}

    async def looked(
        self, seconds: float, joint: int, track: int | None, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """Draw where a joint looks."""
        try:
            job = self.desk.look(str(request.session_hash), seconds, joint, track)
            while not job.is_over:
                before = self.desk.line.before(job)
                text = texts.waiting(before) if before else texts.note("Looking ...")
                yield {self.look_status: text}
                await asyncio.sleep(PAUSE)
            yield {self.look_status: "", self.picture: str(job.result())}
        except StoppedError:
            yield {self.look_status: ""}
        except UserError as error:
            yield {self.look_status: texts.problem(str(error)), self.picture: None}
        except Exception:
            log.exception("drawing the attention failed")
            yield self.look_broke()

    def broke(self) -> Updates:
        """Say that something failed, and give the button back."""
        return {self.status: texts.problem(texts.BROKEN), **self._over()}

    def look_broke(self) -> Updates:
        """Say that the attention could not be shown."""
        return {self.look_status: texts.problem(texts.BROKEN), self.picture: None}

    def _over(self) -> Updates:
        """Return the buttons when no job goes on."""
        return {self.run: gr.update(interactive=True), self.cancel: gr.update(interactive=False)}

    def left(self, request: gr.Request) -> None:
        """Remove what a visitor had who has closed the page."""
        self.desk.visitors.leave(str(request.session_hash))
