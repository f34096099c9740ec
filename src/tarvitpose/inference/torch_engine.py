"""The network in PyTorch, on any device.

Axes: B batch, T frames, J joints, N tokens, C channels.
"""

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from tarvitpose.config import PATCH
from tarvitpose.errors import UserError
from tarvitpose.geometry import IMAGE_MEAN, IMAGE_STD
from tarvitpose.inference.cuda_graphs import CudaGraphs, Step, Tensors
from tarvitpose.inference.devices import choose_device, has_cpu_bfloat16
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.fast import PickingJTA, fast_decoder, fold_attention, with_modules
from tarvitpose.inference.graph_engine import refuse_precision
from tarvitpose.inference.transfers import to_device, to_numpy
from tarvitpose.model.mask import seen_regions, token_scores
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.weights.files import fingerprint

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
AnyModule = TypeVar("AnyModule", bound=nn.Module)


class TorchEngine:
    """A model on a device, in evaluation mode."""

    def __init__(
        self,
        model: TARViTPose,
        *,
        device: str = "auto",
        precision: str = "auto",
        graphs: CudaGraphs | None = None,
    ) -> None:
        """Run step by step, or as `graphs`, which need CUDA.

        Raises UserError for a device that this machine lacks, or an unknown precision.
        """
        self.device = torch.device(choose_device(device))
        self.dtype = choose_precision(precision, str(self.device))
        self._graphs = graphs
        self.precision = name_of(self.dtype)
        self.model = fold_attention(model.eval().to(self.device))
        self.config = model.config
        self._running = model if self.dtype == torch.float32 else lowered(model, self.dtype)
        self._final_decoder: nn.Module | None = None  # a faster form, if there is one
        if self.device.type == "cpu":
            self._speed_up()
        self._scale = torch.from_numpy(1 / (255 * IMAGE_STD)).to(self.device)
        self._shift = torch.from_numpy(IMAGE_MEAN / IMAGE_STD).to(self.device)

    def _speed_up(self) -> None:
        """Replace what a processor can compute with less work."""
        if hasattr(self._running, "jta"):
            self._running = with_modules(self._running, jta=PickingJTA(self._running.jta))
        if self.dtype != torch.float32:  # 5.6 ms a crop instead of 6.7 (docs/performance.md)
            self._running.decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            return
        decoder = fast_decoder(self.model.decoder)
        self._running = with_modules(self._running, decoder=decoder)
        if self.config.temporal and self.config.aggregation != "regression":
            is_same = not self.config.own_averages
            self._final_decoder = decoder if is_same else fast_decoder(self.model.final_decoder)

    def fingerprint(self) -> str:
        return fingerprint(self.model)

    @torch.inference_mode()
    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        tokens, visible, *heatmaps = self._run(self._encode, to_device(crops, self.device))
        # Copies: a crop must not hold on to the whole batch.
        return [
            EncodedCrop(
                tokens[i].clone(),
                visible[i].clone(),
                heatmaps[0][i].clone() if heatmaps else None,
            )
            for i in range(len(crops))
        ]

    @torch.inference_mode()
    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        shape = (len(windows), len(windows[0]))  # B, T
        crops = [crop for window in windows for crop in window]
        tokens = torch.unflatten(torch.stack([crop.tokens for crop in crops]), 0, shape)
        visible = torch.unflatten(torch.stack([crop.visible for crop in crops]), 0, shape)
        (heatmaps,) = self._run(self._decode_window, tokens, visible, current=current)
        return to_numpy(heatmaps)

    @torch.inference_mode()
    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        if all(crop.heatmaps is not None for crop in crops):
            return to_numpy(torch.stack([crop.heatmaps for crop in crops]))
        (heatmaps,) = self._run(self._decode, torch.stack([crop.tokens for crop in crops]))
        return to_numpy(heatmaps)

    @torch.inference_mode()
    def single_frame(self, crops: UInt8) -> Float32:
        (heatmaps,) = self._run(self._single_frame, to_device(crops, self.device))
        return to_numpy(heatmaps)

    def synchronise(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def _run(self, step: Step, *inputs: Tensor, **constants: int) -> Tensors:
        if self._graphs is None:
            return step(*inputs, **constants)
        return self._graphs.run(step, *inputs, **constants)

    # The steps, on the device from end to end: a CUDA graph cannot wait for the processor.

    def _encode(self, pixels: Tensor) -> Tensors:
        """Return what an encoded crop consists of, of pixels (B, H, W, 3)."""
        features = self._features(pixels)  # (B, C, h, w)
        tokens = features.flatten(2).transpose(1, 2)  # (B, N, C)
        if not self.config.masked:
            regions = self._running.regions(features[:, None])[:, 0]  # (B, J, h, w)
            return tokens, regions.flatten(2)
        with self._low_precision():
            heatmaps = self._running.coarse_heatmaps(features)  # (B, J, 4h, 4w)
            scores = token_scores(heatmaps, self.config.mask_rule)
        regions = seen_regions(scores, self.config.mask_rule, self.config.mask_threshold)
        return tokens, regions.flatten(2), heatmaps  # visible: (B, J, N)

    def _decode_window(self, tokens: Tensor, visible: Tensor, current: int) -> Tensors:
        """Return heatmaps of tokens (B, T, N, C), of which joints see what is visible."""
        features = torch.unflatten(tokens.transpose(2, 3), 3, self._grid)  # (B, T, C, h, w)
        regions = torch.unflatten(visible, 3, self._grid)  # (B, T, J, h, w)
        with self._low_precision():
            if self._final_decoder is None:
                return (self._running.aggregate(features, regions, current),)
            restored = self._running.restore(features, regions, current)
            return (self._final_decoder(restored),)

    def _decode(self, tokens: Tensor) -> Tensors:
        features = torch.unflatten(tokens.transpose(1, 2), 2, self._grid)  # (B, C, h, w)
        with self._low_precision():
            return (self._running.decoder(features),)

    def _single_frame(self, pixels: Tensor) -> Tensors:
        features = self._features(pixels)
        with self._low_precision():
            return (self._running.decoder(features),)

    def _features(self, pixels: Tensor) -> Tensor:
        """Return features (B, C, h, w) of RGB pixels (B, H, W, 3)."""
        images = (pixels * self._scale - self._shift).permute(0, 3, 1, 2)  # (B, 3, H, W)
        with self._low_precision():
            features: Tensor = self._running.encoder(images)
        return features

    @property
    def _grid(self) -> tuple[int, int]:
        height, width = self.config.input_size
        return height // PATCH, width // PATCH

    def _low_precision(self) -> torch.autocast:
        """Return a context of the precision; a weight that it keeps cast would outlive no graph."""
        is_low = self.dtype != torch.float32
        dtype = self.dtype if is_low else None
        return torch.autocast(self.device.type, dtype, enabled=is_low, cache_enabled=False)


def lowered(module: AnyModule, dtype: torch.dtype) -> AnyModule:
    """Return a copy whose products have weights in `dtype`: autocast would cast them at each call.

    Normalisation and sums stay in float32, as with autocast alone.
    """
    copied = copy.deepcopy(module)
    for layer in copied.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.to(dtype)
    return copied


def auto_precision(device: str) -> str:
    """Return the name of what "auto" comes to on a device."""
    return name_of(choose_precision("auto", device))


def name_of(dtype: torch.dtype) -> str:
    return next(name for name, known in PRECISIONS.items() if known == dtype)


def choose_precision(name: str, device: str) -> torch.dtype:
    """Return the type of a name; "auto" takes the fast one that the device has in hardware.

    On a CPU that is bfloat16 with AVX512-BF16 or AMX; elsewhere it is emulated and many times
    slower than float32. Raises UserError for a name that does not exist.
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    if name != "auto":
        expected = ", ".join(PRECISIONS)
        if name == "int8":
            raise refuse_precision("torch", name, expected)
        raise UserError(f"precision {name!r}: expected auto, {expected}")
    if device.startswith("cuda"):
        with torch.cuda.device(device):  # of several, each by itself
            has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float16
    if device == "cpu" and has_cpu_bfloat16():
        return torch.bfloat16
    return torch.float32
