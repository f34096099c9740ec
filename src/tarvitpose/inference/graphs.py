"""The network as two ONNX graphs, for the engines other than PyTorch.

`frame.onnx` encodes crops, `step.onnx` turns a window of encoded crops into heatmaps;
batch and number of tokens are dynamic.
Axes: B batch, J joints, N = h w tokens of one crop, K tokens of a window, C channels, H W pixels.
"""

import copy
import math
import warnings
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from tarvitpose.config import PATCH, ModelConfig
from tarvitpose.geometry import IMAGE_MEAN, IMAGE_STD
from tarvitpose.inference.fast import fold_attention
from tarvitpose.inference.graph_decoder import GraphDecoder
from tarvitpose.inference.graph_folder import FRAME, STEP
from tarvitpose.inference.linked_weights import link_weights
from tarvitpose.model.encoder import Encoder
from tarvitpose.model.mask import seen_regions, token_scores
from tarvitpose.model.tarvitpose import TARViTPose

OPSET = 17
FRAME_OUTPUTS = ("tokens", "visible", "heatmaps")
BATCH, KEYS = "B", "K"  # the dynamic axes' names


class FrameGraph(nn.Module):
    """From crops to encoded crops, and to the heatmaps of plain ViTPose."""

    def __init__(self, model: TARViTPose) -> None:
        super().__init__()
        self.model, self.grid = model, token_grid(model.config)
        self.encoder = resized(model.encoder, self.grid)
        self.decoder = GraphDecoder(model.decoder, self.grid)
        self.scale = nn.Buffer(torch.from_numpy(1 / (255 * IMAGE_STD)).reshape(3, 1, 1))
        self.shift = nn.Buffer(torch.from_numpy(IMAGE_MEAN / IMAGE_STD).reshape(3, 1, 1))

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Return tokens (B, N, C), visible (B, J, N) and heatmaps (B, J, 4h, 4w).

        `crops` is RGB (B, H, W, 3) uint8. Without temporal part there are heatmaps alone.
        """
        config = self.model.config
        # A plane at a time: engines take eight times as long where the three colours alternate.
        images = crops.permute(0, 3, 1, 2).float() * self.scale - self.shift  # (B, 3, H, W)
        features = self.encoder(images)  # (B, C, h, w)
        heatmaps: Tensor = self.decoder(features)
        if not config.temporal:
            return (heatmaps,)
        scores = token_scores(heatmaps, config.mask_rule)  # (B, J, h, w)
        visible = seen_regions(scores, config.mask_rule, config.mask_threshold)
        # `to_tokens`, for a batch of any size.
        read_as = (math.prod(self.grid), config.width)
        mixed = torch.unflatten(features.flatten(1), 1, read_as)  # (B, "N", "C")
        paper = features.flatten(2).transpose(1, 2)  # (B, N, C)
        return mixed if config.layout == "released" else paper, visible.flatten(2), heatmaps


class RtmlibGraph(nn.Module):
    """Plain ViTPose from end to end, for the class ViTPose of rtmlib."""

    def __init__(self, model: TARViTPose) -> None:
        super().__init__()
        grid = token_grid(model.config)
        self.encoder, self.decoder = resized(model.encoder, grid), GraphDecoder(model.decoder, grid)
        # rtmlib takes the mean of red from blue, and so on: this puts it right.
        mean, std = torch.from_numpy(IMAGE_MEAN), torch.from_numpy(IMAGE_STD)
        self.scale = nn.Buffer((std / std.flip(0)).reshape(3, 1, 1))
        self.shift = nn.Buffer(((mean - mean.flip(0)) / std.flip(0)).reshape(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) of BGR images (B, 3, H, W) that rtmlib normalised."""
        heatmaps: Tensor = self.decoder(self.encoder((images * self.scale + self.shift).flip(1)))
        return heatmaps


