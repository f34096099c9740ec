"""Exported graphs are checked on a clip, and only what agrees with PyTorch is left behind."""

import json
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import refusal, run
from tiny_models import H, W, modest_model
from video_files import make_video
from walkers import Walker

from tarvitpose.cli import checks
from tarvitpose.detection import Detections
from tarvitpose.errors import OutputError, UserError, WeightsError
from tarvitpose.inference import export as module
from tarvitpose.inference.devices import has_cpu_bfloat16
from tarvitpose.inference.export import Agreement, errors, export
from tarvitpose.inference.graph_folder import read_graphs
from tarvitpose.inference.graphs import write_rtmlib_graph
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Frame, FramePoses

FRAMES = 6


class Nobody(Walker):
    """Finds nobody."""

    def detect(self, frame: Frame) -> Detections:
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def small(**changes: int) -> TARViTPose:
    return modest_model(depth=1, jta_layers=1, **changes)


@pytest.fixture(autouse=True)
def little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare few frames, and only on ONNX Runtime."""
    monkeypatch.setattr(module, "openvino_is_installed", lambda: False)
    monkeypatch.setattr(module, "FRAMES", FRAMES)
    monkeypatch.setattr(module, "ROUNDS", 1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("clip") / "walk.mp4", 20)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    small().save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


def tried(weights: Path, output: Path, clip: Path, **options: Any) -> list[Agreement]:
    return export(weights, output, clip=clip, detector=Walker(), **options)


def left(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones as well."""
    return sorted(path.name for path in folder.iterdir())


