"""The keys of each checkpoint format, and how its tensors are renamed to ours.

The functions take and return tensors by name and read no files.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class CheckpointFormat:
    """A name for messages, and {their key: our key}, where # stands for a number."""

    name: str
    keys: Mapping[str, str]


def _encoder(block: str, names: Iterable[str]) -> dict[str, str]:
    ours = ("norm1", "attention.qkv", "attention.proj", "norm2", "fc1", "fc2")
    return {
        f"{block}.{theirs}": f"encoder.blocks.#.{our}"
        for theirs, our in zip(names, ours, strict=True)
    }


def _decoder(deconvolutions: str, final: str) -> dict[str, str]:
    return {
        f"{deconvolutions}.0": "decoder.deconv1",
        f"{deconvolutions}.1": "decoder.norm1",
        f"{deconvolutions}.3": "decoder.deconv2",
        f"{deconvolutions}.4": "decoder.norm2",
        final: "decoder.final",
    }


MMPOSE_ENCODER = {
    "backbone.pos_embed": "encoder.pos_embed",
    "backbone.patch_embed.projection": "encoder.patch_embed",
    **_encoder(
        "backbone.layers.#",
        ("ln1", "attn.qkv", "attn.proj", "ln2", "ffn.layers.0.0", "ffn.layers.1"),
    ),
    "backbone.ln1": "encoder.norm",
}
MMPOSE = CheckpointFormat(
    "MMPose", {**MMPOSE_ENCODER, **_decoder("head.deconv_layers", "head.final_layer")}
)
VITAE = CheckpointFormat(
    "ViTAE's ViTPose",
    {
        "backbone.pos_embed": "encoder.pos_embed",
        "backbone.patch_embed.proj": "encoder.patch_embed",
        **_encoder(
            "backbone.blocks.#", ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        ),
        "backbone.last_norm": "encoder.norm",
        **_decoder("keypoint_head.deconv_layers", "keypoint_head.final_layer"),
    },
)
HUGGING_FACE = CheckpointFormat(
    "Hugging Face VitPose",
    {
        "backbone.embeddings.position_embeddings": "encoder.pos_embed",
        "backbone.embeddings.patch_embeddings.projection": "encoder.patch_embed",
        **_encoder(
            "backbone.encoder.layer.#",
            (
                "layernorm_before",
                "attention.attention.qkv",
                "attention.output.dense",
                "layernorm_after",
                "mlp.fc1",
                "mlp.fc2",
            ),
        ),
        "backbone.layernorm": "encoder.norm",
        "head.deconv1": "decoder.deconv1",
        "head.batchnorm1": "decoder.norm1",
        "head.deconv2": "decoder.deconv2",
        "head.batchnorm2": "decoder.norm2",
        "head.conv": "decoder.final",
    },
)
RELEASED = CheckpointFormat(
    "released TAR-ViTPose",
    {
        **MMPOSE_ENCODER,
        **_decoder("heatmap_head.0", "heatmap_head.1"),
        "query_feat.weight": "jta.query",
        "query_pe.weight": "jta.query_position",
        "masked_attention_layers.#.mha": "jta.layers.#.look",
        "masked_attention_layers.#.norm": "jta.layers.#.look.norm",
        "self_attention_layers.#.mha": "jta.layers.#.exchange",
        "self_attention_layers.#.norm": "jta.layers.#.exchange.norm",
        "ffn_layers.#": "jta.layers.#.feed_forward",
        "cross_attention.mha": "gra.layers.0",
        "cross_attention.norm": "gra.layers.0.norm",
    },
)
# The first prefix that matches decides; released checkpoints hold MMPose's encoder too.
PREFIXES = {
    "query_feat.": RELEASED,
    "backbone.embeddings.": HUGGING_FACE,
    "backbone.blocks.": VITAE,
    "backbone.layers.": MMPOSE,
}

OWN_PREFIX = "encoder.blocks."
WRAPPERS = ("module", "_orig_mod")  # of DataParallel and torch.compile, around any part


def unwrapped(tensors: Tensors) -> Tensors:
    """Return the tensors under the names that the network itself gives them.

    `module.` and `_orig_mod.` are removed everywhere, the `model.` of trainers as often as it
    precedes the keys of the network. Tensors outside the network keep their names.
    """
    names = {name: ".".join(p for p in name.split(".") if p not in WRAPPERS) for name in tensors}
    root = "model." * _depth(names.values())
    inside = [name for name in tensors if names[name].startswith(root)]
    beside = {names[name]: tensors[name] for name in tensors if name not in inside}
    return beside | {names[name].removeprefix(root): tensors[name] for name in inside}


def _depth(names: Iterable[str]) -> int:
    """Return how many `model.` precede the network's keys, at least."""
    names = tuple(names)
    for prefix in (*PREFIXES, OWN_PREFIX):
        matches = [re.match(rf"((?:model\.)*){re.escape(prefix)}", name) for name in names]
        depths = [match[1].count("model.") for match in matches if match]
        if depths:
            return min(depths)
    return 0


