"""Cut a network down to a cheaper one, which `tools.distill` then teaches.

    python -m tools.prune data/default/fast data/default/pruned data/lspet/train.json \\
        data/default/photographs_train.json=data/coco_kpt --leave-out 6 --mlp-ratio 2 \\
        --decoder-width 96 --fine-cells 16 --merge-after 1

It loses whole blocks of the encoder, and of the MLPs and the decoder those hidden channels that are
missed least (Hassibi and Stork, Second order derivatives for network pruning, 1992): the others
take over, by least squares over crops of people, what a lost channel said.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.config import ModelConfig
from tarvitpose.data.dataset import validation_clips
from tarvitpose.evaluation.clips import normalise_clip
from tarvitpose.model.decoder import ClassicDecoder
from tarvitpose.model.encoder import Block
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.tiny import whole_name
from tools.calibrate import read_people

PEOPLE = 80  # of each data set
AT_ONCE = 16  # crops
RIDGE = 1e-3  # of the mean square of a channel
# Fields of ModelConfig that may become smaller; those of merging may also be new.
SHAPE = {"mlp_ratio": float, "decoder_width": int, "fine_cells": int, "merge_after": int}


class Kept(NamedTuple):
    """Which of n channels are kept, and how each of all is made of those."""

    channels: Tensor  # (k,)
    shares: Tensor  # (n, k)


def main() -> None:
    """Write a pruned network."""
    parser = argparse.ArgumentParser(description="Cut a network down to a cheaper one.")
    parser.add_argument("weights")
    parser.add_argument("output")
    parser.add_argument(
        "annotations", nargs="+", help="people, as ANNOTATIONS or ANNOTATIONS=IMAGES"
    )
    parser.add_argument("--leave-out", nargs="+", type=int, default=[], metavar="BLOCK")
    for name, kind in SHAPE.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    given = parser.parse_args()
    network = TARViTPose.from_pretrained(given.weights)
    changes = {name: getattr(given, name) for name in SHAPE if getattr(given, name) is not None}
    crops = read_crops(given.annotations, network.config)
    prune(network, given.leave_out, crops, **changes).save_pretrained(given.output)


def read_crops(sources: list[str], config: ModelConfig) -> Tensor:
    """Return normalised crops (n, 3, H, W) of people of data sets, as `calibrate` takes them."""
    single = config.model_copy(update={"offsets": ()})
    records = [
        record for source in sources for record in read_people(source, config.joints, PEOPLE)
    ]
    clips = validation_clips(records, single, "clean")
    crops = torch.stack([clips[index]["clip"] for index in range(len(clips))])  # (n, 1, H, W, 3)
    return normalise_clip(crops)[:, 0]


@torch.no_grad()
def prune(
    network: TARViTPose, left_out: Collection[int], crops: Tensor, **shape: float
) -> TARViTPose:
    """Return a network without some blocks, of another `shape`: fields of its ModelConfig.

    Crops (n, 3, H, W) are what it is fitted to. Other parts are the first network's.
    """
    network = network.eval()
    config = network.config
    blocks = [block for block in range(config.depth) if block not in left_out]
    changes = {"depth": len(blocks), "drop_path": 0.0, **shape}
    pruned = TARViTPose(ModelConfig(**{**config.model_dump(), **changes})).eval()
    before, names = network.state_dict(), pruned.state_dict()
    shared = {name: before.get(whole_name(name, blocks)) for name in names}
    same = {
        name: value
        for name, value in shared.items()
        if value is not None and value.shape == names[name].shape
    }
    pruned.load_state_dict(same, strict=False)
    if pruned.config.mlp_width < config.mlp_width:
        whole = [network.encoder.blocks[block] for block in blocks]
        for index, inputs in enumerate(block_inputs(pruned, crops)):
            narrow_mlp(whole[index], pruned.encoder.blocks[index], inputs)
    if pruned.config.decoder_width < config.decoder_width:
        features = torch.cat([pruned.encoder(part) for part in torch.split(crops, AT_ONCE)])
        narrow_decoder(network.decoder, pruned.decoder, features)
    return pruned


def block_inputs(network: TARViTPose, crops: Tensor) -> Iterator[list[Tensor]]:
    """Yield tokens (B, N, C) that each block reads; a block may change before the next one."""
    encoder = network.encoder
    batches = [encoder.embed(part) for part in torch.split(crops, AT_ONCE)]
    for index, block in enumerate(encoder.blocks):
        if encoder.merging is not None and index == encoder.merge_after:
            batches = [(encoder.merging.merge(x, grid)[0], grid) for x, grid in batches]
        yield [x for x, _ in batches]
        batches = [(block(x), grid) for x, grid in batches]


def narrow_mlp(whole: nn.Module, narrow: nn.Module, inputs: list[Tensor]) -> None:
    """Fit a block's narrow MLP to the whole one, over tokens (B, N, C) that the block reads."""
    assert isinstance(whole, Block)
    assert isinstance(narrow, Block)
    middle = [x + narrow.attention(narrow.norm1(x)) for x in inputs]
    hidden = torch.cat([F.gelu(whole.fc1(narrow.norm2(x))).flatten(0, 1) for x in middle])
    mean = hidden.mean(0)
    kept = chosen(hidden - mean, whole.fc2.weight, narrow.fc2.in_features)
    narrow.fc1.weight.copy_(whole.fc1.weight[kept.channels])
    narrow.fc1.bias.copy_(whole.fc1.bias[kept.channels])
    narrow.fc2.weight.copy_(whole.fc2.weight @ kept.shares)
    lost = whole.fc2.weight @ mean - narrow.fc2.weight @ mean[kept.channels]
    narrow.fc2.bias.copy_(whole.fc2.bias + lost)


