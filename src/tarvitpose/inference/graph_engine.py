"""What the runtimes of exported graphs share: from kept crops to the inputs of the step, in numpy.

Axes: B batch, T frames, J joints, N tokens of one crop, K tokens that are read, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarvitpose.errors import UserError
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.graph_folder import FRAME, STEP, GraphFolder
from tarvitpose.model.layout import Layout
from tarvitpose.utils.arrays import Bools, Float32, UInt8

Graph = Callable[[dict[str, NDArray[Any]]], Sequence[NDArray[Any]]]  # inputs by name to outputs
STRIDE = 64  # K is a multiple of it: a runtime prepares itself anew for every shape


class GraphRuntime:
    """Exported graphs, run by whatever calls them."""

    def __init__(self, folder: GraphFolder, open_graph: Callable[[str], Graph]) -> None:
        """`open_graph` opens a file of the folder by its name."""
        self.config, self._name = folder.config, folder.fingerprint
        self._numbers = folder.precision
        self._frame = open_graph(FRAME)
        self._step = open_graph(STEP) if self.config.temporal else None

    def fingerprint(self) -> str:
        """Return a name of the weights that no others have."""
        return self._name if self._numbers == "fp32" else f"{self._name}-{self._numbers}"

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (B, H, W, 3), each once for all the windows it will be part of."""
        if self._step is None:
            raise ValueError("this model has no temporal part: use single_frame")
        arrays = self._frame({"crops": crops})  # tokens, visible, heatmaps
        # Copies: a crop that is kept must not hold on to the whole batch.
        return [EncodedCrop(*(array[i].copy() for array in arrays)) for i in range(len(crops))]

    def answer(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of the frame at `current` of B windows."""
        if self._step is None:
            raise ValueError("this model has no temporal part: use single_frame")
        read = [visible_tokens(window, self.config.layout) for window in windows]
        tokens, visible = padded(read, sum(len(kept.tokens) for kept in windows[0]))
        now = np.stack([window[current].tokens for window in windows])  # (B, N, C)
        (heatmaps,) = self._step({"current": now, "tokens": tokens, "visible": visible})
        return np.asarray(heatmaps, np.float32)

    def decode(self, kept: Sequence[EncodedCrop]) -> Float32:
        """Return what `single_frame` would of encoded crops, without encoding them again."""
        return np.stack([np.asarray(one.heatmaps, np.float32) for one in kept])

    def single_frame(self, crops: UInt8) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of RGB crops (B, H, W, 3) without temporal part."""
        return np.asarray(self._frame({"crops": crops})[-1], np.float32)


def visible_tokens(window: Sequence[EncodedCrop], layout: Layout) -> tuple[Float32, Bools]:
    """Return the tokens (K, C) of a window that some joint may see, and who sees them (J, K).

    A joint that may look nowhere looks everywhere: then all tokens are needed.
    """
    visible = np.stack([kept.visible for kept in window])  # (T, J, N)
    if layout == "released":  # reads the memory of (T, J) as (J, T): `released_regions`
        visible = visible.reshape(visible.shape[1], len(window), -1)  # (J, T, N)
    else:
        visible = visible.transpose(1, 0, 2)  # (J, T, N)
    is_blind = not visible.any((1, 2)).all()
    seen = np.logical_or(np.any(visible, axis=0), is_blind)  # (T, N)
    tokens = [kept.tokens[some] for kept, some in zip(window, seen, strict=True)]
    return np.concatenate(tokens), visible[:, seen]


def padded(read: Sequence[tuple[Float32, Bools]], most: int) -> tuple[Float32, Bools]:
    """Return tokens (B, K, C) and visible (B, J, K) of several windows as one, K at most `most`.

    No joint sees what is added. Only a window of `most` tokens may have a joint that sees nothing,
    and nothing is added to it.
    """
    longest = max(len(tokens) for tokens, _ in read)
    length = min(-(-longest // STRIDE) * STRIDE, most)
    tokens = np.zeros((len(read), length, read[0][0].shape[1]), np.float32)
    visible = np.zeros((len(read), len(read[0][1]), length), np.bool_)
    for place, (own, seen) in enumerate(read):
        tokens[place, : len(own)] = own
        visible[place, :, : len(own)] = seen
    return tokens, visible


def refuse_precision(backend: str, precision: str, able: str) -> UserError:
    """Return the error for a precision that a backend does not have here."""
    return UserError(
        f"backend {backend} computes in {able} here, not in {precision}; "
        "use --precision auto, or --backend torch"
    )