def recognise(names: Iterable[str]) -> CheckpointFormat | None:
    """Return the format of a checkpoint with these keys, None if it is unknown."""
    names = tuple(names)
    for prefix, kind in PREFIXES.items():
        if any(name.startswith(prefix) for name in names):
            return kind
    return None


def choose_head(tensors: Tensors, dataset_index: int) -> Tensors:
    """Keep the head of one data set of a ViTPose+: `keypoint_head` is that of the first."""
    heads = {name: value for name, value in tensors.items() if "keypoint_head" in name}
    chosen = f"associate_keypoint_heads.{dataset_index - 1}." if dataset_index else "keypoint_head."
    return {name: value for name, value in tensors.items() if name not in heads} | {
        name.replace(chosen, "keypoint_head."): value
        for name, value in heads.items()
        if name.startswith(chosen)
    }


def translate(tensors: Tensors, kind: CheckpointFormat, dataset_index: int) -> Tensors:
    """Return the tensors under our names; unknown keys keep theirs."""
    if kind is RELEASED:  # which holds encoder and decoder a second time
        tensors = {name: value for name, value in tensors.items() if not name.startswith("model.")}
    if kind is VITAE:
        tensors = choose_head(tensors, dataset_index)
    tensors = merge_experts(fuse_attention(tensors), dataset_index)
    renamed = split_attention({_our_name(name, kind): value for name, value in tensors.items()})
    for norm in ("decoder.norm1", "decoder.norm2"):
        if f"{norm}.running_mean" in renamed:  # a counter that nothing reads and few files have
            counter = f"{norm}.num_batches_tracked"
            renamed[counter] = renamed.get(counter, torch.tensor(0)).long()
    return renamed


def _our_name(name: str, kind: CheckpointFormat) -> str:
    for theirs, ours in kind.keys.items():
        pattern = re.escape(theirs).replace(r"\#", r"(\d+)") + r"(?=\.|$)"
        if match := re.match(pattern, name):
            return ours.replace("#", "".join(match.groups())) + name[match.end() :]
    return name


def fuse_attention(tensors: Tensors) -> Tensors:
    """Join separate query, key and value projections into `qkv`.

    If the checkpoint has no such biases at all, they are zero. A layer with a missing part is left
    unchanged, so that the error names what is missing.
    """
    fused = dict(tensors)
    has_bias = any(re.search(r"\.attention\.attention\.\w+\.bias$", name) for name in tensors)
    for name in tensors:
        if not name.endswith(".attention.attention.query.weight"):
            continue
        layer = name.removesuffix("query.weight")
        for kind in ("weight", "bias") if has_bias else ("weight",):
            parts = [f"{layer}{part}.{kind}" for part in ("query", "key", "value")]
            if all(part in tensors for part in parts):
                fused[f"{layer}qkv.{kind}"] = torch.cat([fused.pop(part) for part in parts])
        if not has_bias:
            fused[f"{layer}qkv.bias"] = torch.zeros(3 * len(tensors[name]))
    return fused


def merge_experts(tensors: Tensors, dataset_index: int) -> Tensors:
    """Append the chosen expert's outputs to those of the shared `fc2`, and drop the others.

    Files that were split by expert have `fc2` whole already, with or without what was left over.
    """
    expert = re.compile(r"(.*)\.mlp\.experts\.(\d+)\.(weight|bias)")
    merged = dict(tensors)
    for name, value in tensors.items():
        if not (match := expert.fullmatch(name)):
            continue
        del merged[name]
        shared = f"{match[1]}.mlp.fc2.{match[3]}"
        is_chosen = int(match[2]) == dataset_index and not _is_whole(tensors, match[1])
        if is_chosen and shared in tensors:
            merged[shared] = torch.cat([tensors[shared], value])
    return merged


def _is_whole(tensors: Tensors, block: str) -> bool:
    """Tell whether a block's `fc2` has as many outputs as `fc1` has inputs."""
    first, second = (tensors.get(f"{block}.mlp.{name}.weight") for name in ("fc1", "fc2"))
    return first is not None and second is not None and len(second) == first.shape[1]


def count_experts(names: Iterable[str]) -> int:
    """Return how many experts each block of a ViTPose+ has, 0 for a plain ViTPose."""
    return count_parts(names, r".*\.mlp\.experts\.")


def split_attention(tensors: Tensors) -> Tensors:
    """Turn the keys of torch's MultiheadAttention into those of CrossAttention."""
    ours: Tensors = {}
    for name, value in tensors.items():
        layer, joined, kind = name.rpartition(".in_proj_")
        if joined:
            width = len(value) // 3
            ours[f"{layer}.to_query.{kind}"] = value[:width]
            ours[f"{layer}.to_key_value.{kind}"] = value[width:]
        else:
            ours[name.replace(".out_proj.", ".to_out.")] = value
    return ours


def count_parts(names: Iterable[str], prefix: str) -> int:
    """Return how many numbered parts a prefix such as "encoder.blocks." has, 1 + the highest.

    >>> count_parts(["encoder.blocks.0.fc1.bias", "encoder.blocks.11.fc1.bias"], "encoder.blocks.")
    12
    """
    numbers = [int(match[1]) for name in names if (match := re.match(rf"{prefix}(\d+)\.", name))]
    return max(numbers, default=-1) + 1
