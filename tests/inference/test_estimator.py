"""PoseEstimator: what users hold on to in Python, on tiny models and generated videos."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_models import modest_model
from video_files import decode_fully, make_video
from walkers import Walker

from tarvitpose.config import CropPolicy, EstimatorConfig
from tarvitpose.detection import Detections
from tarvitpose.errors import UserError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import Observer
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, windows
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.images import write_image
from tarvitpose.video.sources import open_source

BOX = [[10.0, 4, 40, 44]]
TIMES = [0, 0.04, 0.08, 0.125, 0.16, 0.24, 0.3]  # seconds, uneven


def estimator(crop_policy: CropPolicy = "anchored", **changes: object) -> PoseEstimator:
    engine = TorchEngine(modest_model(), device="cpu", precision="fp32")
    predictor = Predictor(engine, **changes)  # type: ignore[arg-type]
    config = EstimatorConfig(box_threshold=0, crop_policy=crop_policy)
    return PoseEstimator(predictor, Walker(absent=(3,)), config)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "walk.mp4", TIMES)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_every_frame_comes_once_in_order_also_without_people(video: Path, batch_size: int) -> None:
    poses = list(estimator(batch_size=batch_size).stream(video))
    times, _ = decode_fully(video)
    assert [frame.index for frame in poses] == list(range(len(times)))
    assert np.allclose([frame.time for frame in poses], times)
    assert [len(frame) for frame in poses] == [1, 1, 1, 0, 1, 1, 1]
    assert poses[3].keypoints.shape == (0, 15, 2)


def test_a_person_keeps_the_number_through_a_gap(video: Path) -> None:
    ids = [frame.track_ids.tolist() for frame in estimator().stream(video)]
    assert ids == [[1], [1], [1], [], [1], [1], [1]]


def test_the_window_policy_equals_predicting_each_window(video: Path) -> None:
    estimates = estimator("window")
    frames = [frame for frame, _ in estimates.run(_frames(video))]
    images = [frame.image for frame in frames]
    for poses in estimates.stream(video):
        at = [min(max(poses.index + o, 0), len(images) - 1) for o in (-1, 0, 1)]
        window = estimates.predict([images[i] for i in at], poses.boxes)
        assert np.allclose(window.scores, poses.scores, atol=1e-5)
        assert np.allclose(window.keypoints, poses.keypoints, atol=1e-2)


def test_a_picture_is_decoded_alone_with_its_mirror_image_and_a_clip_of_one_frame_is_not(
    tmp_path: Path,
) -> None:
    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
    (tmp_path / "clip").mkdir()
    for path in (tmp_path / "photo.png", tmp_path / "clip" / "0.png"):
        write_image(path, image)
    alone = estimator(temporal="none", flip_test=True).predict(image, BOX)
    with_itself = estimator().predict([image] * 3, BOX)
    assert not np.allclose(alone.keypoints, with_itself.keypoints, atol=0.1)
    for source, expected in (("photo.png", alone), ("clip", with_itself)):
        estimates = estimator()
        estimates.detector = detector = SameBoxes()
        (poses,) = estimates.stream(tmp_path / source)
        assert detector.is_of_pictures == (source == "photo.png")
        assert np.allclose(poses.keypoints, expected.keypoints, atol=1e-2), source
        assert np.allclose(poses.scores, expected.scores, atol=1e-4), source


class SameBoxes:
    is_of_pictures = False

    def of_pictures(self) -> "SameBoxes":
        self.is_of_pictures = True
        return self

    def detect(self, frame: Frame) -> Detections:
        return Detections(np.float32(BOX), np.ones(1, np.float32))


def _frames(video: Path) -> list[Frame]:
    with open_source(video) as source:
        return list(source)


def test_results_have_the_promised_types_and_names(video: Path) -> None:
    poses = next(iter(estimator().stream(video)))
    assert poses.image_size == (48, 64)
    assert {poses.keypoints.dtype, poses.scores.dtype, poses.boxes.dtype} == {np.dtype(np.float32)}
    assert poses.track_ids.dtype == np.int64
    assert poses.joint_names[:3] == ("nose", "head_bottom", "head_top")
    assert (poses.scores >= 0).all()
    assert (poses.scores <= 1).all()


def test_single_frame_predicts_from_one_image() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    estimates = estimator(temporal="none")
    assert estimates.predict(image, [[4, 4, 30, 40]]).keypoints.shape == (1, 15, 2)
    assert estimates.predict([image], []).keypoints.shape == (0, 15, 2)


GOOD = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("frames", "boxes", "message"),
    [
        ([GOOD], [[0, 0, 9, 9]], r"expected 3 images at the offsets \(-1, 0, 1\), got 1"),
        ([GOOD, GOOD, GOOD[..., 0]], [[0, 0, 9, 9]], r"expected RGB images .* got \(48, 64\)"),
        ([GOOD, GOOD, GOOD / 2], [[0, 0, 9, 9]], r"uint8, got \(48, 64, 3\) float64"),
        ([GOOD] * 3, [[0, 0, 9]], r"boxes: expected \(N, 4\)"),
        ([GOOD] * 3, [[0, 0, np.nan, 9]], r"boxes: expected \(N, 4\) finite"),
        ([GOOD] * 3, [[9, 0, 5, 9]], r"right > left"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    frames: list[NDArray[np.uint8]], boxes: list[list[float]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        estimator().predict(frames, boxes)


def test_a_person_half_hidden_is_followed_but_a_faint_box_is_nobody(video: Path) -> None:
    class Fading:
        def detect(self, frame: Frame) -> Detections:
            boxes = np.float32([[4, 4, 24, 44], [40, 4, 60, 44]])
            return Detections(boxes, np.float32([0.9 - 0.1 * frame.index, 0.39]))

    ours = estimator()
    followed = PoseEstimator(ours.predictor, Fading(), EstimatorConfig())
    assert [poses.track_ids.tolist() for poses in followed.stream(video)] == [[1]] * len(TIMES)


def test_between_detections_a_files_boxes_are_interpolated(tmp_path: Path) -> None:
    video, detector = make_video(tmp_path / "walk.mp4", 12), Walker(absent=(3,))
    estimates = PoseEstimator(estimator().predictor, detector, EstimatorConfig(det_every=4))
    poses = list(estimates.stream(video))
    assert detector.frames == [0, 4, 8]
    assert [frame.track_ids.tolist() for frame in poses] == [[1]] * 12
    lefts = [float(frame.boxes[0, 0]) for frame in poses]
    assert lefts[:9] == [5 + 2 * index for index in range(9)]  # where the walker is
    assert 21 < lefts[9] < lefts[10] < lefts[11] < 27  # carried on, as no detection follows
    assert [frame.box_scores[0] for frame in poses] == [np.float32(0.9)] * 12


def test_nobody_is_carried_who_was_not_detected(tmp_path: Path) -> None:
    video = make_video(tmp_path / "walk.mp4", 6)  # nobody is found in frame 3
    estimates = PoseEstimator(
        estimator().predictor, Walker(absent=(3,)), EstimatorConfig(det_every=3)
    )
    assert [len(frame) for frame in estimates.stream(video)] == [1, 1, 1, 0, 0, 0]


def test_a_live_source_is_answered_frame_by_frame(tmp_path: Path) -> None:
    """No frame waits for others to fill a batch; what is dropped is counted."""
    video = make_video(tmp_path / "walk.mp4", 12)
    together: list[int] = []

    class CountsPeople(Observer):
        """Notes how many people are decoded at once; a frame has one at most."""

        def windows_decoded(self, boxes: Float32, decode: Callable[[], PoseArrays]) -> PoseArrays:
            together.append(len(boxes))
            return decode()

    with open_source(video, live=True) as source:
        frames = [poses for _, poses in estimator(batch_size=16).run(source, CountsPeople())]
    assert set(together) == {1}
    assert len(frames) + source.dropped == 12
    assert [poses.time for poses in frames] == pytest.approx([p.index / 25 for p in frames])
    together.clear()
    list(estimator(batch_size=16).run(_frames(video), CountsPeople()))
    # A file's frames share batches that grow; in one frame there is nobody.
    assert (together[:2], sum(together), max(together)) == ([1, 1], 11, 3)


def test_growing_batches_give_what_a_single_one_gives(video: Path) -> None:
    estimates = estimator()
    poses = list(estimates.stream(video))
    tracked = estimates.person_tracker().find(_frames(video))
    streamer = open_streamer(estimates.predictor, estimates.config.anchor)
    together = streamer.joints(list(windows(tracked, estimates.predictor.offsets)))
    assert len(poses) == len(together) == len(TIMES)
    for frame, joints in zip(poses, together, strict=True):
        np.testing.assert_allclose(frame.keypoints, joints.keypoints, atol=1e-3)
        np.testing.assert_allclose(frame.scores, joints.scores, atol=1e-5)


def test_a_detector_is_given_a_device_that_torch_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modest_model().save_pretrained(tmp_path)
    devices: list[str] = []

    def load(name: str, *, threshold: float, device: str) -> object:
        devices.append(device)
        return object()

    monkeypatch.setattr("tarvitpose.inference.estimator.load_detector", load)
    PoseEstimator.from_pretrained(tmp_path, detector="torchvision")
    assert [str(torch.device(name)) for name in devices] == devices  # "auto" is none


def test_options_of_from_pretrained_are_fields_of_the_configuration(tmp_path: Path) -> None:
    modest_model().save_pretrained(tmp_path)
    options: dict[str, Any] = {"det_every": 5, "offsets": (-1,), "batch_size": 3, "device": "cpu"}
    estimator = PoseEstimator.from_pretrained(tmp_path, detector=Walker(), **options)
    config = EstimatorConfig(weights=str(tmp_path), **options)
    assert estimator.config == config
    assert (estimator.predictor.offsets, estimator.predictor.batch_size) == ((-1, 0), 3)
    assert PoseEstimator.from_config(config, Walker()).config == config
    assert config.start_threshold == 0.4


def test_doubtful_boxes_start_tracks_only_where_joints_decide(tmp_path: Path) -> None:
    modest_model().save_pretrained(tmp_path)

    def threshold(**options: Any) -> float:
        estimator = PoseEstimator.from_pretrained(tmp_path, detector=Walker(), **options)
        return estimator.start_threshold

    assert threshold() == 0.4  # scores that are no probabilities leave nobody out
    assert threshold(person_score=0.35) == 0.3
    assert threshold(keep_all=True) == 0.3
    assert threshold(person_score=0.35, box_threshold=0.5) == 0.5


def test_nobody_is_left_out_where_scores_have_no_curve(tmp_path: Path) -> None:
    halved = ((0.0, 0.0), (1.0, 0.5))
    cases: list[tuple[dict[str, Any], dict[str, Any], float]] = [
        ({"score_curve": halved}, {"temporal": "tar"}, 0.4),
        ({"score_curve": halved, "flip_score_curve": ((0, 0), (1, 0.6))}, {}, 0.4),
        ({"single_score_curve": halved}, {"temporal": "none", "flip_test": True}, 0.4),
        ({"flip_score_curve": halved}, {"temporal": "none", "flip_test": True}, 0.4),
        ({"flip_score_curve": halved}, {"temporal": "none"}, 0.0),
    ]
    for at, (curves, options, limit) in enumerate(cases):
        modest_model(**curves).save_pretrained(tmp_path / str(at))
        estimator = PoseEstimator.from_pretrained(
            tmp_path / str(at), detector=Walker(), device="cpu", **options
        )
        assert estimator.least_person_score == limit
        is_calibrated = {"flip_score_curve", "single_score_curve"} & curves.keys()
        assert estimator.of_pictures().least_person_score == (0.3 if is_calibrated else 0.0)
    estimator = PoseEstimator.from_pretrained(
        tmp_path / "0", detector=Walker(), device="cpu", person_score=0.5
    )
    assert estimator.of_pictures().least_person_score == 0.5


def test_boxes_of_a_file_all_count(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.json"
    boxes.write_text('[{"image_id": 0, "bbox": [4, 4, 20, 40], "score": 0.1, "category_id": 1}]')
    modest_model().save_pretrained(tmp_path)
    video = make_video(tmp_path / "walk.mp4", 2)
    options: dict[str, Any] = {"boxes": boxes, "device": "cpu"}
    estimator = PoseEstimator.from_pretrained(tmp_path, **options)
    assert [len(poses) for poses in estimator.stream(video)] == [1, 0]
    estimator = PoseEstimator.from_pretrained(tmp_path, **options, box_threshold=0.2)
    assert [len(poses) for poses in estimator.stream(video)] == [0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"det_evry": 5}, "unknown key det_evry; did you mean det_every?"),
        ({"det_every": 0}, "det_every: must be a whole number from 1 on, or auto, got 0"),
        ({"compare": True, "single_frame": True}, "compare shows single frames beside"),
    ],
)
def test_a_wrong_option_is_refused_in_a_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        PoseEstimator.from_pretrained("nowhere", **options)
    assert str(caught.value).startswith(f"PoseEstimator.from_pretrained: {message}")
