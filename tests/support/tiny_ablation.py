"""Tiny ablations: the configured base with a tiny network, generated stills and few steps."""

import json
from pathlib import Path
from typing import Any

from tiny_models import H, W, h, tiny_config, w
from tiny_training import write_stills

from tarvitpose.model.tarvitpose import TARViTPose

ROOT = Path(__file__).parents[2]
BASE = ROOT / "configs" / "ablation" / "jhmdb.yaml"
TABLES = sorted((ROOT / "configs" / "ablation").glob("table*.yaml"))
OFFSETS = (-2, -1, 1, 2)


def tiny_baseline(folder: Path) -> Path:
    """Write the single-frame weights from which rows start."""
    config = tiny_config(
        width=16, depth=1, heads=2, offsets=(), decoder="simple", input_size=(H, W)
    )
    assert config.position_grid == (h, w)
    TARViTPose(config).save_pretrained(folder)
    return folder


def overrides(folder: Path, **changes: Any) -> tuple[str, ...]:
    """Return the changes that make the configured base tiny, and write its files to a folder."""
    stills = str(write_stills(folder))
    source = {"format": "coco", "annotations": stills}
    values = {
        "output": str(folder / "runs"),
        "init": str(tiny_baseline(folder / "baseline")),
        "data.train": [{**source, "cached_clips": 2}],
        "data.validation": [source],
        "data.validation_degradations": ["clean", "dark"],
        "data.validation_share": 1,
        "data.features": str(folder / "features"),
        "data.workers": 0,
        "run.epochs": 0.2,  # of ten clips: one step
        "run.batch_size": 2,
        "run.accelerator": "cpu",
        **changes,
    }
    return tuple(f"{key}={json.dumps(value)}" for key, value in values.items())
