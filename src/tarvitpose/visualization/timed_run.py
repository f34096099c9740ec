"""The run behind a report: it is timed by stage, and holds the poses of single frames."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any

from tarvitpose.benchmark.stages import TimedEstimator
from tarvitpose.results import Frame, FramePoses
from tarvitpose.video.frame_source import FrameSource


class ReportedEstimator(TimedEstimator):
    """A timed estimator that holds the poses of single frames when it compares with them."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.single_frames: dict[int, FramePoses] = {}  # by the frame's index

    def run(self, source: FrameSource | Iterable[Frame]) -> Generator[tuple[Frame, FramePoses]]:
        """Yield every frame with its poses, in order."""
        with closing(super().run(source)) as results:
            for frame, poses in results:
                if self.predictor.compare:
                    self.single_frames[frame.index] = poses.single_frame()
                yield frame, poses
