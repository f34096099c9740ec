"""Our single-frame model beside Hugging Face's VitPose, on random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from error_lines import error_line
from safetensors.torch import load_file, save_file
from tiny_models import B, H, W, tiny_clip
from tiny_vitpose import hugging_face

from tarvitpose.config import ModelConfig
from tarvitpose.errors import WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.convert import convert

pytest.importorskip("transformers")

IMAGES = tiny_clip()[:, 0]


def compare(tmp_path: Path, theirs: torch.nn.Module, **options: Any) -> ModelConfig:
    """Convert what `hugging_face` wrote, and expect the same heatmaps."""
    config = convert(tmp_path / "theirs", tmp_path / "ours", **options)
    index = options.get("dataset_index")
    extra = {} if index is None else {"dataset_index": torch.full((B,), index)}
    with torch.no_grad():
        expected = theirs(IMAGES, **extra).heatmaps
        heatmaps = TARViTPose.from_pretrained(tmp_path / "ours").single_frame(IMAGES)
    assert expected.std() > 0.01
    torch.testing.assert_close(heatmaps, expected, rtol=1e-4, atol=1e-4)
    return config


@pytest.mark.parametrize("simple", [False, True])
@pytest.mark.parametrize("heads", [3, 4])
def test_both_decoders(tmp_path: Path, simple: bool, heads: int) -> None:
    model = hugging_face(tmp_path / "theirs", simple=simple, num_attention_heads=heads)
    config = compare(tmp_path, model)
    assert config.heads == heads
    assert config.decoder == ("simple" if simple else "classic")
    assert (config.input_size, config.position_grid) == ((H, W), (4, 7))
    assert (config.joint_set, config.offsets, config.depth) == ("coco17", (), 3)


def test_the_wrong_heads_differ(tmp_path: Path) -> None:
    model = hugging_face(tmp_path / "theirs")
    with pytest.raises(AssertionError, match="not close"):
        compare(tmp_path, model, heads=6)


@pytest.mark.parametrize("eps", [1e-12, 1e-2])
def test_the_norms_eps_comes_from_the_config(tmp_path: Path, eps: float) -> None:
    assert (
        compare(tmp_path, hugging_face(tmp_path / "theirs", layer_norm_eps=eps)).layer_norm_eps
        == eps
    )


def test_values_that_the_config_leaves_out(tmp_path: Path) -> None:
    hugging_face(tmp_path / "theirs", image_size=[256, 192], num_attention_heads=12)
    path = tmp_path / "theirs" / "config.json"
    values = json.loads(path.read_text())
    for name in ("layer_norm_eps", "num_attention_heads", "image_size", "hidden_act"):
        values["backbone_config"].pop(name, None)
    path.write_text(json.dumps(values))
    config = convert(tmp_path / "theirs", tmp_path / "ours")
    assert (config.layer_norm_eps, config.heads, config.input_size) == (1e-12, 12, (256, 192))


def test_no_query_key_value_bias(tmp_path: Path) -> None:
    compare(tmp_path, hugging_face(tmp_path / "theirs", qkv_bias=False))


def test_a_folder_whose_keys_a_trainer_has_wrapped(tmp_path: Path) -> None:
    model = hugging_face(tmp_path / "theirs")
    path = tmp_path / "theirs" / "model.safetensors"
    save_file({f"module.model.{k}": v for k, v in load_file(path).items()}, path)
    compare(tmp_path, model)


def test_posetracks_fifteen_joints(tmp_path: Path) -> None:
    assert (
        compare(tmp_path, hugging_face(tmp_path / "theirs", joints=15)).joint_set == "posetrack15"
    )


@pytest.mark.parametrize("index", [0, 1, 3])
def test_the_chosen_expert(tmp_path: Path, index: int) -> None:
    model = hugging_face(tmp_path / "theirs", num_experts=4, part_features=7)
    compare(tmp_path, model, dataset_index=index)


def test_coco_is_the_first_expert(tmp_path: Path) -> None:
    hugging_face(tmp_path / "theirs", num_experts=4, part_features=7)
    convert(tmp_path / "theirs", tmp_path / "default")
    convert(tmp_path / "theirs", tmp_path / "first", dataset_index=0)
    first, second = (
        load_file(tmp_path / name / "model.safetensors") for name in ("default", "first")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def refusal(tmp_path: Path) -> str:
    return error_line(WeightsError, convert, tmp_path / "theirs", tmp_path / "ours")


def test_a_missing_bias_is_named(tmp_path: Path) -> None:
    hugging_face(tmp_path / "theirs")
    path = tmp_path / "theirs" / "model.safetensors"
    tensors = load_file(path)
    del tensors["backbone.encoder.layer.1.attention.attention.key.bias"]
    save_file(tensors, path)
    message = refusal(tmp_path)
    assert "1 missing: encoder.blocks.1.attention.qkv.bias" in message
    assert "backbone.encoder.layer.1.attention.attention.query.bias" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "vit"}, "expected model_type vitpose in config.json, found vit"),
        ({"scale_factor": 2}, "expected scale_factor 4, found 2"),
        ({"backbone_config": None}, "expected a backbone_config in config.json"),
    ],
)
def test_configs_that_do_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    hugging_face(tmp_path / "theirs")
    path = tmp_path / "theirs" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert message in refusal(tmp_path)


def test_another_activation_is_refused(tmp_path: Path) -> None:
    hugging_face(tmp_path / "theirs", hidden_act="relu")
    assert "expected hidden_act gelu, found relu" in refusal(tmp_path)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    hugging_face(tmp_path / "theirs")
    (tmp_path / "theirs" / "model.safetensors").unlink()
    assert "no model.safetensors" in refusal(tmp_path)
    (tmp_path / "theirs" / "config.json").write_text("[")
    (tmp_path / "theirs" / "model.safetensors").write_text("")
    assert "config.json: not readable JSON" in refusal(tmp_path)
