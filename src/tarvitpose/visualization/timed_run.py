"""What a report shows of a run beyond its files: time by stage, and poses of single frames."""

from __future__ import annotations

from tarvitpose.benchmark.stages import Stopwatch
from tarvitpose.results import Frame, FramePoses


class ReportObserver(Stopwatch):
    """A stopwatch that keeps the poses of single frames, where they are compared with."""

    def __init__(self) -> None:
        super().__init__()
        self.single_frames: dict[int, FramePoses] = {}  # by the frame's index

    def frame_finished(self, frame: Frame, poses: FramePoses) -> None:
        """Keep what single frames alone give."""
        if poses.single_keypoints is not None:
            self.single_frames[frame.index] = poses.single_frame()