class StepGraph(nn.Module):
    """From the tokens of a window to the heatmaps of its current frame."""

    def __init__(self, model: TARViTPose) -> None:
        super().__init__()
        self.model, self.grid = model, token_grid(model.config)
        self.decoder = GraphDecoder(model.final_decoder, self.grid)

    def forward(self, current: Tensor, tokens: Tensor, visible: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w).

        `current` is (B, N, C), `tokens` (B, K, C) and `visible` (B, J, K), as `FrameGraph` and
        the model's layout make them.
        """
        config = self.model.config
        restored = self.model.gra(current, self.model.jta(tokens, visible))  # (B, N, C)
        # `to_features`, for a batch of any size.
        turned = restored if config.layout == "released" else restored.transpose(1, 2)
        features = torch.unflatten(turned.flatten(1), 1, (config.width, *self.grid))  # (B, C, h, w)
        heatmaps: Tensor = self.decoder(features)
        return heatmaps


def token_grid(config: ModelConfig) -> tuple[int, int]:
    """Return h and w."""
    return config.input_size[0] // PATCH, config.input_size[1] // PATCH


def resized(encoder: Encoder, grid: tuple[int, int]) -> Encoder:
    """Return an encoder with the same weights, its position embedding made for a grid (h, w)."""
    new = copy.copy(encoder)
    with torch.no_grad():
        position = nn.Parameter(encoder.position(grid), requires_grad=False)
    new._parameters, new.grid = {**encoder._parameters, "pos_embed": position}, grid
    return new


def write_graphs(model: TARViTPose, folder: Path, *, weights: Path | None = None) -> None:
    """Write a model's graphs into a folder; without temporal part there is no step.

    With `weights`, the model's safetensors file in that folder, they hold no weights of their own
    but read them from it. Raises WeightsError where the file holds others.
    """
    config = fold_attention(model).config
    batch = {0: BATCH}
    write = partial(_write, model=model, weights=weights)
    crops = torch.zeros(1, *config.input_size, 3, dtype=torch.uint8)
    outputs = FRAME_OUTPUTS if config.temporal else ("heatmaps",)
    write(FrameGraph(model), (crops,), folder / FRAME, {"crops": batch}, outputs)
    if not config.temporal:
        return
    tokens = math.prod(token_grid(config))
    window = tokens * (len(config.offsets) + 1)
    current = torch.zeros(1, tokens, config.width)
    all_tokens = torch.zeros(1, window, config.width)
    visible = torch.ones(1, len(config.joints), window, dtype=torch.bool)
    axes = {"current": batch, "tokens": {**batch, 1: KEYS}, "visible": {**batch, 2: KEYS}}
    write(StepGraph(model), (current, all_tokens, visible), folder / STEP, axes, ("heatmaps",))


def write_rtmlib_graph(model: TARViTPose, path: Path) -> None:
    """Write the single-frame network as one graph that rtmlib runs."""
    images = torch.zeros(1, 3, *model.config.input_size)
    graph = RtmlibGraph(model)
    _write(graph, (images,), path, {"images": {0: BATCH}}, ("heatmaps",), model=model, weights=None)


@torch.no_grad()
def _write(
    graph: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: dict[str, dict[int, str]],
    outputs: tuple[str, ...],
    *,
    model: TARViTPose,
    weights: Path | None,
) -> None:
    """Trace a graph; the example's batch is 1, because what tracing freezes must broadcast.

    The exporter that torch prefers by now takes ten times as long (38 s for size S, measured) and
    needs two more packages; its graph is no faster.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of being frozen, and of being the old exporter
        torch.onnx.export(
            graph,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=weights is None,  # else what is made of weights would be stored
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={**inputs, **{name: {0: BATCH} for name in outputs}},
        )
    if weights is not None:
        names = {value.data_ptr(): name for name, value in model.state_dict().items()}
        parts = {name: value.data_ptr() for name, value in graph.state_dict().items()}
        link_weights(path, weights, {k: names[at] for k, at in parts.items() if at in names})
