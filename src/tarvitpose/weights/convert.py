"""Convert checkpoints of other projects into a weights folder of this package.

The keys show where a checkpoint is from: MMPose, ViTAE's ViTPose, Hugging Face VitPose or the
released TAR-ViTPose. Arguments give what the shapes of the tensors do not show.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tarvitpose.config import PATCH, SIZES, Codec, ModelConfig
from tarvitpose.errors import WeightsError
from tarvitpose.model.decoder import build_decoder
from tarvitpose.model.encoder import Encoder
from tarvitpose.model.gra import GRA
from tarvitpose.model.jta import JTA
from tarvitpose.skeleton import POSETRACK_17, JointSet
from tarvitpose.utils.config_files import parse_config
from tarvitpose.utils.source_names import short
from tarvitpose.weights.convert_keys import (
    HUGGING_FACE,
    OWN_PREFIX,
    PREFIXES,
    RELEASED,
    CheckpointFormat,
    Tensors,
    count_experts,
    count_parts,
    recognise,
    translate,
)
from tarvitpose.weights.convert_read import ForeignCheckpoint, read_checkpoint
from tarvitpose.weights.files import CONFIG_FILE, load_into, save_checkpoint
from tarvitpose.weights.joint_rows import match_joints, new_joints_of
from tarvitpose.weights.joint_sets import find_joint_set, head_joints, stored

log = logging.getLogger(__name__)

KNOWN_GRIDS = {192: (16, 12), 432: (24, 18)}
NEW_JOINT_STD, NEW_JOINT_SEED = 1e-3, 0
RELEASED_SETTINGS = {
    "joint_set": "posetrack17",
    "layout": "released",
    "mask_rule": "released",
    "temporal_heads": 4,
    "gra_layers": 1,
    "codec": "classic",
}
# The defaults of a Hugging Face config.
HUGGING_FACE_DEFAULTS = {
    "num_attention_heads": 12,
    "layer_norm_eps": 1e-12,
    "image_size": [256, 192],
    "hidden_act": "gelu",
}


def convert(
    source: Path | str,
    output: Path,
    *,
    size: str | None = None,
    joint_set: str | None = None,
    source_joints: str | None = None,
    heads: int | None = None,
    dataset_index: int | None = None,
    input_size: tuple[int, int] | None = None,
    codec: Codec | None = None,
) -> ModelConfig:
    """Write a checkpoint's weights into the folder `output`, and return their config.

    `source` is a file (.pth, .pt, .bin, .safetensors), a Hugging Face folder or a hub id. `size`
    ("s", "b", "l", "h") is only compared with the checkpoint. `joint_set` is that of the result,
    `source_joints` that of the checkpoint's head, which is otherwise known by its channels (15, 17,
    25, 26, 133) or its labels; both are names or files. `heads` are the encoder's attention
    heads, which no shape shows: by default those of the source's config, or of the size with this
    width. `dataset_index` selects the expert of a ViTPose+ (0, COCO, by default). Joints that the
    source lacks are initialised at random, and the log names them. `codec` is by default the one
    that the source was trained with: "classic" for the released TAR-ViTPose, "udp" for a ViTPose.

    Raises ConfigError for an unknown joint set, and WeightsError that names every missing, surplus
    or misshapen key.
    """
    checkpoint = read_checkpoint(source)
    kind = recognise(checkpoint.tensors)
    if kind is None:
        raise _unknown(checkpoint)
    expert = _expert(checkpoint, dataset_index)
    try:
        tensors = translate(checkpoint.tensors, kind, expert)
        values = {
            **_architecture(tensors, checkpoint.origin, size),
            "codec": "udp",
            **_settings(checkpoint, kind, tensors, heads),
            **_joints(tensors, checkpoint, kind, joint_set, source_joints),
            **_grid(tensors, checkpoint, input_size or _released_size(kind, tensors)),
            **({} if codec is None else {"codec": codec}),
        }
    except (IndexError, RuntimeError) as error:  # PyTorch's, over tensors of odd shapes
        reason = short(next(iter(str(error).splitlines()), "of other shapes"), 200)
        raise WeightsError(
            f"{checkpoint.origin}: its tensors do not fit together ({reason})"
        ) from None
    config = parse_config(ModelConfig, values, checkpoint.origin)
    with torch.device("meta"):
        network = _network(config)
    load_into(network, tensors, checkpoint.origin)
    save_checkpoint(output, config, network.state_dict())
    return config


def _network(config: ModelConfig) -> nn.Module:
    """Return the parts of `TARViTPose` that a conversion fills, which loads converted weights."""
    parts = nn.ModuleDict({"encoder": Encoder(config), "decoder": build_decoder(config)})
    if config.temporal:
        parts.update({"jta": JTA(config), "gra": GRA(config)})
    return parts


def _unknown(checkpoint: ForeignCheckpoint) -> WeightsError:
    keys = sorted(checkpoint.tensors)
    if any(key.startswith(OWN_PREFIX) for key in keys):
        return WeightsError(
            f"{checkpoint.origin}: already has this package's keys, it needs no conversion: "
            "give its folder"
        )
    formats = ", ".join(dict.fromkeys(kind.name for kind in PREFIXES.values()))
    return WeightsError(
        f"{checkpoint.origin}: none of the known checkpoints ({formats}); its keys begin with "
        f"{', '.join(keys[:3]) or 'nothing'}"
    )


def _expert(checkpoint: ForeignCheckpoint, dataset_index: int | None) -> int:
    """Return the number of the expert to keep, which must exist."""
    experts = count_experts(checkpoint.tensors)
    if experts and dataset_index is None:
        log.info("%s has %d experts: kept expert 0, COCO's", checkpoint.origin, experts)
    chosen = dataset_index or 0
    if dataset_index is not None and not experts:
        raise WeightsError(f"{checkpoint.origin} has no experts: leave dataset_index out")
    if experts and not 0 <= chosen < experts:
        raise WeightsError(
            f"{checkpoint.origin} has {experts} experts, dataset_index {chosen} is none of them"
        )
    return chosen


def _architecture(tensors: Tensors, origin: str, size: str | None) -> dict[str, Any]:
    """Return width, depth, decoder, and the drop path that the size is trained with."""
    if "encoder.patch_embed.weight" not in tensors or "decoder.final.weight" not in tensors:
        lacks = "patch embedding" if "decoder.final.weight" in tensors else "head of heatmaps"
        raise WeightsError(f"{origin} has no {lacks}: convert a whole ViTPose, not a part of one")
    width = len(tensors["encoder.patch_embed.weight"])
    depth = count_parts(tensors, "encoder.blocks.")
    sizes = {name: preset() for name, preset in SIZES.items()}
    matching = [name for name, its in sizes.items() if (its.width, its.depth) == (width, depth)]
    if size is not None and size.lower() not in matching:
        known = ", ".join(SIZES).upper()
        if size.lower() not in sizes:
            raise WeightsError(f"size {size}: expected one of {known}")
        expected = sizes[size.lower()]
        raise WeightsError(
            f"{Path(origin).name} has {depth} blocks of width {width}, size {size.upper()} has "
            f"{expected.depth} of width {expected.width}: "
            + (f"use size {matching[0].upper()}" if matching else f"it is none of {known}")
        )
    return {
        "width": width,
        "depth": depth,
        "drop_path": sizes[matching[0]].drop_path if matching else 0.0,
        "decoder": "classic" if "decoder.deconv1.weight" in tensors else "simple",
    }


def _settings(
    checkpoint: ForeignCheckpoint, kind: CheckpointFormat, tensors: Tensors, heads: int | None
) -> dict[str, Any]:
    """Return the settings that no shape shows, by the format of the checkpoint."""
    if kind is HUGGING_FACE:
        return _hugging_face_settings(checkpoint, heads)
    width = len(tensors["encoder.patch_embed.weight"])
    by_width = {preset().width: preset().heads for preset in SIZES.values()}
    if heads is None and width not in by_width:
        raise WeightsError(f"{checkpoint.origin} has width {width}, no known size: give its heads")
    values: dict[str, Any] = {"heads": heads or by_width[width], "offsets": ()}
    if kind is RELEASED:
        values |= {**RELEASED_SETTINGS, "jta_layers": count_parts(tensors, "jta.layers.")}
        values["offsets"] = (-2, -1, 1, 2)
    return values


def _hugging_face_settings(checkpoint: ForeignCheckpoint, heads: int | None) -> dict[str, Any]:
    backbone = _backbone_settings(checkpoint)
    settings = {"scale_factor": 4, **checkpoint.settings, **backbone}
    for name, expected in (("hidden_act", "gelu"), ("scale_factor", 4)):
        if settings[name] != expected:
            raise WeightsError(
                f"{checkpoint.origin}: expected {name} {expected}, found {settings[name]}"
            )
    return {
        "heads": heads or backbone["num_attention_heads"],
        "layer_norm_eps": backbone["layer_norm_eps"],
        "offsets": (),
    }


def _backbone_settings(checkpoint: ForeignCheckpoint) -> dict[str, Any]:
    backbone = checkpoint.settings.get("backbone_config")
    if not isinstance(backbone, dict):
        raise WeightsError(f"{checkpoint.origin}: expected a backbone_config in {CONFIG_FILE}")
    return {**HUGGING_FACE_DEFAULTS, **backbone}


def _joints(
    tensors: Tensors,
    checkpoint: ForeignCheckpoint,
    kind: CheckpointFormat,
    wanted: str | None,
    source_joints: str | None,
) -> dict[str, Any]:
    """Return the joint set, and put the head's channels into its order."""
    origin, channels = checkpoint.origin, len(tensors["decoder.final.weight"])
    if source_joints is not None:
        original = find_joint_set(source_joints)
        if len(original) != channels:
            raise WeightsError(
                f"{origin} predicts {channels} joints, {original.name} has {len(original)}"
            )
    elif kind is RELEASED and channels == 17:
        original = POSETRACK_17
    else:
        original = head_joints(channels, checkpoint.settings, origin)
    target = original if wanted is None else find_joint_set(wanted)
    if target != original and kind is RELEASED:
        raise WeightsError(f"{origin} has 17 slots that cannot be separated: use {original.name}")
    if target != original:
        _reorder_head(tensors, origin, original, target)
    return {"joint_set": stored(target)}


