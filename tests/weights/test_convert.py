"""Checkpoints of other projects become ours, and what cannot is named."""

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from error_lines import error_line
from foreign_checkpoints import Tensors, mmpose, vitae, vitae_plus
from safetensors.torch import save_file
from tiny_models import H, W, h, tiny_clip, tiny_model, w

from tarvitpose.errors import ConfigError, WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import COCO_17, POSETRACK_15, POSETRACK_17
from tarvitpose.weights.convert import convert
from tarvitpose.weights.convert_keys import merge_experts

SINGLE = {"offsets": (), "joint_set": "coco17", "jta_layers": 6, "decoder_width": 256}
IMAGE = tiny_clip()[:, 0]


class NotATensor:
    """What a pickle must not be able to bring in."""


def single(**changes: Any) -> TARViTPose:
    return tiny_model(**{**SINGLE, **changes})


def converted(
    tmp_path: Path, content: object, name: str = "checkpoint.pth", **options: Any
) -> TARViTPose:
    source, output = tmp_path / name, tmp_path / "converted"
    if name.endswith(".safetensors"):
        save_file(content, source)
    else:
        torch.save(content, source)
    config = convert(source, output, **{"heads": 3, "input_size": (H, W), **options})
    model = TARViTPose.from_pretrained(output)
    assert model.config == config
    return model


def refusal(tmp_path: Path, content: object, **options: Any) -> str:
    message = error_line(WeightsError, converted, tmp_path, content, **options)
    assert not (tmp_path / "converted").exists()
    return message


def expect_equal(loaded: TARViTPose, expected: TARViTPose) -> None:
    state = expected.state_dict()
    for name, value in loaded.state_dict().items():
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(value, state[name], rtol=1e-6, atol=1e-6, msg=name)
    with torch.no_grad():
        heatmaps = loaded.single_frame(IMAGE), expected.single_frame(IMAGE)
    torch.testing.assert_close(*heatmaps, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rename", [mmpose, vitae])
@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_single_frame_checkpoints(
    tmp_path: Path, rename: Callable[[Tensors], Tensors], decoder: str
) -> None:
    model = single(decoder=decoder)
    loaded = converted(tmp_path, {"state_dict": rename(model.state_dict()), "meta": {"epoch": 3}})
    expect_equal(loaded, model)
    assert loaded.config == model.config


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"model": tensors, "step": 3},
        lambda tensors: {"model_state_dict": tensors},
        lambda tensors: {"module": {"state_dict": tensors}},
    ],
)
def test_wrappings(tmp_path: Path, wrap: Callable[[Tensors], dict[str, Any]]) -> None:
    model = single()
    expect_equal(converted(tmp_path, wrap(mmpose(model.state_dict()))), model)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.model.", "module.model._orig_mod.model."]
)
@pytest.mark.parametrize("rename", [mmpose, vitae])
def test_prefixes_of_trainers_in_any_nesting(
    tmp_path: Path, prefix: str, rename: Callable[[Tensors], Tensors]
) -> None:
    model = single()
    tensors = {f"{prefix}{key}": value for key, value in rename(model.state_dict()).items()}
    expect_equal(converted(tmp_path, tensors), model)


def test_prefixes_of_wrapped_parts(tmp_path: Path) -> None:
    model = single()
    tensors = {
        key.replace("backbone.", "model.backbone._orig_mod.").replace(
            "head.", "model.head.module."
        ): value
        for key, value in mmpose(model.state_dict()).items()
    }
    expect_equal(converted(tmp_path, tensors), model)


def test_what_lies_beside_the_network_is_named(tmp_path: Path) -> None:
    tensors = {f"model.{k}": v for k, v in mmpose(single().state_dict()).items()}
    message = refusal(tmp_path, {**tensors, "criterion.weight": torch.zeros(1)})
    assert message.endswith("1 surplus: criterion.weight")
    ours = {f"module.model.{k}": v for k, v in single().state_dict().items()}
    assert "it needs no conversion" in refusal(tmp_path, ours)


