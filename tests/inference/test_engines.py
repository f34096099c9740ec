"""Every engine gives what PyTorch gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from streaming_runs import crossing_people, streamed, tracked_video
from tiny_graphs import BACKENDS, both, graphs
from tiny_models import H, J, N, W, h, modest_model, w

from tarvitpose.config import AnchorRule, Backend, TemporalMode
from tarvitpose.errors import UserError
from tarvitpose.inference.engine import EncodedCrop, Engine
from tarvitpose.inference.graph_decoder import GraphDecoder
from tarvitpose.inference.graph_engine import STRIDE, VisibleTokens, padded, visible_tokens
from tarvitpose.inference.load import open_graphs
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.model.decoder import ClassicDecoder
from tarvitpose.utils.arrays import Float32

rng = np.random.default_rng(0)
CROPS = rng.integers(0, 256, (5, H, W, 3), np.uint8)
MODELS: dict[str, tuple[tuple[str, Any], ...]] = {
    "default": (),
    "released": (
        *(("layout", "released"), ("mask_rule", "released"), ("joint_set", "posetrack17")),
        ("offsets", (-2, -1, 1, 2)),
    ),
    "no mask": (("mask_rule", "none"), ("decoder", "simple"), ("gra_layers", 2)),
    "other grid": (("position_grid", (5, 3)), ("offsets", (-1,))),
}


def heatmaps_of(engine: Engine, windows: Sequence[Sequence[int]], current: int) -> Float32:
    """Return the heatmaps of windows of crops, named by their numbers."""
    crops = engine.encode(CROPS)
    return engine.decode_window([[crops[i] for i in window] for window in windows], current)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", MODELS)
def test_heatmaps_are_those_of_pytorch(backend: Backend, model: str) -> None:
    torch_engine, engine = both(backend, MODELS[model])
    for windows, current in (
        ([[0, 1, 2]], 1),
        ([[0, 1, 2], [2, 2, 4]], 2),
        ([[0, 4], [1, 1], [2, 0], [3, 1], [4, 2]], 0),
        ([[0, 1, 2, 3, 4]], 2),
    ):
        expected = heatmaps_of(torch_engine, windows, current)
        heatmaps = heatmaps_of(engine, windows, current)
        assert heatmaps.dtype == np.float32
        assert np.abs(heatmaps - expected).max() <= 1e-4
        assert np.ptp(expected) > 0.1  # else the comparison would mean nothing


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_single_frames_and_encoded_crops_are_those_of_pytorch(backend: Backend, count: int) -> None:
    torch_engine, engine = both(backend)
    expected = torch_engine.single_frame(CROPS[:count])
    assert np.abs(engine.single_frame(CROPS[:count]) - expected).max() <= 1e-4
    for crop, other in zip(
        engine.encode(CROPS[:count]), torch_engine.encode(CROPS[:count]), strict=True
    ):
        assert np.abs(crop.tokens - other.tokens.numpy()).max() <= 1e-4
        assert np.array_equal(crop.visible, other.visible.numpy())
        assert crop.tokens.base is None  # one crop does not keep its batch


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_temporal_part_there_are_single_frames_alone(backend: Backend) -> None:
    torch_engine, engine = both(backend, (("offsets", ()),))
    expected = torch_engine.single_frame(CROPS)
    assert np.abs(engine.single_frame(CROPS) - expected).max() <= 1e-4
    with pytest.raises(ValueError, match="use single_frame"):
        engine.encode(CROPS)
    with pytest.raises(ValueError, match="use single_frame"):
        engine.decode_window([], 0)


def masked(frames: int, blind: Sequence[int], seed: int) -> list[tuple[Float32, Any]]:
    """Return tokens (N, C) and a mask (J, N) of frames in which some joints see nothing."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(frames):
        visible = random.random((J, N)) < 0.1
        visible[:, ::2] = False
        visible[list(blind)] = False
        made.append((random.standard_normal((N, 24)).astype(np.float32), visible))
    return made


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("blind", [[()], [(3,)], [(), (3, 5)], [range(J), ()]])
def test_joints_that_see_nothing_look_everywhere(
    backend: Backend, blind: list[Sequence[int]]
) -> None:
    torch_engine, engine = both(backend)
    windows = [masked(3, joints, seed) for seed, joints in enumerate(blind)]
    arrays = [[EncodedCrop(*frame) for frame in window] for window in windows]
    heatmaps = engine.decode_window(arrays, 1)
    tensors = [
        [EncodedCrop(torch.from_numpy(tokens), torch.from_numpy(seen)) for tokens, seen in window]
        for window in windows
    ]
    assert np.abs(heatmaps - torch_engine.decode_window(tensors, 1)).max() <= 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
