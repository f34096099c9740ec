"""What every runtime does.   Axes: B batch, J joints, N tokens of one crop, H W its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tarvitpose.config import ModelConfig
from tarvitpose.utils.arrays import Float32, UInt8


@dataclass(frozen=True)
class EncodedCrop:
    """What is kept of one crop, as arrays of the runtime that made it."""

    tokens: Any  # (N, C)
    visible: Any  # (J, N) bool, where each joint may look
    heatmaps: Any = None  # (J, H / 4, W / 4) without temporal part, where they cost nothing


class Runtime(Protocol):
    """A network that is ready to run."""

    config: ModelConfig

    def fingerprint(self) -> str:
        """Return a name of the weights that no others have."""
        ...

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (B, H, W, 3), each once for all the windows it will be part of."""
        ...

    def answer(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of the frame at `current` of B windows."""
        ...

    def decode(self, kept: Sequence[EncodedCrop]) -> Float32:
        """Return what `single_frame` would of encoded crops, without encoding them again."""
        ...

    def single_frame(self, crops: UInt8) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of RGB crops (B, H, W, 3) without temporal part."""
        ...
