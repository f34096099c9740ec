"""What stands beside an estimator's run: it sees each step, and may know a result already."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

from tarvitpose.detection import Detections
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.results import Frame, FramePoses
from tarvitpose.utils.arrays import Float32

Stage = Literal["decode", "detect", "warp", "encode", "temporal", "heatmaps", "write"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Observer:
    """Changes nothing as it is; an observer of some steps overrides the methods for those.

    One that is put around another passes on to it what it does not handle itself.
    """

    def stage(self, name: Stage) -> AbstractContextManager[None]:
        """Return a context in which a stage runs; stages may contain others."""
        return nullcontext()

    def frame_detected(self, frame: Frame, detect: Callable[[], Detections]) -> Detections:
        """Return the people of one frame, which `detect` finds."""
        return detect()

    def windows_decoded(self, boxes: Float32, decode: Callable[[], PoseArrays]) -> PoseArrays:
        """Return the joints of N people with boxes (N, 4), which `decode` computes."""
        return decode()

    def frame_finished(self, frame: Frame, poses: FramePoses) -> None:
        """Take note of the poses of one frame; frames come in order, each once."""
