"""What the engines of exported graphs share: from encoded crops to the step's inputs, in numpy.

Axes: B batch, T frames, J joints, N tokens of one crop, K tokens that are read, C channels.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tarvitpose.config import Layout
from tarvitpose.errors import UserError, WeightsError
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.graph_folder import CONFIG, FRAME, STEP, GraphFolder
from tarvitpose.inference.predictor import slices
from tarvitpose.utils.arrays import Bools, Float32, UInt8
from tarvitpose.utils.source_names import short

Graph = Callable[[dict[str, NDArray[Any]]], Sequence[NDArray[Any]]]  # inputs by name to outputs
STRIDE = 64  # K is a multiple of it: an engine prepares itself anew for every shape


class GraphEngine:
    """Exported graphs, run by whatever calls them."""

    def __init__(
        self,
        folder: GraphFolder,
        open_graphs: Callable[[list[Path]], list[Graph]],
        precision: str,
        crops_at_once: int | None = None,
        windows_at_once: int | None = None,
    ) -> None:
        """`open_graphs` opens files of the folder; more crops or windows are read in parts."""
        self.config, self._name = folder.config, folder.fingerprint
        self._numbers, self._crops_at_once = folder.precision, crops_at_once
        self._windows_at_once = windows_at_once
        self.precision = "int8" if folder.precision == "int8" else precision
        files = [FRAME, STEP] if self.config.temporal else [FRAME]
        # Graphs may read weights beside them, which engines look for beside the file itself.
        graphs = open_graphs([(folder.path / file).resolve() for file in files])
        graphs = [checked(folder, file, each) for file, each in zip(files, graphs, strict=True)]
        self._frame, self._step = graphs[0], graphs[1] if self.config.temporal else None

    def fingerprint(self) -> str:
        return self._name if self._numbers == "fp32" else f"{self._name}-{self._numbers}"

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        if self._step is None:
            raise ValueError("this model has no temporal part: use single_frame")
        return [
            # Copies: a crop must not hold on to the whole batch.
            EncodedCrop(*(array[i].copy() for array in arrays))  # tokens, visible, heatmaps
            for arrays in self._encoded(crops)
            for i in range(len(arrays[0]))
        ]

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        if self._step is None:
            raise ValueError("this model has no temporal part: use single_frame")
        parts = slices(len(windows), self._windows_at_once or len(windows))
        heatmaps = [self._decoded(self._step, windows[part], current) for part in parts]
        return np.concatenate(heatmaps, dtype=np.float32)

    def _decoded(
        self, step: Graph, windows: Sequence[Sequence[EncodedCrop]], current: int
    ) -> NDArray[Any]:
        picked = [visible_tokens(window, self.config.layout) for window in windows]
        inputs = padded(picked, sum(len(crop.tokens) for crop in windows[0]))
        now = np.stack([window[current].tokens for window in windows])  # (B, N, C)
        (heatmaps,) = step({"current": now, "tokens": inputs.tokens, "visible": inputs.visible})
        return heatmaps

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        return np.stack([np.asarray(crop.heatmaps, np.float32) for crop in crops])

    def single_frame(self, crops: UInt8) -> Float32:
        heatmaps = [arrays[-1] for arrays in self._encoded(crops)]
        return np.concatenate(heatmaps, dtype=np.float32)

    def _encoded(self, crops: UInt8) -> Iterator[Sequence[NDArray[Any]]]:
        """Yield what the graph makes of crops (B, H, W, 3), part by part."""
        for part in slices(len(crops), self._crops_at_once or len(crops)):
            yield self._frame({"crops": crops[part]})


def checked(folder: GraphFolder, file: str, graph: Graph) -> Graph:
    """Return a graph that raises WeightsError where its file is damaged, or of another network.

    Engines open some damaged files, and fail when they run them.
    """
    sides = tuple(side // 4 for side in folder.config.input_size)
    shape = (len(folder.config.joints), *sides)  # J, H / 4, W / 4
    count = 3 if file == FRAME and folder.config.temporal else 1
    path = folder.path / file

    def run(inputs: dict[str, NDArray[Any]]) -> Sequence[NDArray[Any]]:
        try:
            outputs = graph(inputs)
        except Exception as error:  # their errors share no base class
            reason = short(" ".join(str(error).split()), 200)
            raise WeightsError(f"{path}: not a usable graph ({reason})") from None
        if len(outputs) != count or outputs[-1].shape[1:] != shape:
            raise WeightsError(f"{path}: not a graph of the network in {CONFIG}")
        if not np.isfinite(outputs[-1]).all():
            raise WeightsError(f"{path}: gives NaN or infinity, as after damage")
        return outputs

    return run


class VisibleTokens(NamedTuple):
    """Tokens that some joint may attend to, and which joints; of one window or, with B, several."""

    tokens: Float32  # (K, C) or (B, K, C)
    visible: Bools  # (J, K) or (B, J, K)


def visible_tokens(window: Sequence[EncodedCrop], layout: Layout) -> VisibleTokens:
    """Return the tokens of a window that some joint may attend to.

    A joint that may attend to none attends to all: then all tokens are needed.
    """
    visible = np.stack([crop.visible for crop in window])  # (T, J, N)
    if layout == "released":  # reads the memory of (T, J) as (J, T): `released_regions`
        visible = visible.reshape(visible.shape[1], len(window), -1)  # (J, T, N)
    else:
        visible = visible.transpose(1, 0, 2)  # (J, T, N)
    needs_all = not visible.any((1, 2)).all()
    is_needed = np.logical_or(np.any(visible, axis=0), needs_all)  # (T, N)
    tokens = [crop.tokens[rows] for crop, rows in zip(window, is_needed, strict=True)]
    return VisibleTokens(np.concatenate(tokens), visible[:, is_needed])


def padded(picked: Sequence[VisibleTokens], most: int) -> VisibleTokens:
    """Return the tokens of several windows as one array, K at most `most`.

    No joint attends to what is added. Only a window of `most` tokens may have a joint that
    attends to none, and nothing is added to it.
    """
    longest = max(len(window.tokens) for window in picked)
    length = min(-(-longest // STRIDE) * STRIDE, most)
    tokens = np.zeros((len(picked), length, picked[0].tokens.shape[1]), np.float32)
    visible = np.zeros((len(picked), len(picked[0].visible), length), np.bool_)
    for row, window in enumerate(picked):
        tokens[row, : len(window.tokens)] = window.tokens
        visible[row, :, : len(window.tokens)] = window.visible
    return VisibleTokens(tokens, visible)


def refuse_precision(backend: str, precision: str, able: str) -> UserError:
    """Return the error for a precision that a backend does not have here."""
    other = "onnxruntime" if precision == "int8" else "torch"
    return UserError(
        f"backend {backend} computes in {able} here, not in {precision}; "
        f"use --precision auto, or backend {other}"
    )
