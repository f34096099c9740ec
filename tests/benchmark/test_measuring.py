"""How speeds are measured: turns on a fake clock, and what each mode really computes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from saved_figures import record_figures
from streaming_runs import CountingEngine
from tiny_models import H, J, W, tiny_config, tiny_model
from video_files import make_video

from tarvitpose.benchmark import baselines, plot, run
from tarvitpose.benchmark.cases import MODES, CaseKey, Mode, pose_case
from tarvitpose.benchmark.model_under_test import ModelUnderTest
from tarvitpose.benchmark.plan import BenchmarkPlan
from tarvitpose.benchmark.result import BenchmarkResult
from tarvitpose.benchmark.soak import TwoPeople
from tarvitpose.benchmark.stages import Stopwatch, time_stages, waiting_for
from tarvitpose.config import PredictConfig
from tarvitpose.detection import Detections
from tarvitpose.errors import MissingDependencyError
from tarvitpose.inference.cost import count
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import STAGES
from tarvitpose.results import Frame
from tarvitpose.utils.interleaved import Case, measure_interleaved, ratios, spread

FRAMES = 3  # of a window of the tiny model
CROPS = np.random.default_rng(0).integers(0, 256, (5, H, W, 3), np.uint8)


class Clock:
    """Time that passes only where somebody works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: Callable[[], float]) -> Callable[[], None]:
        def work() -> None:
            self.turns.append(name)
            self.now += seconds()

        return work


def test_rates_are_outputs_over_time() -> None:
    clock = Clock()
    cases = [
        Case("quick", 4, clock.work("quick", lambda: 0.25)),
        Case("slow", 6, clock.work("slow", lambda: 3.0)),
    ]
    rates = measure_interleaved(cases, rounds=2, seconds=1.0, clock=clock)
    assert rates == {"quick": [16, 16], "slow": [2, 2]}
    per_round = Counter({"quick": 4, "slow": 1})  # a second at least, one call at least
    assert Counter(clock.turns) == Counter({"quick": 2, "slow": 2}) + per_round + per_round


def test_every_round_has_each_case_once_in_an_order_of_its_own() -> None:
    clock = Clock()
    names = "abcdef"
    cases = [Case(name, 1, clock.work(name, lambda: 1.0)) for name in names]
    measure_interleaved(cases, rounds=20, seconds=0.0, clock=clock, seed=3)
    turns = clock.turns[2 * len(names) :]  # without the warm-up
    rounds = ["".join(turns[at : at + 6]) for at in range(0, len(turns), 6)]
    assert all(sorted(turns_of_round) == sorted(names) for turns_of_round in rounds)
    assert len(set(rounds)) > 15


def test_a_machine_that_slows_down_leaves_ratios_as_they_are() -> None:
    clock = Clock()
    load = {"of": 1.0}

    def slower(done: int) -> None:
        load["of"] = 1.0 + 5 * done

    cases = [
        Case("a", 1, clock.work("a", lambda: 0.1 * load["of"])),
        Case("b", 1, clock.work("b", lambda: 0.2 * load["of"])),
    ]
    rates = measure_interleaved(cases, rounds=5, seconds=0.0, clock=clock, on_round=slower)
    assert spread(rates["a"]).high > 1.5 * spread(rates["a"]).low
    assert ratios(rates["a"], rates["b"]) == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize(
    ("mode", "batch", "poses", "per_pose", "at_once"),
    [
        ("single", 4, 4, {"single_frame": 1}, 4),
        ("encoder", 4, 4, {"single_frame": 1}, 4),
        ("windowed", 1, 1, {"encode": FRAMES, "decode_window": 1}, FRAMES),
        ("windowed", 7, 2, {"encode": FRAMES, "decode_window": 1}, 6),
        ("streaming", 1, 1, {"encode": 1, "decode_window": 1}, 1),
        ("streaming", 7, 7, {"encode": 1, "decode_window": 1}, 7),
    ],
)
def test_each_mode_computes_what_it_claims(
    mode: Mode, batch: int, poses: int, per_pose: dict[str, int], at_once: int
) -> None:
    engine = CountingEngine(tiny_model())
    case = pose_case(CaseKey(mode, "torch", batch), engine, CROPS)
    engine.clear()
    for _ in range(3):
        poses_of_turn: Any = case.work()
        assert len(poses_of_turn) == poses == case.outputs
        assert all(joints.keypoints.shape == (1, J, 2) for joints in poses_of_turn)
    assert engine.totals == {name: 3 * poses * each for name, each in per_pose.items()}
    assert engine.batches == {at_once}
    assert engine.window_lengths == ({FRAMES} if "decode_window" in per_pose else set())


