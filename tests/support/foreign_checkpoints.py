"""Tensors under the names of other projects, written independently of the code that reads them."""

import re

import torch
from torch import Tensor

Tensors = dict[str, Tensor]

MMPOSE_NAMES = (
    (r"^encoder\.pos_embed", "backbone.pos_embed"),
    (r"^encoder\.patch_embed", "backbone.patch_embed.projection"),
    (r"^encoder\.norm\.", "backbone.ln1."),
    (r"^encoder\.blocks\.(\d+)\.norm", r"backbone.layers.\1.ln"),
    (r"^encoder\.blocks\.(\d+)\.attention", r"backbone.layers.\1.attn"),
    (r"^encoder\.blocks\.(\d+)\.fc1", r"backbone.layers.\1.ffn.layers.0.0"),
    (r"^encoder\.blocks\.(\d+)\.fc2", r"backbone.layers.\1.ffn.layers.1"),
)
VITAE_NAMES = (
    (r"^encoder\.pos_embed", "backbone.pos_embed"),
    (r"^encoder\.patch_embed", "backbone.patch_embed.proj"),
    (r"^encoder\.norm\.", "backbone.last_norm."),
    (r"^encoder\.blocks\.(\d+)\.attention", r"backbone.blocks.\1.attn"),
    (r"^encoder\.blocks\.(\d+)\.fc", r"backbone.blocks.\1.mlp.fc"),
    (r"^encoder\.blocks\.(\d+)\.norm", r"backbone.blocks.\1.norm"),
)


def head_names(deconvolutions: str, final: str) -> tuple[tuple[str, str], ...]:
    return (
        (r"^decoder\.deconv1", f"{deconvolutions}.0"),
        (r"^decoder\.norm1", f"{deconvolutions}.1"),
        (r"^decoder\.deconv2", f"{deconvolutions}.3"),
        (r"^decoder\.norm2", f"{deconvolutions}.4"),
        (r"^decoder\.final", final),
    )


def renamed(state: Tensors, names: tuple[tuple[str, str], ...]) -> Tensors:
    """Return copies of tensors under the first name whose pattern matches each key."""
    renamed_tensors: Tensors = {}
    for key, value in state.items():
        for pattern, name in names:
            if re.search(pattern, key):
                renamed_tensors[re.sub(pattern, name, key)] = value.clone()
                break
        else:
            raise KeyError(key)
    return renamed_tensors


def mmpose(state: Tensors) -> Tensors:
    return renamed(state, MMPOSE_NAMES + head_names("head.deconv_layers", "head.final_layer"))


def vitae(state: Tensors) -> Tensors:
    head = head_names("keypoint_head.deconv_layers", "keypoint_head.final_layer")
    return renamed(state, VITAE_NAMES + head)


def vitae_plus(state: Tensors, chosen: int, experts: int = 3, part: int = 8) -> Tensors:
    """Name a model as ViTPose+ does: expert and head `chosen` hold its rows, others noise."""
    tensors = vitae(state)
    for name in [name for name in tensors if ".mlp.fc2." in name]:
        whole = tensors[name]
        tensors[name] = whole[:-part]
        for expert in range(experts):
            rows = whole[-part:] if expert == chosen else torch.randn(whole[-part:].shape)
            tensors[name.replace("fc2", f"experts.{expert}")] = rows
    for name in [name for name in tensors if name.startswith("keypoint_head.")]:
        associate = name.replace("keypoint_head", f"associate_keypoint_heads.{chosen - 1}")
        tensors[associate] = tensors[name]
        tensors[name] = torch.zeros_like(tensors[name])
    return tensors


def released(state: Tensors) -> Tensors:
    """Name a temporal model as the released TAR-ViTPose does, including its duplicates."""
    still = {name: value for name, value in state.items() if name[:3] not in ("jta", "gra")}
    encoder = renamed(still, MMPOSE_NAMES + head_names("heatmap_head.0", "heatmap_head.1"))
    again = renamed(still, MMPOSE_NAMES + head_names("head.deconv_layers", "head.final_layer"))
    twice = {f"model.{name}": value + 1 for name, value in (encoder | again).items()}
    temporal = {
        "query_feat.weight": state["jta.query"],
        "query_pe.weight": state["jta.query_position"],
    }
    for layer in range(1 + max(int(name.split(".")[2]) for name in state if "jta.layers" in name)):
        ours = f"jta.layers.{layer}"
        temporal |= attention(state, f"{ours}.look", f"masked_attention_layers.{layer}")
        temporal |= attention(state, f"{ours}.exchange", f"self_attention_layers.{layer}")
        for part in ("fc1", "fc2", "norm"):
            for kind in ("weight", "bias"):
                name = f"{ours}.feed_forward.{part}.{kind}"
                temporal[f"ffn_layers.{layer}.{part}.{kind}"] = state[name]
    return encoder | temporal | attention(state, "gra.layers.0", "cross_attention") | twice


def attention(state: Tensors, ours: str, theirs: str) -> Tensors:
    renamed_tensors: Tensors = {}
    for kind in ("weight", "bias"):
        parts = [state[f"{ours}.to_query.{kind}"], state[f"{ours}.to_key_value.{kind}"]]
        renamed_tensors[f"{theirs}.mha.in_proj_{kind}"] = torch.cat(parts)
        renamed_tensors[f"{theirs}.mha.out_proj.{kind}"] = state[f"{ours}.to_out.{kind}"]
        renamed_tensors[f"{theirs}.norm.{kind}"] = state[f"{ours}.norm.{kind}"]
    return renamed_tensors
