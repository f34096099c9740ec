"""A run of which the report tells more than its files hold: stages, and single frames beside."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any

from tarvitpose.benchmark.stages import TimedEstimator
from tarvitpose.results import Frame, FramePoses
from tarvitpose.video.frame_source import FrameSource


class ReportedEstimator(TimedEstimator):
    """An estimator with a stopwatch that keeps the answers to single frames, where asked for."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.alone: dict[int, FramePoses] = {}  # by the frame's index

    def run(self, source: FrameSource | Iterable[Frame]) -> Generator[tuple[Frame, FramePoses]]:
        """Yield every frame with its poses, in order."""
        with closing(super().run(source)) as found:
            for frame, poses in found:
                if self.predictor.compare:
                    self.alone[frame.index] = poses.single_frame()
                yield frame, poses