def test_windowed_and_streaming_give_the_same() -> None:
    engine = CountingEngine(tiny_model())
    keypoints = {}
    for mode in ("windowed", "streaming"):
        case = pose_case(CaseKey(mode, "torch", 1), engine, CROPS)
        poses: list[Any] = [case.work() for _ in range(5)]
        keypoints[mode] = np.stack([joints.keypoints[0] for [joints] in poses])  # (5, J, 2)
    # Streaming has decoded its first window before, as the first is no steady state.
    assert np.allclose(keypoints["windowed"][1:], keypoints["streaming"][:-1], atol=1e-2)


def test_the_stopwatch_gives_each_moment_to_one_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("tarvitpose.benchmark.stages.perf_counter", clock)
    watch = Stopwatch()
    clock.now = 5.0  # before the first stage: nobody's
    with watch.stage("heatmaps"):
        clock.now += 1
        with watch.stage("encode"):
            clock.now += 10
        clock.now += 100
    clock.now += 1000

    def fail() -> None:
        with watch.stage("encode"):
            clock.now += 20
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert watch.seconds == {"heatmaps": 101, "encode": 30}


def test_what_a_gpu_does_counts_for_the_stage_that_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("tarvitpose.benchmark.stages.perf_counter", clock)

    class Gpu:
        def synchronise(self) -> None:
            clock.now += 7

    watch = Stopwatch(waiting_for(Gpu()))  # type: ignore[arg-type]
    with watch.stage("encode"):
        clock.now += 1
    with watch.stage("heatmaps"):
        clock.now += 10
    assert watch.seconds == {"encode": 8, "heatmaps": 10}
    waiting_for(CountingEngine(tiny_model()))()  # on the processor there is nothing to wait for


def test_detection_every_few_frames_takes_less_time(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Noting(TwoPeople):
        def detect(self, frame: Frame) -> Detections:
            seen.append(frame.index)
            return super().detect(frame)

    monkeypatch.setattr("tarvitpose.inference.estimator.load_detector", lambda *_, **__: Noting())
    video = make_video(tmp_path / "clip.mp4", 6, size=(180, 320))
    config = PredictConfig(weights=weights, backend="torch", max_people=1, det_every=4)
    assert time_stages(video, PoseEstimator.from_config(config), config).frames == 6
    assert seen == [0, 4]


@pytest.fixture
def weights(tmp_path: Path) -> str:
    tiny_model().save_pretrained(tmp_path / "weights")
    return str(tmp_path / "weights")


@pytest.mark.parametrize(
    ("changes", "without"),
    [
        ({}, set()),
        ({"crop_policy": "window"}, set()),
        ({"single_frame": True}, {"temporal"}),
    ],
)
def test_stages_cover_the_whole_pipeline(
    weights: str,
    tmp_path: Path,
    changes: dict[str, Any],
    without: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*args: object, **kwargs: object) -> TwoPeople:
        return TwoPeople()

    monkeypatch.setattr("tarvitpose.inference.estimator.load_detector", load)
    video = make_video(tmp_path / "clip.mp4", 6, size=(180, 320))
    config = PredictConfig(weights=weights, backend="torch", max_people=1, **changes)
    stages = time_stages(video, PoseEstimator.from_config(config), config)
    assert stages.frames == 6
    assert set(stages.milliseconds) == {*STAGES, "rest"}
    assert {name for name, value in stages.milliseconds.items() if value == 0} == without
    beside = stages.milliseconds["decode"] + stages.milliseconds["write"]
    one_thread = sum(stages.milliseconds.values()) - beside
    assert one_thread == pytest.approx(1000 / stages.frame_rate)
    assert not list(tmp_path.glob("results*"))


def plan(**changes: Any) -> BenchmarkPlan:
    values: dict[str, Any] = {
        "video": "clip.mp4",
        "modes": MODES,
        "backends": ("torch",),
        "batches": (1,),
        "device": "cpu",
        "precision": "fp32",
        "rounds": 3,
        "seconds": 0.0,
        "stages": False,
        "memory": False,
    }
    return BenchmarkPlan(**{**values, **changes})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "person_crops", lambda video, config: CROPS)
    monkeypatch.setattr(baselines, "LARGE", 64)
    monkeypatch.setattr(baselines, "SMALL", 64)


