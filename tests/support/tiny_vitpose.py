"""Tiny random networks of transformers' VitPose."""

from pathlib import Path
from typing import Any

import torch
from tiny_models import H, W, randomise

BACKBONE = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": [H, W],
    "out_indices": [3],
}


def hugging_face(
    folder: Path, *, simple: bool = False, joints: int = 17, **backbone: Any
) -> torch.nn.Module:
    """Write a random VitPose into a folder, and return it."""
    import transformers

    config = transformers.VitPoseConfig(
        backbone_config=transformers.VitPoseBackboneConfig(**{**BACKBONE, **backbone}),
        use_simple_decoder=simple,
        num_labels=joints,
    )
    model = transformers.VitPoseForPoseEstimation(config).eval()
    randomise(model)
    model.save_pretrained(folder)
    return model
