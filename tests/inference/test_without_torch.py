"""Poses without PyTorch: the graphs that ship, and that nothing on the way imports it."""

import json
import os
import subprocess
import sys
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_graphs import BACKENDS
from tiny_models import modest_model

from tarvitpose.config import Backend
from tarvitpose.errors import WeightsError
from tarvitpose.formats.reading import load_poses
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.graph_folder import FRAME, STEP, read_graphs
from tarvitpose.inference.graphs import write_graphs
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.sources import open_source
from tarvitpose.weights.files import WEIGHTS_FILE, fingerprint, tensor_bytes
from tarvitpose.weights.folder import default_folder, find_folder

DEMO = default_folder().parent / "demo.mp4"
FRAMES = 6
BLOCKED = "import sys; sys.modules.update({}); from tarvitpose.cli import main; main()"
EXTRA = ("torch", "huggingface_hub")  # what the extra torch brings


def tarvitpose(
    *arguments: str | Path, without: tuple[str, ...] = EXTRA
) -> subprocess.CompletedProcess[str]:
    """Run the command line where importing these packages raises."""
    call = [sys.executable, "-c", BLOCKED.format(dict.fromkeys(without)), *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)


@cache
def torch_engine() -> Engine:
    """Return the default network in PyTorch, in float32."""
    return TorchEngine(TARViTPose.from_pretrained("default"), device="cpu", precision="fp32")


def blurred_crops(count: int) -> UInt8:
    """Return crops (count, 256, 192, 3) of soft spots."""
    noise = np.random.default_rng(0).integers(0, 256, (count, 256, 192, 3), np.uint8)
    return np.stack([cv2.GaussianBlur(crop, (0, 0), 6) for crop in noise])