def test_safetensors_in_float16_and_without_counters(tmp_path: Path) -> None:
    model = single()
    tensors = {
        name: value.half()
        for name, value in mmpose(model.state_dict()).items()
        if "num_batches_tracked" not in name
    }
    loaded = converted(tmp_path, tensors, "small.safetensors")
    assert loaded.encoder.pos_embed.dtype == torch.float32
    torch.testing.assert_close(
        loaded.state_dict()["encoder.blocks.1.fc2.weight"],
        tensors["backbone.layers.1.ffn.layers.1.weight"].float(),
    )


def test_mmposes_meta_may_hold_numpy_arrays(tmp_path: Path) -> None:
    model = single()
    meta = {"sigmas": np.ones(17, np.float32), "rate": np.float64(1), "names": np.array(["nose"])}
    content = {"state_dict": mmpose(model.state_dict()), "meta": meta}
    expect_equal(converted(tmp_path, content), model)


def test_arrays_of_an_older_numpy_are_read_too(tmp_path: Path) -> None:
    content = {"state_dict": mmpose(single().state_dict()), "meta": np.ones(17, np.float32)}
    path = tmp_path / "old.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    old = path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(old)
    convert(path, tmp_path / "converted", heads=3, input_size=(H, W))


@pytest.mark.parametrize("rename", [mmpose, vitae])
def test_the_class_token_is_added_to_every_position(
    tmp_path: Path, rename: Callable[[Tensors], Tensors]
) -> None:
    model = single()
    tensors = rename(model.state_dict())
    positions, token = tensors["backbone.pos_embed"], torch.randn(1, 1, 24)
    tensors["backbone.pos_embed"] = torch.cat([token, positions - token], 1)
    expect_equal(converted(tmp_path, tensors), model)


@pytest.mark.parametrize(
    ("tokens", "grid", "options"),
    [
        (192, (16, 12), {}),
        (193, (16, 12), {}),
        (432, (24, 18), {}),
        (433, (24, 18), {}),
        (192, (12, 16), {"input_size": (192, 256)}),
        (192, (16, 12), {"input_size": (384, 288)}),
    ],
)
def test_grids(tmp_path: Path, tokens: int, grid: tuple[int, int], options: dict[str, Any]) -> None:
    tensors = mmpose(single().state_dict())
    tensors["backbone.pos_embed"] = torch.randn(1, tokens, 24)
    config = converted(tmp_path, tensors, **{"input_size": None, **options}).config
    assert config.position_grid == grid
    assert config.input_size == options.get("input_size", (grid[0] * 16, grid[1] * 16))


def test_an_unknown_grid(tmp_path: Path) -> None:
    tensors = mmpose(single().state_dict())
    assert refusal(tmp_path, tensors, input_size=None).endswith(
        f"has a position embedding of {h * w} tokens: give the input size (height, width) that it "
        "was trained with"
    )


def test_heads_are_those_of_the_width_unless_told(tmp_path: Path) -> None:
    with torch.device("meta"):
        large = TARViTPose(single().config.model_copy(update={"width": 384, "heads": 12}))
    tensors = mmpose({k: torch.zeros(v.shape) for k, v in large.state_dict().items()})
    assert converted(tmp_path, tensors, heads=None).config.heads == 12
    assert converted(tmp_path, tensors, heads=6).config.heads == 6


def test_heads_of_an_unknown_width(tmp_path: Path) -> None:
    small = mmpose(single().state_dict())
    message = refusal(tmp_path, small, heads=None)
    assert message.endswith("has width 24, no known size: give its heads")
    with pytest.raises(ConfigError, match="width 24 cannot be divided by heads 5"):
        converted(tmp_path, small, heads=5)


