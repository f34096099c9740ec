"""Where visitors are served: their videos, jobs and results, whatever the page looks like."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError
from tarvitpose.runs.pipeline import Progress
from tarvitpose.utils.config_files import parse_config
from tarvitpose.web.jobs import Results, find_poses, look
from tarvitpose.web.limits import Limits, Upload, nameless
from tarvitpose.web.queue import Job, Line
from tarvitpose.web.sessions import Visitors


class Desk:
    """Takes videos from visitors and gives them to one line of jobs."""

    def __init__(self, config: PredictConfig, limits: Limits, visitors: Visitors) -> None:
        """`config` is what all jobs have in common."""
        self.config, self.limits, self.visitors = config, limits, visitors
        self.line = Line()

    def lend(self, session: str, example: Path) -> Path:
        """Return a copy of a video that the visitor may read."""
        copy = self.visitors.of(session).folder / "example" / example.name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(example, copy)
        return copy

    def receive(self, session: str, video: Path) -> Upload:
        """Look at an upload. Raises UserError for what is not taken."""
        self.visitors.take(session, video)
        return self.limits.check(video)

    def begin(
        self, session: str, video: Path, formats: list[str], choices: dict[str, Any]
    ) -> Job[Results]:
        """Return the job of a video; `choices` are fields of PredictConfig.

        Raises UserError where the video is not taken, or the visitor has a job already.
        """
        visitor = self.visitors.of(session)
        if visitor.is_busy:
            raise UserError("your last video is not done yet: wait for it, or cancel it")
        upload = self.limits.check(video)
        own, folder = self.visitors.begin(session, video)
        values = {**self.config.model_dump(), **choices, "output": folder}
        if upload.seconds is None:  # nobody knew how long it is
            values["end"] = self.limits.seconds
        config = parse_config(PredictConfig, values, "options")

        def work(on_progress: Callable[[Progress], None]) -> Results:
            try:
                results = find_poses(own, config, formats, on_progress)
            except UserError as error:
                raise type(error)(nameless(error, own)) from None
            self.visitors.finish(visitor, results)
            return results

        visitor.job = self.line.add(work)
        return visitor.job

    def stop(self, session: str) -> None:
        """Stop the visitor's job, if there is one."""
        job = self.visitors.of(session).job
        if job is not None:
            job.stop()

    def look(self, session: str, seconds: float, joint: int, track: int | None) -> Job[Path]:
        """Return the job that draws where a joint looked. Raises UserError without results."""
        results = self.visitors.of(session).results
        if results is None:
            raise UserError("the results have been removed: start again")

        def work(_: Callable[[Progress], None]) -> Path:
            try:
                return look(results, seconds, joint, track)
            except UserError as error:
                raise UserError(nameless(error, results.source)) from None

        return self.line.add(work)

    def close(self) -> None:
        """Stop all jobs and remove all files."""
        self.line.close()
        self.visitors.close()
