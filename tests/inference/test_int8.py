"""int8 on ONNX Runtime: for whoever asks for it, and by itself where the processor has VNNI."""

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_graphs import graphs, onnxruntime_cache, write, write_linked
from tiny_models import H, W, modest_model

from tarvitpose.errors import UserError, WeightsError
from tarvitpose.inference import load, onnx_engine, quantise
from tarvitpose.inference.graph_folder import FRAME, STEP, read_graphs
from tarvitpose.inference.load import choose_backend, load_engine, open_graphs
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.utils.arrays import Float32
from tarvitpose.weights.folder import default_folder

CROPS = np.random.default_rng(0).integers(0, 256, (3, H, W, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return onnxruntime_cache(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_linked(tmp_path_factory.mktemp("weights"))


def heatmaps(folder: Path, precision: str) -> Float32:
    return load_engine(folder, backend="onnxruntime", precision=precision).single_frame(CROPS)


def assert_close_and_not_the_same(int8: Float32, exact: Float32) -> None:
    error = np.abs(int8 - exact)
    # Not the mean: among cells of merged tokens that come near each other, another may be chosen.
    assert 0 < np.median(error) < 0.05 * exact.std()


def test_int8_is_near_float32_and_read_again_from_the_cache(
    linked: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, int8 = heatmaps(linked, "fp32"), heatmaps(linked, "int8")
    assert_close_and_not_the_same(int8, exact)
    assert len(list(cache.iterdir())) == 2  # neither is taken for the other
    monkeypatch.setattr(onnx_engine, "atomic_folder", None)  # nothing is written again
    monkeypatch.setattr(onnx_engine, "int8_products", None)
    np.testing.assert_array_equal(heatmaps(linked, "int8"), int8)
    np.testing.assert_array_equal(heatmaps(linked, "fp32"), exact)


def test_int8_of_merged_tokens_and_of_weights_in_the_graph_itself() -> None:
    changes = (("fine_cells", 3), ("input_size", (64, 128)), ("position_grid", (4, 8)))
    folder, crops = graphs(changes), np.repeat(CROPS, 2, 2)[:, :64, :128].copy()
    exact, int8 = (
        OnnxEngine(folder, precision=precision, threads=1).encode(crops)
        for precision in ("fp32", "int8")
    )
    for mine, other in zip(int8, exact, strict=True):
        assert_close_and_not_the_same(mine.tokens, other.tokens)


def test_a_channel_far_beyond_the_others_costs_the_first_blocks_fc1_nothing(tmp_path: Path) -> None:
    model = modest_model()
    block = model.encoder.blocks[0]
    block.norm2.bias.data[0], block.fc1.weight.data[:, 0] = 1000, 0  # the range, and yet no effect
    folder = write(model, tmp_path)
    exact, int8 = (
        OnnxEngine(folder, precision=precision, threads=1).single_frame(CROPS)
        for precision in ("fp32", "int8")
    )
    assert_close_and_not_the_same(int8, exact)


def test_graphs_with_other_products_in_int8_are_made_anew(
    linked: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_engine, "has_cpu_vnni", lambda: False)
    heatmaps(linked, "int8")
    for module in (onnx_engine, quantise):
        monkeypatch.setattr(module, "PRODUCT", re.compile("none"))
    np.testing.assert_array_equal(heatmaps(linked, "int8"), heatmaps(linked, "fp32"))


def test_what_int8_gives_depends_on_no_other_crop(linked: Path) -> None:
    engine = load_engine(linked, backend="onnxruntime", precision="int8")
    alone = [engine.single_frame(crop[None])[0] for crop in CROPS]
    np.testing.assert_array_equal(engine.single_frame(CROPS), alone)


def test_an_engine_says_what_it_computes_in(linked: Path) -> None:
    engines = {
        precision: load_engine(linked, backend="onnxruntime", precision=precision)
        for precision in ("fp32", "int8")
    }
    assert {name: engine.precision for name, engine in engines.items()} == {
        "fp32": "fp32",
        "int8": "int8",
    }
    assert engines["int8"].fingerprint() == f"{engines['fp32'].fingerprint()}-int8"


@pytest.mark.parametrize(
    ("backend", "able"), [("torch", "fp32, bf16, fp16"), ("openvino", "fp32, bf16, fp16")]
)
def test_backends_without_int8_name_the_one_that_has_it(
    linked: Path, backend: str, able: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    refusal = rf"^backend {backend} computes in {able} here, not in int8; .*or backend onnxruntime$"
    with pytest.raises(UserError, match=refusal):
        load_engine(linked, backend=backend, device="cpu", precision="int8")  # type: ignore[arg-type]


def test_int8_chooses_the_backend_that_has_it(linked: Path) -> None:
    assert choose_backend(linked, "auto", "int8") == "onnxruntime"
    with pytest.raises(UserError, match="on the processor only, not on cuda"):
        load_engine(linked, device="cuda", precision="int8")


def test_a_damaged_graph_is_named_in_one_line(linked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(linked, folder)
    (folder / FRAME).write_bytes(b"\xff" * (folder / FRAME).stat().st_size)
    with pytest.raises(WeightsError, match=f"^{folder / FRAME}: not a readable graph"):
        open_graphs(read_graphs(folder), "onnxruntime", precision="int8")


@pytest.mark.parametrize(("has_vnni", "precision"), [(True, "int8"), (False, "fp32")])
def test_auto_is_int8_where_the_processor_has_vnni(
    linked: Path, monkeypatch: pytest.MonkeyPatch, has_vnni: bool, precision: str
) -> None:
    monkeypatch.setattr(load, "has_cpu_vnni", lambda: has_vnni)
    assert load_engine(linked, backend="onnxruntime").precision == precision
    assert load_engine(linked, backend="onnxruntime", precision="fp32").precision == "fp32"


def test_auto_stays_float32_for_weights_of_your_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "has_cpu_vnni", lambda: True)
    modest_model().save_pretrained(tmp_path / "mine")
    assert load_engine(tmp_path / "mine", backend="onnxruntime").precision == "fp32"
    (tmp_path / "exported").mkdir()
    write(modest_model(), tmp_path / "exported")
    assert load_engine(tmp_path / "exported", backend="onnxruntime").precision == "fp32"


@pytest.mark.parametrize("has_vnni", [True, False])
@pytest.mark.parametrize("is_linked", [True, False])
def test_with_vnni_temporal_part_and_decoder_are_int8_as_well(
    linked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_linked: bool,
    has_vnni: bool,
) -> None:
    monkeypatch.setattr(onnx_engine, "has_cpu_vnni", lambda: has_vnni)
    folder = read_graphs(linked) if is_linked else write(modest_model(), tmp_path)
    exact, int8 = (
        open_graphs(folder, "onnxruntime", precision=precision) for precision in ("fp32", "int8")
    )
    crops = exact.encode(np.concatenate([CROPS, CROPS[:1, ::-1]]))
    windows = [crops[:3], crops[1:]]
    expected, answered = exact.decode_window(windows, 1), int8.decode_window(windows, 1)
    if has_vnni:
        assert_close_and_not_the_same(answered, expected)
        assert_close_and_not_the_same(int8.single_frame(CROPS), exact.single_frame(CROPS))
        alone = [int8.decode_window([window], 1)[0] for window in windows]
        np.testing.assert_array_equal(answered, alone)
    else:
        np.testing.assert_allclose(answered, expected, atol=1e-5)


def test_exported_int8_stays_int8_whatever_is_asked() -> None:
    folder = replace(graphs(), precision="int8")
    assert OnnxEngine(folder, precision="fp32", threads=1).precision == "int8"


def test_with_vnni_all_large_products_of_the_default_graphs_are_int8() -> None:
    onnx = pytest.importorskip("onnx")
    counted = {}
    for name in (FRAME, STEP):
        graph = quantise.int8_products((default_folder() / name).read_bytes(), vnni_heads=6)
        nodes = onnx.load_model_from_string(graph).graph.node
        counted[name] = Counter(node.op_type for node in nodes)
    # Of each block attention, proj, fc2 and fc1, but for the first one; two enlargements.
    assert (counted[FRAME]["QAttention"], counted[FRAME]["MatMulInteger"]) == (12, 12 * 3 - 1 + 8)
    assert counted[STEP]["MatMulInteger"] == 6 * 7 + 1 + 8  # six layers of seven, GRA's one
