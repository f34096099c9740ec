"""The weights, detector and clip that ship: what they are, and that they work together."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.clips import encoded_batches, score_clips
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.video.sources import open_source
from tarvitpose.weights.folder import default_folder

ROOT = Path(__file__).parents[2]
ASSETS = default_folder().parent
LSPET = Path(__file__).parents[3] / "shared" / "data" / "lspet" / "val.json"
CHECKSUMS = {
    "default/model.safetensors": "c8b87f7d6c65e966e56bea8ce8c241f8919d519da924aec0caf0845a22c1febe",
    "nanodet_person_416.onnx": "feac48aaa0a57e50209021dcb94c6d2a21195be2e2a5cd319372b9f6289456e3",
    "demo.mp4": "c2ed570422c6e4edbed732487e6af9a568e4029430062e3927ec21f4f68818b5",
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_what_ships_is_what_was_measured(name: str) -> None:
    assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == CHECKSUMS[name]


def test_the_notices_name_all_that_others_made() -> None:
    notice = (ASSETS / "NOTICE.md").read_text()
    assert "NanoDet" in notice
    assert "DINOv2-small by Meta, under the Apache License 2.0" in notice
    assert "Apache License 2.0" in notice
    assert "BSD 3-Clause License" in notice
    assert "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS" in notice


def test_the_wheel_names_the_licences_and_carries_the_notices() -> None:
    core = pytest.importorskip("hatchling.metadata.core")
    plugins = pytest.importorskip("hatchling.plugin.manager")
    metadata = core.ProjectMetadata(str(ROOT), plugins.PluginManager()).core
    assert metadata.license_expression == "Apache-2.0 AND BSD-3-Clause"  # BSD: the demo clip
    assert metadata.license_files == ["LICENSE", "src/tarvitpose/assets/NOTICE.md"]


def test_the_default_model_is_small_enough_and_in_float16() -> None:
    path = ASSETS / "default" / "model.safetensors"
    assert path.stat().st_size < 80e6
    with safe_open(path, "pt") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}
    config = json.loads((ASSETS / "default" / "config.json").read_text())
    assert config["heads"] == 6
    assert config["offsets"] == [-2, -1, 1, 2]


def test_the_demo_clip_is_short_and_has_two_people_of_known_size() -> None:
    assert (ASSETS / "demo.mp4").stat().st_size < 1_000_000
    with open_source(ASSETS / "demo.mp4") as source:
        assert source.image_size == (960, 544)
        assert sum(1 for _ in source) == 50


@pytest.mark.skipif(not LSPET.exists(), reason="../shared/data is not here: no held-out stills")
def test_the_temporal_part_helps_where_the_current_frame_is_lost() -> None:
    model = TARViTPose.from_pretrained("default")
    records = read_records("coco", LSPET, model.config.joints)[:10]
    clips = validation_clips(records, model.config, "dropped")
    scores = score_clips(model, encoded_batches(model, clips, torch.device("cpu")))
    assert scores.temporal_pck > scores.single_pck + 5