def test_the_size_that_was_asked_for(tmp_path: Path) -> None:
    changes = {"width": 768, "depth": 12, "heads": 12}
    with torch.device("meta"):
        base = TARViTPose(single().config.model_copy(update=changes))
    shapes = {name: value.shape for name, value in mmpose(base.state_dict()).items()}
    tensors = {name: torch.zeros(shape, dtype=torch.uint8) for name, shape in shapes.items()}
    assert refusal(tmp_path, tensors, name="vitpose-b.pth", size="h") == (
        "vitpose-b.pth has 12 blocks of width 768, size H has 32 of width 1280: use size B"
    )
    assert refusal(tmp_path, tensors, size="xl") == "size xl: expected one of TINY, S, B, L, H"
    tiny = mmpose(single().state_dict())
    assert refusal(tmp_path, tiny, name="tiny.pth", size="S") == (
        "tiny.pth has 2 blocks of width 24, size S has 12 of width 384: "
        "it is none of TINY, S, B, L, H"
    )


def test_every_fault_is_named_in_one_error(tmp_path: Path) -> None:
    tensors = mmpose(single().state_dict())
    del tensors["backbone.layers.0.ln1.weight"]
    tensors["backbone.layers.1.attn.qkv.bias"] = torch.zeros(5)
    tensors["teacher.weight"] = torch.zeros(2)
    message = refusal(tmp_path, tensors)
    assert "1 missing: encoder.blocks.0.norm1.weight" in message
    assert "1 surplus: teacher.weight" in message
    assert "1 misshapen: encoder.blocks.1.attention.qkv.bias (5,) instead of (72,)" in message


def test_a_block_that_is_missing_is_missed(tmp_path: Path) -> None:
    tensors = mmpose(single(depth=3).state_dict())
    without = {name: value for name, value in tensors.items() if "layers.1.ffn" not in name}
    assert "4 missing: encoder.blocks.1.fc1.bias" in refusal(tmp_path, without)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("head.", "has no head of heatmaps: convert a whole ViTPose, not a part of one"),
        ("backbone.patch_embed", "has no patch embedding: convert a whole ViTPose"),
        ("backbone.pos_embed", "has no position embedding (1, tokens, width)"),
    ],
)
def test_a_part_of_a_model(tmp_path: Path, prefix: str, message: str) -> None:
    tensors = mmpose(single().state_dict())
    rest = {name: value for name, value in tensors.items() if not name.startswith(prefix)}
    assert message in refusal(tmp_path, rest)


def test_unknown_checkpoints(tmp_path: Path) -> None:
    assert "none of the known checkpoints (released TAR-ViTPose, Hugging Face" in refusal(
        tmp_path, {"conv1.weight": torch.zeros(1)}
    )
    assert refusal(tmp_path, [torch.zeros(1)]).endswith("holds no tensors by name")


def test_a_pickle_of_more_than_tensors_is_refused(tmp_path: Path) -> None:
    content = {"state_dict": mmpose(single().state_dict()), "trainer": NotATensor()}
    message = refusal(tmp_path, content)
    expected = (
        "holds more than tensors (tests.weights.test_convert.NotATensor), and the rest could run"
    )
    assert expected in message
    (tmp_path / "plain.pkl.pth").write_bytes(pickle.dumps(NotATensor()))
    with pytest.raises(WeightsError, match=r"plain\.pkl\.pth: is not tensors alone"):
        convert(tmp_path / "plain.pkl.pth", tmp_path / "converted")


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        convert(tmp_path / name, tmp_path / "converted")
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)


def test_our_own_weights_need_no_conversion(tmp_path: Path) -> None:
    model = single()
    model.save_pretrained(tmp_path / "ours")
    for source in (tmp_path / "ours", tmp_path / "ours" / "model.safetensors"):
        with pytest.raises(WeightsError, match="it needs no conversion"):
            convert(source, tmp_path / "converted")
    assert "it needs no conversion" in refusal(tmp_path, {"model": model.state_dict()})


