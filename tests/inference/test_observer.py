"""Observers see every step of a run and change nothing; engines hold engines."""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from streaming_runs import CountingEngine, crossing_people, streamed, tracked_video
from tiny_models import H, J, W, modest_model
from video_files import make_video
from walkers import Walker

from tarvitpose.detection import Detections
from tarvitpose.heatmaps import flip_back
from tarvitpose.inference.engine import FlipTestEngine
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import STAGES, Observer, Stage
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.results import Frame, FramePoses
from tarvitpose.utils.arrays import Float32

CROPS = np.random.default_rng(0).integers(0, 256, (5, H, W, 3), np.uint8)
FRAMES = 6


class Recorder(Observer):
    """Notes all that it sees."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.detected: list[int] = []
        self.people: list[int] = []
        self.finished: list[tuple[int, int]] = []  # the frame, and its poses' frame

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        self.stages[name] += 1
        yield

    def frame_detected(self, frame: Frame, detect: Callable[[], Detections]) -> Detections:
        self.detected.append(frame.index)
        return detect()

    def windows_decoded(self, boxes: Float32, decode: Callable[[], PoseArrays]) -> PoseArrays:
        poses = decode()
        self.people.append(len(poses.keypoints))
        return poses

    def frame_finished(self, frame: Frame, poses: FramePoses) -> None:
        self.finished.append((frame.index, poses.index))


@pytest.mark.parametrize("single_frame", [False, True])
def test_an_observer_sees_each_step_and_changes_nothing(tmp_path: Path, single_frame: bool) -> None:
    engine = TorchEngine(modest_model(), device="cpu", precision="fp32")
    predictor = Predictor(engine, temporal="none" if single_frame else "tar", batch_size=2)
    frames = [Frame(index, index / 25, image) for index, image in enumerate(images(tmp_path))]
    estimator, recorder = PoseEstimator(predictor, Walker(absent=(3,))), Recorder()
    watched = [poses for _, poses in estimator.run(frames, recorder)]
    assert recorder.detected == list(range(FRAMES))
    assert sum(recorder.people) == FRAMES - 1
    assert recorder.finished == [(index, index) for index in range(FRAMES)]
    unused = {"write", "temporal"} if single_frame else {"write"}
    assert set(recorder.stages) == {*STAGES} - unused
    assert recorder.stages["detect"] == FRAMES
    assert recorder.stages["decode"] == FRAMES + 1  # the last time there is no frame
    for poses, (_, alone) in zip(watched, estimator.run(frames), strict=True):
        assert np.array_equal(poses.keypoints, alone.keypoints)
        assert np.array_equal(poses.scores, alone.scores)
    assert recorder.stages["detect"] == FRAMES  # the estimator itself is not observed


def images(folder: Path) -> Iterator[np.ndarray]:
    from tarvitpose.video.sources import open_source

    with open_source(make_video(folder / "walk.mp4", FRAMES)) as source:
        yield from (frame.image for frame in source)


def test_poses_that_an_observer_knows_cost_no_encoding() -> None:
    class KnowsEverything(Observer):
        def windows_decoded(self, boxes: Float32, decode: Callable[[], PoseArrays]) -> PoseArrays:
            return PoseArrays(np.ones((len(boxes), J, 2), "f4"), np.ones((len(boxes), J), "f4"))

    engine = CountingEngine()
    predictor = Predictor(engine).observed_by(KnowsEverything())
    frames = tracked_video(6, crossing_people)
    for tracked, poses in streamed(frames, open_streamer(predictor, None)):
        assert poses.keypoints.shape == (len(tracked.boxes), J, 2)
        assert (poses.scores == 1).all()
    assert engine.encoded == []


def test_crops_are_encoded_in_batches_when_the_first_is_needed() -> None:
    engine = CountingEngine()
    crops = Predictor(engine, batch_size=2).encode(CROPS)
    assert engine.encoded == []
    last, again = crops[4].encoded, crops[4].encoded
    assert last is again
    assert engine.encoded == [1]  # the fifth crop is alone in its batch
    first = weakref.ref(crops[0].encoded)
    assert crops[1].encoded is not None
    assert engine.encoded == [1, 2]
    del crops[0]
    assert first() is None  # its batch does not keep it


@pytest.mark.parametrize("method", ["single_frame", "decode", "decode_window"])
def test_the_flip_test_is_the_mean_of_both_views(method: str) -> None:
    engine = TorchEngine(modest_model(), device="cpu", precision="fp32")

    def heatmaps(of: TorchEngine | FlipTestEngine, crops: np.ndarray) -> Float32:
        if method == "single_frame":
            return of.single_frame(crops)
        encoded = of.encode(crops)
        if method == "decode":
            return of.decode(encoded)
        return of.decode_window([encoded[:3], encoded[2:]], 1)

    mirrored = heatmaps(engine, np.ascontiguousarray(CROPS[:, :, ::-1]))
    order = engine.config.joints.flip_order
    mean = (heatmaps(engine, CROPS) + flip_back(mirrored, order, engine.config.codec)) / 2
    np.testing.assert_allclose(heatmaps(FlipTestEngine(engine), CROPS), mean, atol=1e-6)


@pytest.mark.parametrize("kind", ["plain", "compare", "peaks"])
def test_pose_arrays_come_back_from_a_table_and_from_parts(kind: str) -> None:
    random = np.random.default_rng(0)
    joints = [(5, J, 2), (5, J)]
    arrays = [random.random(shape, np.float32) for shape in joints * (1 + (kind == "compare"))]
    peaks = random.random((5, J, 2, 3), np.float32) if kind == "peaks" else None
    poses = PoseArrays(*arrays, lower_peaks=peaks)
    again = PoseArrays.from_table(poses.table(), J)
    parts = poses.split([2, 0, 3])
    assert [len(part.scores) for part in parts] == [2, 0, 3]
    assert np.array_equal(parts[2].keypoints, poses.keypoints[2:])
    for other in (again, PoseArrays.joined(parts)):
        for name, array in vars(poses).items():
            assert np.array_equal(getattr(other, name), array)
    nobody = PoseArrays.of_nobody(J, compare=kind == "compare", peaks=kind == "peaks")
    assert PoseArrays.joined([nobody, poses]).table().shape == poses.table().shape
    assert PoseArrays.from_table(nobody.table(), J).keypoints.shape == (0, J, 2)
