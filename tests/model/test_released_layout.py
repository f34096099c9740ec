"""The released layout, beside a reference written out in plain torch.

The reference follows the released code as `method.md` describes it, mixed-up axes included:
features (B, T, C, N) are reshaped to (B, T, N, C), and the mask (T, J, N) is viewed as (J, T, N).
"""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from foreign_checkpoints import Tensors, released
from tiny_models import B, C, H, N, W, h, tiny_clip, tiny_config, tiny_model, w
from torch import Tensor, nn

from tarvitpose.errors import WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.convert import convert

T, J, LAYERS = 5, 17, 3
ENCODER_HEADS, TEMPORAL_HEADS = 3, 4
OPTIONS: dict[str, Any] = {
    "joint_set": "posetrack17",
    "offsets": (-2, -1, 1, 2),
    "jta_layers": LAYERS,
    "decoder_width": 256,
    "layout": "released",
    "mask_rule": "released",
    "mask_threshold": 0.2,
    "codec": "classic",
}


def sharp_model(seed: int = 0, **changes: Any) -> TARViTPose:
    """Return a random model whose heatmaps have peaks, so that the mask hides many places."""
    model = tiny_model(seed, **{**OPTIONS, **changes})
    with torch.no_grad():
        model.decoder.final.weight.abs_()[:, 4:] = 0
        model.decoder.norm2.bias -= 0.5
    return model


def multihead(state: Tensors, prefix: str) -> nn.MultiheadAttention:
    layer = nn.MultiheadAttention(C, TEMPORAL_HEADS, batch_first=True)
    tensors = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    layer.load_state_dict(tensors)
    return layer.eval()


def norm(state: Tensors, prefix: str, x: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x, (C,), state[f"{prefix}.weight"], state[f"{prefix}.bias"], eps)