def test_graphs_agree_with_pytorch_and_can_be_used(
    weights: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = weights.parent / "graphs"
    has_openvino = util.find_spec("openvino") is not None
    monkeypatch.setattr(module, "openvino_is_installed", lambda: has_openvino)
    agreements = tried(weights, output, clip)
    checked = [agreement for agreement in agreements if agreement.precision == "fp32"]
    assert [agreement.backend for agreement in checked] == [
        "onnxruntime",
        *(["openvino"] if has_openvino else []),
    ]
    for agreement in checked:
        assert agreement.joints > 10
        assert 0 <= agreement.median <= agreement.most <= agreement.largest < 0.05
        assert agreement.speed > 0
    assert left(output) == ["config.json", "export.json", "frame.onnx", "step.onnx"]
    assert left(weights.parent) == ["graphs", "weights"]
    about = json.loads((output / "export.json").read_text())
    assert about["check"]["clip"] == str(clip)
    assert [agreement["backend"] for agreement in about["check"]["backends"]] == [
        agreement.backend for agreement in agreements
    ]
    assert load_engine(output).config == small().config


@pytest.mark.skipif(not has_cpu_bfloat16(), reason="needs a processor with bfloat16")
def test_bfloat16_is_reported_and_not_what_graphs_are_judged_by(
    weights: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="needs openvino")
    monkeypatch.setattr(module, "openvino_is_installed", lambda: True)
    agreements = tried(weights, weights.parent / "graphs", clip, max_error=1e-3)
    assert [agreement.precision for agreement in agreements] == ["fp32", "fp32", "bf16"]
    assert agreements[2].most > 1e-3 > agreements[1].most


def test_without_temporal_part_there_is_one_graph(tmp_path: Path, clip: Path) -> None:
    model = small()
    alone = type(model)(model.config.model_copy(update={"offsets": ()}))
    state = model.state_dict()
    alone.load_state_dict({name: state[name] for name in alone.state_dict()})
    alone.save_pretrained(tmp_path / "weights")
    agreements = tried(
        tmp_path / "weights", tmp_path / "graphs", clip, precision="fp16", max_error=1
    )
    assert agreements[0].largest < 1
    assert left(tmp_path / "graphs") == ["config.json", "export.json", "frame.onnx"]


def test_float16_halves_the_files(weights: Path, clip: Path) -> None:
    small(decoder_width=256).save_pretrained(weights)  # else the graph outweighs its numbers
    sizes = {}
    for precision in ("fp32", "fp16"):
        output = weights.parent / precision
        tried(weights, output, clip, precision=precision, max_error=2)
        sizes[precision] = read_graphs(output).path.joinpath("frame.onnx").stat().st_size
    assert 0.4 < sizes["fp16"] / sizes["fp32"] < 0.6


def test_int8_moves_joints_a_little_and_is_judged_by_half_of_them(
    weights: Path, clip: Path
) -> None:
    output = weights.parent / "graphs"
    (agreement,) = tried(weights, output, clip, precision="int8", max_error=1)
    assert 0 < agreement.median <= 1
    engine = load_engine(output)
    assert isinstance(engine, OnnxEngine)
    assert engine.fingerprint().endswith("-int8")
    assert left(output) == ["config.json", "export.json", "frame.onnx", "step.onnx"]
    assert b"DynamicQuantizeLinear" in (output / "frame.onnx").read_bytes()
    with pytest.raises(WeightsError, match=r"with int8 on onnxruntime half of the joints are off"):
        tried(weights, output, clip, precision="int8", max_error=0, overwrite=True)


def test_what_differs_too_much_is_refused_and_leaves_nothing(weights: Path, clip: Path) -> None:
    output = weights.parent / "graphs"
    refused = r"^export refused: with fp16 on onnxruntime 1% of the joints are off by \d+\.\d+ px"
    with pytest.raises(WeightsError, match=refused):
        tried(weights, output, clip, precision="fp16", max_error=0)
    assert left(weights.parent) == ["weights"]
    tried(weights, output, clip)
    before = (output / "export.json").read_text()
    with pytest.raises(WeightsError, match="export refused"):
        tried(weights, output, clip, precision="fp16", max_error=0, overwrite=True)
    assert (output / "export.json").read_text() == before


def test_what_is_there_is_replaced_only_if_asked(weights: Path, clip: Path) -> None:
    output = weights.parent / "graphs"
    output.mkdir()
    tried(weights, output, clip)  # an empty folder may be filled
    with pytest.raises(OutputError, match="there already; pass --overwrite"):
        tried(weights, output, clip)
    tried(weights, output, clip, overwrite=True)
    for other in (weights, clip):
        with pytest.raises(OutputError, match="there already, and holds no graphs"):
            tried(weights, other, clip, overwrite=True)
    with pytest.raises(WeightsError, match="holds exported graphs already"):
        tried(output, weights.parent / "again", clip)


def test_a_clip_without_people_is_refused(weights: Path, clip: Path) -> None:
    with pytest.raises(UserError, match="nobody in its first 6 frames; --check another clip"):
        export(weights, weights.parent / "graphs", clip=clip, detector=Nobody())
    assert left(weights.parent) == ["weights"]


def poses(keypoints: list[list[float]], scores: list[float]) -> FramePoses:
    return FramePoses(
        index=0,
        time=0.0,
        image_size=(10, 10),
        keypoints=np.float32([keypoints]),
        scores=np.float32([scores]),
        boxes=np.zeros((1, 4), np.float32),
        box_scores=np.ones(1, np.float32),
        track_ids=np.ones(1, np.int64),
        joint_names=("a", "b", "c"),
    )


def test_errors_are_of_joints_that_pytorch_is_sure_of() -> None:
    expected = poses([[0, 0], [5, 5], [9, 9]], [0.9, 0.29, 0.31])
    computed = poses([[3, 4], [0, 0], [9, 10]], [0.1, 0.9, 0.9])
    assert errors([expected], [computed]).tolist() == [5.0, 1.0]
    with pytest.raises(WeightsError, match=r"no joint of the clip has a score of 0\.3 or more"):
        errors([poses([[0, 0]] * 3, [0, 0, 0])], [computed])


def test_the_command_says_how_well_each_backend_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[dict[str, Any]] = []

    def noted(weights: str, output: Path, **options: Any) -> list[Agreement]:
        requests.append({"weights": weights, **options})
        return [Agreement("openvino", "fp32", 563, 0.00012, 0.045, 0.152, 1.104)]

    monkeypatch.setattr(module, "export", noted)
    monkeypatch.setattr(checks, "existing_source", lambda source: None)
    result = run("export", tmp_path, "--check", "a.mp4", "--precision", "fp16", "--max-error", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{tmp_path}: the graphs agree with PyTorch on a.mp4",
        "  backend       in  joints      median         99%     largest   speed",
        "  openvino    fp32     563    0.000 px    0.045 px    0.152 px   1.10x",
        f"use them: tarvitpose predict VIDEO --weights {tmp_path}",
    ]
    options = {"precision": "fp16", "max_error": 1.0, "overwrite": False, "rtmlib": False}
    assert requests == [{"weights": "default", "clip": "a.mp4", **options}]


def test_the_command_refuses_in_one_line(weights: Path, clip: Path) -> None:
    assert "nobody in its first 6 frames" in refusal(
        "export", weights.parent / "graphs", "--weights", weights, "--check", clip
    )
    assert "no such file" in refusal(
        "export", weights.parent / "graphs", "--weights", weights, "--check", "none.mp4"
    )
    assert left(weights.parent) == ["weights"]


def test_the_graph_for_rtmlib_takes_what_rtmlib_gives_and_finds_what_a_single_frame_does(
    weights: Path, clip: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    tried(weights, weights.parent / "graphs", clip, rtmlib=True)
    path = weights.parent / "graphs" / "rtmlib.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (2, H, W, 3), np.uint8)  # RGB
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    normalised = ((images[..., ::-1] - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    (heatmaps,) = session.run(None, {session.get_inputs()[0].name: normalised})
    expected = TorchEngine(small(), device="cpu", precision="fp32").single_frame(images)
    assert heatmaps == pytest.approx(expected, abs=1e-4)
    assert read_graphs(path.parent)


def test_rtmlib_runs_the_graph(tmp_path: Path) -> None:
    rtmlib = pytest.importorskip("rtmlib")
    write_rtmlib_graph(small(), tmp_path / "a.onnx")
    pose = rtmlib.ViTPose(str(tmp_path / "a.onnx"), (W, H), backend="onnxruntime")
    image = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)  # BGR
    margin = np.array([W, H]) * (1 - 1 / 1.25) / 2  # rtmlib pads it: the crop is the whole image
    box = np.concatenate([margin, np.array([W, H]) - margin])
    keypoints, scores = pose(image, [box])
    heatmaps = TorchEngine(small(), device="cpu", precision="fp32").single_frame(
        image[None, ..., ::-1].copy()
    )
    size = np.array([W, H])
    expected, highest = pose.postprocess([heatmaps.copy()], size / 2, size)
    assert keypoints == pytest.approx(expected, abs=0.5)
    assert scores == pytest.approx(highest, abs=1e-3)