def narrow_decoder(whole: nn.Module, narrow: nn.Module, features: Tensor) -> None:
    """Fit a narrow classic decoder to the whole one, over features (n, C, h, w)."""
    assert isinstance(whole, ClassicDecoder)
    assert isinstance(narrow, ClassicDecoder)
    width = narrow.final.in_channels
    first = F.relu(whole.norm1(whole.deconv1(features)))  # (n, hidden, 2h, 2w)
    second = F.relu(whole.norm2(whole.deconv2(first)))[:, :, ::2, ::2]
    rows = [x.permute(0, 2, 3, 1).flatten(0, 2) for x in (first, second)]  # (pixels, hidden)
    inner = chosen(rows[0], whole.deconv2.weight.flatten(1).T, width)
    outer = chosen(rows[1], whole.final.weight.flatten(1), width)
    narrow.deconv1.weight.copy_(whole.deconv1.weight[:, inner.channels])
    joined = torch.einsum("nk,noyx->koyx", inner.shares, whole.deconv2.weight)
    narrow.deconv2.weight.copy_(joined[:, outer.channels])
    narrow.final.weight.copy_(torch.einsum("jnyx,nk->jkyx", whole.final.weight, outer.shares))
    for norm, kept in (("norm1", inner), ("norm2", outer)):
        values = whole.get_submodule(norm).state_dict()
        picked = {name: value[kept.channels] for name, value in values.items() if value.ndim}
        narrow.get_submodule(norm).load_state_dict(picked, strict=False)


def chosen(values: Tensor, readers: Tensor, count: int) -> Kept:
    """Return which `count` channels of values (m, n) are missed least by `readers` (o, n).

    One after the other that channel is left out of which the readers lose least, once the others
    have taken over what they can say of it.
    """
    gram = (values.T @ values / len(values)).double()
    gram += RIDGE * gram.diag().mean() * torch.eye(len(gram))
    inverse, weights = torch.linalg.inv(gram), readers.double()
    left = torch.ones(len(gram), dtype=torch.bool)
    for _ in range(len(gram) - count):
        missed = weights.square().sum(0) / inverse.diag()
        lost = missed.masked_fill(~left, torch.inf).argmin()
        left[lost] = False
        says = inverse[lost] / inverse[lost, lost]  # how the others say it, with the sign changed
        weights = weights - weights[:, lost, None] * says
        inverse = inverse - torch.outer(inverse[:, lost], says)
        inverse[lost, lost] = 1.0  # no longer looked at
    channels = left.nonzero()[:, 0]
    shares = torch.linalg.solve(gram[left][:, left], gram[left]).T
    return Kept(channels, shares.to(values.dtype))


if __name__ == "__main__":
    main()
