"""The service behind the page: visitors' videos, jobs and results. It knows nothing of Gradio."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError
from tarvitpose.runs.pipeline import RunProgress
from tarvitpose.utils.config_files import parse_config
from tarvitpose.web.jobs import Job, JobResults, draw_attention, find_poses
from tarvitpose.web.limits import Limits, Upload, nameless
from tarvitpose.web.sessions import Sessions

FIRST_FRAME = 0.001  # seconds of a video that show no second one


class Service:
    """Takes videos from visitors and processes them on one thread."""

    def __init__(self, config: PredictConfig, limits: Limits, sessions: Sessions) -> None:
        """`config` holds the options that all jobs have in common."""
        self.config, self.limits, self.sessions = config, limits, sessions
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="tarvitpose-web")

    def warm_up(self, example: Path) -> None:
        """Load what jobs need by a frame of a video, so that the first one delays no answer.

        Raises UserError for weights that cannot be used.
        """
        with TemporaryDirectory(dir=self.sessions.root) as folder:
            config = self.config.model_copy(update={"output": Path(folder), "end": FIRST_FRAME})
            find_poses(example, config, [], lambda _: None)

    def lend(self, session_id: str, example: Path) -> Path:
        """Return a copy of a video that the visitor may read."""
        copy = self.sessions.get(session_id).folder / "example" / example.name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(example, copy)
        return copy

    def receive(self, session_id: str, video: Path) -> Upload:
        """Examine an upload. Raises UserError for a video that is not taken."""
        self.sessions.take(session_id, video)
        return self.limits.check(video)

    async def find_poses(
        self,
        session_id: str,
        video: Path,
        formats: list[str],
        options: dict[str, Any],
        on_progress: Callable[[RunProgress], None],
    ) -> JobResults:
        """Process a video; `options` are fields of PredictConfig.

        Raises UserError where the video is not taken, and StoppedError where the visitor leaves.
        """
        session = self.sessions.get(session_id)

        def work(check: Callable[[], None]) -> JobResults:
            def on_frame(progress: RunProgress) -> None:
                check()
                on_progress(progress)

            upload = self.limits.check(video)
            source, folder = self.sessions.begin(session, video)
            config = self._job_config(upload, options, folder)
            try:
                return find_poses(source, config, formats, on_frame)
            except UserError as error:
                raise type(error)(nameless(error, source.parent, folder)) from None

        session.job = job = Job(self._worker, work)
        results = await job.result()
        self.sessions.finish(session, results)
        return results

    def _job_config(self, upload: Upload, options: dict[str, Any], folder: Path) -> PredictConfig:
        values = {**self.config.model_dump(), **options, "output": folder}
        if upload.seconds is None:  # a recording of unknown length
            values["end"] = self.limits.seconds
        return parse_config(PredictConfig, values, "options")

    async def draw_attention(
        self, session_id: str, seconds: float, joint: int, track: int | None
    ) -> Path:
        """Return a picture of where a joint looks. Raises UserError without results."""
        session = self.sessions.get(session_id)
        results = session.results
        if results is None:
            raise UserError("the results have been removed: start again")

        def work(_: Callable[[], None]) -> Path:
            try:
                return draw_attention(results, seconds, joint, track)
            except UserError as error:
                raise UserError(
                    nameless(error, results.source.parent, results.config.output)
                ) from None

        session.job = job = Job(self._worker, work)
        return await job.result()

    def close(self) -> None:
        """Stop all jobs and remove all files."""
        self.sessions.stop_jobs()
        self._worker.shutdown()
        self.sessions.close()