def test_a_missing_backend_is_left_out_with_a_line(
    quick: None, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = run.load_engine

    def without(source: str, *, backend: str, **how: Any) -> Any:
        if backend == "openvino":
            raise MissingDependencyError("openvino", "--backend openvino", "openvino")
        return load(source, backend=backend, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "load_engine", without)
    warnings: list[str] = []
    model = ModelUnderTest("tiny", tiny_config(), weights)
    result = run.measure(model, plan(backends=("openvino", "torch")), {}, warn=warnings.append)
    assert {key.backend for key in result.rates} == {"torch"}
    assert len(warnings) == 1
    assert "openvino" in warnings[0]
    with pytest.raises(MissingDependencyError):
        run.measure(model, plan(backends=("openvino",)), {}, warn=warnings.append)


def test_weights_without_temporal_part_have_single_frames_only(quick: None, tmp_path: Path) -> None:
    tiny_model(offsets=()).save_pretrained(tmp_path)
    model = ModelUnderTest("tiny", tiny_config(offsets=()), str(tmp_path))
    result = run.measure(model, plan(), {}, warn=pytest.fail)
    assert [key.mode for key in result.rates] == ["single", "encoder"]
    assert result.comparisons() == []


def made_up() -> BenchmarkResult:
    """Return a result of made-up rates: openvino is twice as fast as torch."""
    config = tiny_config()
    speeds: dict[str, float] = {"single": 10, "windowed": 2, "streaming": 8}
    rates = {
        CaseKey(mode, backend, 8): [speeds[mode] * quick * load for load in (1, 0.5, 0.25)]
        for mode in MODES
        for backend, quick in (("torch", 1), ("openvino", 2))
    }
    rates[CaseKey("single", "transformers", 8)] = [4, 2, 1]
    products = {"fp32": [1.0, 0.5, 0.25], "bf16 emulated": [0.1, 0.1, 0.1]}
    return BenchmarkResult(
        ModelUnderTest("tiny", config, None), plan(batches=(8,)), count(config), rates, products
    )


def test_comparisons_are_within_rounds_and_beside_the_best_backend() -> None:
    spreads = {
        (*ratio.first[:2], *ratio.second[:2]): (
            ratio.times.median,
            ratio.times.low,
            ratio.times.high,
        )
        for ratio in made_up().comparisons()
    }
    assert spreads == {
        ("streaming", "torch", "single", "torch"): (0.8, 0.8, 0.8),
        ("streaming", "torch", "windowed", "torch"): (4, 4, 4),
        ("streaming", "openvino", "single", "openvino"): (0.8, 0.8, 0.8),
        ("streaming", "openvino", "windowed", "openvino"): (4, 4, 4),
        ("single", "openvino", "single", "transformers"): (5, 5, 5),
        ("streaming", "openvino", "single", "transformers"): (4, 4, 4),
    }


def test_what_counting_alone_gives_stands_beside() -> None:
    costs = count(tiny_config())
    beside = {ratio.second.mode: ratio.counted for ratio in made_up().comparisons()[:2]}
    assert beside["windowed"] == costs["total"].gmacs / costs["streaming"].gmacs
    assert beside["single"] == costs["single_frame"].gmacs / costs["streaming"].gmacs


def test_facts_have_the_fields_that_are_promised() -> None:
    result = made_up()
    facts = {(case["mode"], case["backend"]): case for case in result.facts()}
    assert len(facts) == 7
    fast = facts["streaming", "openvino"]
    assert (fast["size"], fast["input"], fast["batch"]) == ("tiny", f"{H}x{W}", 8)
    assert (fast["crops_per_second"], fast["quartiles"]) == (8, [6, 12])
    assert fast["offsets"] == (-1, 1)
    assert fast["weights"] == "random"
    work = 2 * count(tiny_config())["streaming"].gmacs * 16
    assert fast["share_of_matrix_product"]["fp32"] == pytest.approx(work)
    assert fast["times"]["single transformers"]["median"] == 4
    assert facts["single", "transformers"]["precision"] == "fp32"
    assert fast["cuda_graphs"] is False
    assert result.peak == "fp32"


def test_streaming_is_counted_as_one_new_frame() -> None:
    costs = count(tiny_config())
    frame = costs["encoder"].gmacs + costs["decoder"].gmacs
    assert costs["single_frame"].gmacs == frame
    assert costs["total"].gmacs - costs["streaming"].gmacs == pytest.approx((FRAMES - 1) * frame)


def test_the_plot_has_a_bar_for_each_case_as_high_as_its_median(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = record_figures(monkeypatch)
    plot.plot(tmp_path / "speed.png", [made_up(), made_up()])
    for panel in figures[0].axes:
        heights = sorted(bar.get_height() for bar in panel.patches)
        assert heights == sorted(
            spread(rates).median for key, rates in made_up().rates.items() if key.mode in MODES
        )
    assert cv2.imread(str(tmp_path / "speed.png")) is not None
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"tarvitpose\[plot\]"):
        plot.plot(tmp_path / "other.png", [made_up()])