@pytest.mark.parametrize("joints", [POSETRACK_15, POSETRACK_17])
def test_coco_channels_are_mapped_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, joints: Any
) -> None:
    model = single()
    with caplog.at_level(logging.WARNING, "tarvitpose"):
        loaded = converted(tmp_path, mmpose(model.state_dict()), joint_set=joints.name)
    assert (
        "which need training: head_bottom, head_top; joints dropped: left_eye, right_eye"
        in caplog.text
    )
    theirs, ours = model.decoder.final, loaded.decoder.final
    for channel, name in enumerate(joints.joints):
        if name in COCO_17.joints:
            source_channel = COCO_17.joints.index(name)
            assert torch.equal(ours.weight[channel], theirs.weight[source_channel])
            assert ours.bias[channel] == theirs.bias[source_channel]
        else:
            assert 0 < ours.weight[channel].abs().max() < 0.01
            assert ours.bias[channel] == 0


def test_new_joints_are_the_same_every_time(tmp_path: Path) -> None:
    tensors = mmpose(single().state_dict())
    (first, second) = (
        converted(tmp_path, tensors, joint_set="posetrack15").decoder.final.weight for _ in range(2)
    )
    assert torch.equal(first, second)


def test_posetrack_heads_keep_their_order(tmp_path: Path) -> None:
    model = single(joint_set="posetrack15")
    expect_equal(converted(tmp_path, mmpose(model.state_dict())), model)


def test_joints_that_are_not_known(tmp_path: Path) -> None:
    tensors = mmpose(single().state_dict())
    for option in ("joint_set", "source_joints"):
        with pytest.raises(ConfigError, match=r"joint set coco18: .*mean coco17"):
            converted(tmp_path, tensors, **{option: "coco18"})
    tensors["head.final_layer.weight"] = torch.zeros(16, 256, 1, 1)
    assert "predicts 16 joints, known are heads of 15 (posetrack15), 17 (coco17), 25" in refusal(
        tmp_path, tensors
    )
    assert "predicts 16 joints, coco25 has 25" in refusal(tmp_path, tensors, source_joints="coco25")


def test_the_expert_and_head_of_one_data_set(tmp_path: Path) -> None:
    model = single()
    loaded = converted(tmp_path, vitae_plus(model.state_dict(), chosen=1), dataset_index=1)
    expect_equal(loaded, model)
    first = converted(tmp_path, vitae_plus(model.state_dict(), chosen=1))
    assert not first.decoder.final.weight.any()


@pytest.mark.parametrize("index", [3, -1])
def test_an_expert_that_is_not_there(tmp_path: Path, index: int) -> None:
    message = refusal(tmp_path, vitae_plus(single().state_dict(), chosen=1), dataset_index=index)
    assert message.endswith(f"has 3 experts, dataset_index {index} is none of them")


def test_a_plain_model_has_no_experts(tmp_path: Path) -> None:
    message = refusal(tmp_path, mmpose(single().state_dict()), dataset_index=0)
    assert message.endswith("has no experts: leave dataset_index out")


def test_experts_follow_the_shared_rows() -> None:
    tensors = {
        "a.mlp.fc2.weight": torch.zeros(2, 3),
        "a.mlp.experts.0.weight": torch.ones(1, 3),
        "a.mlp.experts.11.weight": torch.full((1, 3), 2.0),
    }
    merged = merge_experts(tensors, 11)
    assert merged.keys() == {"a.mlp.fc2.weight"}
    assert merged["a.mlp.fc2.weight"][:, 0].tolist() == [0, 0, 2]


def test_the_codec_is_stored(tmp_path: Path) -> None:
    tensors = mmpose(single().state_dict())
    assert converted(tmp_path, tensors).config.codec == "udp"
    assert converted(tmp_path, tensors, codec="classic").config.codec == "classic"