def linear(state: Tensors, prefix: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{prefix}.weight"], state[f"{prefix}.bias"])


def encode(state: Tensors, images: Tensor) -> Tensor:
    """Return features (n, C, N)."""
    patch = "backbone.patch_embed.projection"
    x = F.conv2d(images, state[f"{patch}.weight"], state[f"{patch}.bias"], stride=16, padding=2)
    x = x.flatten(2).permute(0, 2, 1) + state["backbone.pos_embed"]  # (n, N, C)
    for i in range(2):
        layer = f"backbone.layers.{i}"
        y = linear(state, f"{layer}.attn.qkv", norm(state, f"{layer}.ln1", x, 1e-6))
        heads = [part.split(C // ENCODER_HEADS, dim=-1) for part in y.split(C, dim=-1)]
        heads_out = [
            torch.softmax(q @ k.transpose(1, 2) / (C // ENCODER_HEADS) ** 0.5, -1) @ v
            for q, k, v in zip(*heads, strict=True)
        ]
        x = x + linear(state, f"{layer}.attn.proj", torch.cat(heads_out, -1))
        y = norm(state, f"{layer}.ln2", x, 1e-6)
        y = F.gelu(linear(state, f"{layer}.ffn.layers.0.0", y))
        x = x + linear(state, f"{layer}.ffn.layers.1", y)
    return norm(state, "backbone.ln1", x, 1e-6).permute(0, 2, 1)


def decode(state: Tensors, features: Tensor) -> Tensor:
    """Return heatmaps (n, J, 4h, 4w) of features (n, C, h, w)."""
    x = features
    for deconvolution, batch_norm in ((0, 1), (3, 4)):
        x = F.conv_transpose2d(
            x, state[f"heatmap_head.0.{deconvolution}.weight"], stride=2, padding=1
        )
        bn = f"heatmap_head.0.{batch_norm}"
        x = F.batch_norm(
            x,
            state[f"{bn}.running_mean"],
            state[f"{bn}.running_var"],
            state[f"{bn}.weight"],
            state[f"{bn}.bias"],
            eps=1e-5,
        )
        x = F.relu(x)
    return F.conv2d(x, state["heatmap_head.1.weight"], state["heatmap_head.1.bias"])


def hidden_tokens(coarse: Tensor) -> Tensor:
    """Return what each joint may not see, (B, J, T N), from coarse heatmaps (B T, J, 4h, 4w)."""
    flat = coarse.flatten(2)
    low, high = flat.min(-1, keepdim=True).values, flat.max(-1, keepdim=True).values
    stretched = ((flat - low) / (high - low + 1e-6)).reshape(coarse.shape)
    small = F.interpolate(stretched, size=(h, w), mode="bilinear", align_corners=False)
    hidden = small.flatten(2) < 0.2  # (B T, J, N)
    per_sample = [sample.contiguous().view(J, T, N).reshape(J, T * N) for sample in hidden.split(T)]
    return torch.stack(per_sample)


def reference(state: Tensors, clip: Tensor) -> Tensor:
    """Return heatmaps (B, J, 4h, 4w) of a clip (B, T, 3, H, W) as the released code does."""
    features = encode(state, clip.flatten(0, 1))  # (B T, C, N)
    coarse = decode(state, features.reshape(B * T, C, h, w))
    mask = hidden_tokens(coarse).repeat_interleave(TEMPORAL_HEADS, dim=0)  # (B heads, J, T N)
    tokens = features.reshape(B, T, N, C)  # not a transpose
    everything = tokens.reshape(B, T * N, C)
    q = (state["query_feat.weight"] + state["query_pe.weight"]).expand(B, J, C)
    for i in range(LAYERS):
        look, exchange = f"masked_attention_layers.{i}", f"self_attention_layers.{i}"
        attend = multihead(state, f"{look}.mha.")
        attended, _ = attend(q, everything, everything, attn_mask=mask)
        q = norm(state, f"{look}.norm", q + attended, 1e-5)
        attended, _ = multihead(state, f"{exchange}.mha.")(q, q, q)
        q = norm(state, f"{exchange}.norm", q + attended, 1e-5)
        inner = F.gelu(linear(state, f"ffn_layers.{i}.fc1", q))
        q = norm(
            state, f"ffn_layers.{i}.norm", q + linear(state, f"ffn_layers.{i}.fc2", inner), 1e-5
        )
    current = tokens[:, T // 2]
    attended, _ = multihead(state, "cross_attention.mha.")(current, q, q)
    restored = norm(state, "cross_attention.norm", current + attended, 1e-5)  # (B, N, C)
    return decode(state, restored.reshape(B, C, h, w))


def checkpoint(tmp_path: Path, state: Tensors) -> Path:
    path = tmp_path / "best.pt"
    torch.save({"model_state_dict": state, "epoch": 3, "optimizer": {"lr": 1e-5}}, path)
    return path


def released_state(seed: int = 0) -> Tensors:
    return released(sharp_model(seed).state_dict())


@pytest.mark.parametrize(
    ("seed", "prefix"), [(0, ""), (1, ""), (2, "module."), (0, "model.module.model.")]
)
def test_a_converted_checkpoint_computes_what_the_released_code_does(
    tmp_path: Path, seed: int, prefix: str
) -> None:
    state = released_state(seed)
    wrapped = {f"{prefix}{name}": value for name, value in state.items()}
    convert(checkpoint(tmp_path, wrapped), tmp_path / "ours", heads=3, input_size=(H, W))
    model = TARViTPose.from_pretrained(tmp_path / "ours")
    clip = tiny_clip(T, seed=seed + 10)
    with torch.no_grad():
        expected = reference(state, clip)
        assert expected.isfinite().all()
        assert expected.std() > 0.01
        torch.testing.assert_close(model(clip), expected, rtol=1e-4, atol=1e-4)


def test_the_mask_of_the_reference_hides_some_and_not_all() -> None:
    model = sharp_model()
    with torch.no_grad():
        features = model.encoder(tiny_clip(T).flatten(0, 1)).unflatten(0, (B, T))
        share = model.regions(features).float().mean()
    assert 0.05 < share < 0.95


def test_the_config_selects_the_layout_by_itself(tmp_path: Path) -> None:
    config = convert(
        checkpoint(tmp_path, released_state()), tmp_path / "ours", heads=3, input_size=(H, W)
    )
    assert config == tiny_config(**OPTIONS)
    assert (config.temporal_heads, config.gra_layers, config.layer_norm_eps) == (4, 1, 1e-6)


@pytest.mark.parametrize("change", [{"layout": "paper"}, {"mask_rule": "paper"}])
def test_the_papers_layout_and_mask_compute_something_else(change: dict[str, str]) -> None:
    model, other = sharp_model(), sharp_model(**change)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)
    )
    with torch.no_grad():
        difference = (model(tiny_clip(T)) - other(tiny_clip(T))).abs().max()
    assert difference > 1e-3


def test_released_slots_cannot_be_taken_apart(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, released_state())
    with pytest.raises(WeightsError, match="17 slots that cannot be separated: use posetrack17"):
        convert(path, tmp_path / "ours", joint_set="posetrack15", heads=3, input_size=(H, W))


def test_a_missing_temporal_key_is_named(tmp_path: Path) -> None:
    state = released_state()
    del state["cross_attention.mha.in_proj_weight"]
    path = checkpoint(tmp_path, state)
    with pytest.raises(
        WeightsError, match=r"2 missing: gra\.layers\.0\.to_key_value\.weight, gra\.layers\.0\.to_q"
    ):
        convert(path, tmp_path / "ours", heads=3, input_size=(H, W))
