"""What a report shows of a run beyond its files: time by stage, and what files do not hold."""

from tarvitpose.benchmark.stages import Stopwatch
from tarvitpose.results import Frame, FramePoses


class ReportObserver(Stopwatch):
    """A stopwatch that keeps the poses: files lack single frames and boxes left out."""

    def __init__(self) -> None:
        super().__init__()
        self.poses: dict[int, FramePoses] = {}  # by the frame's index

    def frame_finished(self, frame: Frame, poses: FramePoses) -> None:
        """Keep the poses of a frame."""
        self.poses[frame.index] = poses