def _reorder_head(tensors: Tensors, origin: str, old: JointSet, new: JointSet) -> None:
    """Reorder the head's channels by name; joints that it lacks start at small random values."""
    if not {*old.joints} & {*new.joints}:
        raise WeightsError(f"{origin} predicts {old.name}, which shares no joint with {new.name}")
    random = torch.Generator().manual_seed(NEW_JOINT_SEED)
    weight = tensors["decoder.final.weight"]
    fresh = {
        "decoder.final.weight": torch.randn((len(new), *weight.shape[1:]), generator=random)
        * NEW_JOINT_STD,
        "decoder.final.bias": torch.zeros(len(new)),
    }
    tensors.update(match_joints(tensors, old, new, fresh))
    log.warning(
        "%s: joints that it lacks, which need training: %s; joints dropped: %s",
        origin,
        ", ".join(new_joints_of(old, new)) or "none",
        ", ".join(new_joints_of(new, old)) or "none",
    )


def _grid(
    tensors: Tensors, checkpoint: ForeignCheckpoint, input_size: tuple[int, int] | None
) -> dict[str, Any]:
    """Return position grid and input size; add the class token's position to the others."""
    position = tensors.get("encoder.pos_embed")
    if position is None or position.ndim != 3:
        raise WeightsError(f"{checkpoint.origin} has no position embedding (1, tokens, width)")
    size = input_size or _stated_size(checkpoint)
    grids = dict(KNOWN_GRIDS)
    if size is not None:
        rows, columns = size[0] // PATCH, size[1] // PATCH
        grids[rows * columns] = (rows, columns)
    tokens = position.shape[1]
    if tokens not in grids and tokens - 1 in grids:
        tokens -= 1
        tensors["encoder.pos_embed"] = position[:, 1:] + position[:, :1]
    if tokens not in grids:
        raise WeightsError(
            f"{checkpoint.origin} has a position embedding of {tokens} tokens: give the input size "
            "(height, width) that it was trained with"
        )
    grid = grids[tokens]
    return {
        "position_grid": grid,
        "input_size": size or (grid[0] * PATCH, grid[1] * PATCH),
    }


def _released_size(kind: CheckpointFormat, tensors: Tensors) -> tuple[int, int] | None:
    """Return the input size of the released weights, which their tensors do not show.

    They were trained at 384 x 288 (paper, appendix A) over the 16 x 12 positions of ViTPose.
    """
    position = tensors.get("encoder.pos_embed")
    is_full_size = position is not None and position.shape[1:2] == (192,)
    return (384, 288) if kind is RELEASED and is_full_size else None


def _stated_size(checkpoint: ForeignCheckpoint) -> tuple[int, int] | None:
    """Return the input size of a Hugging Face config, None for other checkpoints."""
    if not checkpoint.settings:
        return None
    size = _backbone_settings(checkpoint)["image_size"]
    height, width = (size, size) if isinstance(size, int) else size
    return height, width