def test_hidden_tokens_change_nothing(backend: Backend) -> None:
    _, engine = both(backend)
    window = masked(3, (), seed=0)
    expected = engine.decode_window([[EncodedCrop(*frame) for frame in window]], 1)
    for index in (0, 2):  # the current frame's tokens are what is restored
        tokens, visible = window[index]
        tokens[~visible.any(0)] = 1e6
    heatmaps = engine.decode_window([[EncodedCrop(*frame) for frame in window]], 1)
    assert np.abs(heatmaps - expected).max() <= 1e-5


def test_only_what_some_joint_sees_is_read() -> None:
    visible = np.array([[[False, True], [False, True]], [[False, False], [False, True]]])
    window = [EncodedCrop(np.float32([[2 * t], [2 * t + 1]]), visible[t]) for t in (0, 1)]
    tokens, seen = visible_tokens(window, "paper")
    assert tokens.tolist() == [[1], [3]]
    assert seen.tolist() == [[True, False], [True, True]]
    visible[0, 0] = False  # this joint looks everywhere
    tokens, seen = visible_tokens(window, "paper")
    assert tokens.ravel().tolist() == [0, 1, 2, 3]
    assert seen.tolist() == [[False] * 4, [False, True, False, True]]


def test_windows_are_filled_up_with_what_nobody_sees() -> None:
    short, long = np.ones((2, 3), np.float32), np.ones((STRIDE + 1, 3), np.float32)
    windows = [VisibleTokens(x, np.ones((4, len(x)), np.bool_)) for x in (short, long)]
    for most, length in ((1000, 2 * STRIDE), (STRIDE + 5, STRIDE + 5)):
        tokens, visible = padded(windows, most)
        assert tokens.shape == (2, length, 3)
        assert visible.sum((1, 2)).tolist() == [4 * 2, 4 * (STRIDE + 1)]
        assert np.array_equal(visible.all(1), tokens.all(2))


@pytest.mark.parametrize("grid", [(h, w), (3, 2), (5, 4)])
def test_the_graph_decoder_is_the_decoder(grid: tuple[int, int]) -> None:
    torch.manual_seed(0)
    decoder = modest_model().decoder
    assert isinstance(decoder, ClassicDecoder)
    features = torch.randn(2, 24, *grid)
    with torch.inference_mode():
        heatmaps = GraphDecoder(decoder, grid)(features)
        assert (heatmaps - decoder(features)).abs().max() <= 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
def test_streaming_gives_the_joints_of_pytorch(backend: Backend) -> None:
    frames = tracked_video(12, crossing_people)
    expected, computed = (
        streamed(frames, open_streamer(Predictor(engine, flip_test=True), None), at_once=5)
        for engine in both(backend)
    )
    for (_, poses), (_, others) in zip(expected, computed, strict=True):
        assert np.abs(poses.scores - others.scores).max(initial=0) <= 1e-4
        sharp = poses.scores > 0.05
        assert np.abs(poses.keypoints - others.keypoints)[sharp].max(initial=0) <= 0.05


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", ["pooled", "fused"])
def test_pooled_heatmaps_are_those_of_pytorch(backend: Backend, mode: TemporalMode) -> None:
    changes = (("offsets", ()),) if mode == "pooled" else ()  # no temporal part is needed
    frames = tracked_video(4, crossing_people)
    expected, computed = (
        streamed(frames, open_streamer(Predictor(engine, temporal=mode), AnchorRule()), at_once=4)
        for engine in both(backend, changes)
    )
    for (_, poses), (_, others) in zip(expected, computed, strict=True):
        assert len(poses.scores)
        assert np.abs(poses.scores - others.scores).max() <= 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_graphs_are_named_like_their_weights(backend: Backend) -> None:
    torch_engine, engine = both(backend)
    assert engine.fingerprint() == torch_engine.fingerprint()
    assert engine.config == torch_engine.config


def has_precision(backend: Backend, precision: str) -> bool:
    if backend != "openvino":
        return False
    import openvino  # with its extra only

    return precision.upper() in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_precision_that_is_not_there_is_refused(backend: Backend, precision: str) -> None:
    if has_precision(backend, precision):
        open_graphs(graphs(), backend, precision=precision)
    else:
        with pytest.raises(UserError, match=rf"backend {backend} computes in .*not in {precision}"):
            open_graphs(graphs(), backend, precision=precision)