def test_poses_of_the_demo_without_torch_are_those_of_torch(tmp_path: Path) -> None:
    end = str((FRAMES - 0.5) / 25)
    done = tarvitpose(
        *("predict", DEMO, "--end", end, "--format", "coco,npz,csv", "--smooth", "one-euro"),
        *("--backend", "onnxruntime", "--precision", "fp32", "--output", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    poses = load_poses(tmp_path / "demo.npz")
    assert (tmp_path / "demo.mp4").stat().st_size > 0
    estimator = PoseEstimator.from_pretrained(backend="torch", device="cpu", precision="fp32")
    expected = list(estimator.stream(DEMO, end=float(end)))
    assert len(poses) == len(expected) > 1
    assert sum(len(frame) for frame in expected) > 0
    for frame, other in zip(poses, expected, strict=True):
        assert frame.track_ids.tolist() == other.track_ids.tolist()
        raw = frame.raw_keypoints if frame.raw_keypoints is not None else frame.keypoints
        assert np.abs(raw - other.keypoints).max() <= 0.1
        assert np.abs(frame.scores - other.scores).max() <= 1e-3


def test_int8_without_torch_and_onnx(tmp_path: Path) -> None:
    done = tarvitpose(
        *("predict", DEMO, "--end", "0.06", "--format", "npz", "--no-render"),
        *("--precision", "int8", "--output", tmp_path),
        without=(*EXTRA, "onnx"),
    )
    assert done.returncode == 0, done.stderr
    assert "frames/s, int8)" in done.stdout
    assert sum(len(frame) for frame in load_poses(tmp_path / "demo.npz")) > 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_graphs_that_ship_give_what_torch_gives(backend: Backend) -> None:
    engine = load_engine("default", backend=backend, precision="fp32")
    crops = blurred_crops(3)
    assert engine.fingerprint() == torch_engine().fingerprint()
    expected = torch_engine().single_frame(crops)
    assert np.abs(engine.single_frame(crops) - expected).max() <= 1e-3
    assert np.ptp(expected) > 0.1  # else the comparison would mean nothing
    window, other = engine.encode(crops), torch_engine().encode(crops)
    heatmaps = engine.decode_window([window, window[:1] * 3], 1)
    assert np.abs(heatmaps - torch_engine().decode_window([other, other[:1] * 3], 1)).max() <= 1e-3


@pytest.mark.parametrize("name", [FRAME, STEP])
def test_the_graphs_that_ship_hold_no_weights_of_their_own(name: str) -> None:
    onnx = pytest.importorskip("onnx")
    folder = default_folder()
    header = tensor_bytes(folder / WEIGHTS_FILE)
    stored = {(part.offset, part.length): part for part in header.values()}
    graph = onnx.load(folder / name, load_external_data=False).graph
    linked = 0
    for tensor in graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            assert np.prod(tensor.dims) < 1000
            continue
        fields = {entry.key: entry.value for entry in tensor.external_data}
        assert fields["location"] == WEIGHTS_FILE
        part = stored[int(fields["offset"]), int(fields["length"])]
        assert (part.kind, part.shape) == ("F16", tuple(tensor.dims))
        linked += part.length
    assert linked > 5e6


@pytest.mark.parametrize("weights", ["default", "tiny"])
def test_the_graphs_that_ship_are_of_the_weights_that_ship(weights: str) -> None:
    folder = find_folder(weights)
    assert read_graphs(folder).fingerprint == fingerprint(TARViTPose.from_pretrained(weights))
    assert WEIGHTS_FILE in (folder / "export.json").read_text()


def test_the_tiny_weights_find_the_joints_that_the_default_ones_find() -> None:
    with open_source(DEMO) as source:
        images = [frame.image for frame in islice(source, 5)]
    boxes = np.array([[72, 232, 342, 709], [321, 206, 471, 467]], np.float32)  # as detected
    default, tiny = (
        Predictor(load_engine(weights, backend="onnxruntime")).joints([images], [boxes])[0]
        for weights in ("default", "tiny")
    )
    away = np.linalg.norm(default.keypoints - tiny.keypoints, axis=-1)  # (N, J)
    assert np.all(np.median(away, 1) < 0.02 * (boxes[:, 3] - boxes[:, 1]))
    assert np.ptp(tiny.keypoints[..., 1], 1).min() > 0.7 * 261  # not all of them in one spot


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_folder_of_links_to_the_weights_works(tmp_path: Path, backend: Backend) -> None:
    folder = tmp_path / "mein Ordner ä"
    folder.mkdir()
    for path in default_folder().iterdir():
        (folder / path.name).symlink_to(path)
    crops = blurred_crops(1)
    engine = load_engine(folder, backend=backend, precision="fp32")
    assert np.abs(engine.single_frame(crops) - torch_engine().single_frame(crops)).max() <= 1e-3


def test_graphs_are_linked_to_no_other_weights(tmp_path: Path) -> None:
    modest_model().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="is not that of the graph"):
        write_graphs(modest_model(seed=1), tmp_path, weights=tmp_path / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("predict", DEMO, "--backend", "torch", "--output", "OUT"), "torch"),
        (("predict", DEMO, "--device", "cuda", "--output", "OUT"), "torch"),
        (("attention", DEMO, "--time", "0.5", "--output", "OUT"), "torch"),
        (("export", "OUT"), "export"),
    ],
)
def test_what_needs_torch_names_the_extra(
    tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    output = tmp_path / "results"
    done = tarvitpose(*(output if argument == "OUT" else argument for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert f"needs the package torch: pip install 'tarvitpose[{extra}]'" in done.stderr
    assert not output.exists()


def test_export_without_onnx_names_the_extra(tmp_path: Path) -> None:
    done = tarvitpose("export", tmp_path / "graphs", without=("onnx",))
    assert done.returncode == 2, done.stderr
    assert "needs the package onnx: pip install 'tarvitpose[export]'" in done.stderr


def test_the_benchmark_without_torch_times_what_is_there(tmp_path: Path) -> None:
    done = tarvitpose(
        *("benchmark", "--backends", "torch,onnxruntime", "--batch", "1", "--rounds", "1"),
        *("--modes", "single", "--seconds", "0", "--no-memory", "--no-stages"),
        *("--json", tmp_path / "speeds.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "left out: running default on backend torch needs the package torch" in done.stderr
    (speed,) = json.loads((tmp_path / "speeds.json").read_text())
    assert (speed["mode"], speed["backend"], speed["gmacs"]) == ("single", "onnxruntime", None)
    assert speed["crops_per_second"] > 0


@pytest.mark.parametrize("arguments", [("models",), ("doctor",), ("--help",)])
def test_verbs_that_look_around_need_no_torch(arguments: tuple[str, ...]) -> None:
    done = tarvitpose(*arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_python_interface_without_torch() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import tarvitpose\n"
        "tarvitpose.PoseEstimator, tarvitpose.load_poses, tarvitpose.smooth\n"
        "try: tarvitpose.TARViTPose\n"
        "except tarvitpose.UserError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "TARViTPose needs the package torch: pip install 'tarvitpose[torch]'\n"
