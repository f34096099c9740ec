"""Tiny trainings: a few generated stills, a tiny network, nine steps."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from tiny_models import C, tiny_model

from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.training.config import TrainConfig

PEOPLE = 6


def write_stills(folder: Path) -> Path:
    """Write a COCO file, and stills with one bright dot for each joint of each person."""
    random = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(PEOPLE):
        points = random.uniform(10, 50, (15, 2))
        picture = np.full((60, 80, 3), 30, np.uint8)
        for x, y in points:
            cv2.circle(picture, (int(x), int(y)), 2, (255, 255, 255), -1)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        flat = [value for x, y in points for value in (float(x), float(y), 2)]
        annotations.append(
            {"id": number, "image_id": number, "bbox": [8, 8, 44, 44], "keypoints": flat}
        )
    categories = [{"id": 1, "name": "person", "keypoints": list(POSETRACK_15.joints)}]
    path = folder / "stills.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def experiment(stills: Path, output: Path, **changes: Any) -> TrainConfig:
    """Return a config of nine steps of two clips, with a state saved after every third step."""
    start = stills.parent / "start"
    if not start.exists():
        tiny_model().save_pretrained(start)
    source = {"format": "coco", "annotations": stills, **changes.pop("source", {})}
    values: dict[str, Any] = {
        "output": output,
        "init": str(start),
        "data": {"train": [source], "workers": 0, **changes.pop("data", {})},
        "optim": {"lr": 1e-3, "schedule": "constant", **changes.pop("optim", {})},
        "run": {"epochs": 3, "batch_size": 2, "accelerator": "cpu", "save_every": 3, "log_every": 1}
        | changes.pop("run", {}),
    }
    return TrainConfig.model_validate({**values, **changes})


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return TARViTPose.from_pretrained(folder).state_dict()


def without_key_biases(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights without the biases of keys, which softmax cancels.

    Their gradients are rounding errors, which AdamW scales to the size of any other.
    """
    rest = dict(weights)
    for name, value in weights.items():
        if name.endswith("attention.qkv.bias"):
            rest[name] = torch.cat([value[:C], value[2 * C :]])
        elif name.endswith("to_key_value.bias"):
            rest[name] = value[C:]
    return rest


def losses_of(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines if "loss" in json.loads(line)]


def quiet(line: str) -> None:
    """Ignore the messages of a run."""


def write_experiment(config: TrainConfig, path: Path) -> str:
    """Write a configuration as a YAML file, and return its path."""
    path.write_text(yaml.safe_dump(json.loads(config.model_dump_json())), encoding="utf-8")
    return str(path)
