"""What speeds are compared with: Hugging Face's VitPose, and large matrix products."""

from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from tarvitpose.benchmark.plan import TRANSFORMERS
from tarvitpose.config import ModelConfig
from tarvitpose.geometry import IMAGE_MEAN, IMAGE_STD
from tarvitpose.inference.devices import choose_device, has_cpu_bfloat16
from tarvitpose.inference.torch_engine import PRECISIONS
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.interleaved import Case
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.optional import require

LARGE, SMALL = 2048, 512  # sides of matrices; the small ones where bfloat16 is emulated


class VitPoseEngine:
    """Hugging Face's VitPose of the same size: float32, eager attention, random weights."""

    precision = "fp32"

    def __init__(self, config: ModelConfig, *, device: str = "auto") -> None:
        """Raises MissingDependencyError without transformers."""
        self.device = choose_device(device)
        self.config = config
        self.model = _vitpose(config).eval().to(self.device)
        self._mean, self._std = (
            torch.from_numpy(255 * values).to(self.device) for values in (IMAGE_MEAN, IMAGE_STD)
        )

    def fingerprint(self) -> str:
        """Return the same for all: the weights are random."""
        return TRANSFORMERS

    @torch.inference_mode()
    def single_frame(self, crops: UInt8) -> Float32:
        pixels = torch.from_numpy(crops).to(self.device)
        images = ((pixels - self._mean) / self._std).permute(0, 3, 1, 2)  # (B, 3, H, W)
        return np.asarray(self.model(images.contiguous()).heatmaps.cpu().numpy())

    def encode(self, *_: object, **__: object) -> NoReturn:
        """Raise ValueError, as the other steps do: it has no temporal part."""
        raise ValueError("transformers' VitPose has single frames only")

    decode_window = decode = encode


def save_vitpose(config: ModelConfig, folder: str) -> None:
    """Write a random VitPose with the sizes of a config, and its image processor's settings."""
    import_module("transformers").utils.logging.disable_progress_bar()
    _vitpose(config).save_pretrained(folder)
    height, width = config.input_size
    size = {"height": height, "width": width}
    settings = {"image_processor_type": "VitPoseImageProcessor", "size": size}
    write_json(Path(folder, "preprocessor_config.json"), settings)


def _vitpose(config: ModelConfig) -> Any:
    """Return a random VitPose with the sizes of a config."""
    transformers = require("transformers", "--against transformers", "huggingface")
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=list(config.input_size),
        out_indices=[config.depth],
    )
    full = transformers.VitPoseConfig(
        backbone_config=backbone,
        use_simple_decoder=config.decoder == "simple",
        num_labels=len(config.joints),
    )
    return transformers.VitPoseForPoseEstimation._from_config(full, attn_implementation="eager")


def product_cases(device: str) -> list[Case[str]]:
    """Return products of large square matrices, by precision; outputs are 10^9 operations."""
    chosen = choose_device(device)
    emulated = chosen == "cpu" and not has_cpu_bfloat16()
    half = _product("bf16 emulated" if emulated else "bf16", SMALL if emulated else LARGE, chosen)
    return [_product("fp32", LARGE, chosen), half]


def _product(name: str, side: int, device: str) -> Case[str]:
    """Return the product of two square matrices; multiplying and adding count as two."""
    kind = PRECISIONS[name.split(maxsplit=1)[0]]
    first, second = torch.randn(2, side, side, device=device).to(kind)

    def work() -> float:
        return float(torch.mm(first, second)[0, 0])  # which waits for a GPU

    return Case(name, 2 * side**3 / 1e9, work)
