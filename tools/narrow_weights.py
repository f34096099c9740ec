"""Initialise a narrower network from a wider one of the same depth: every other channel and head.

    python -m tools.narrow_weights data/default/runs/stage1/weights data/default/tiny_start

This is better than random weights (Xu et al., Initializing Models with Larger Ones, 2024). The same
channels of the residual stream are kept in all layers, and heads are kept or dropped as a whole.
The temporal part is left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tarvitpose.config import ModelConfig, vit_tiny
from tarvitpose.model.tarvitpose import TARViTPose


def evenly(many: int, few: int) -> Tensor:
    """Return `few` of the numbers 0 to `many` - 1, evenly spaced.

    >>> evenly(6, 3).tolist()
    [0, 2, 4]
    """
    return torch.arange(few) * many // few


def whole_heads(wide: ModelConfig, narrow: ModelConfig) -> Tensor:
    """Return the channels of evenly spaced heads, all of each; heads must be equally wide."""
    size = wide.width // wide.heads
    if narrow.width // narrow.heads != size:
        raise SystemExit(f"heads of {narrow.width // narrow.heads} channels, expected {size}")
    heads = evenly(wide.heads, narrow.heads)
    return (heads[:, None] * size + torch.arange(size)).flatten()


class Selection(NamedTuple):
    """Which channels of a wide network are kept."""

    stream: Tensor  # of the tokens, the same in all layers
    heads: Tensor  # within attention
    width: int  # of the wide network's tokens

    def of(self, name: str, value: Tensor, shape: torch.Size) -> Tensor:
        """Return the part of one tensor that has the narrow network's `shape`."""
        for axis, length in enumerate(shape):
            if value.shape[axis] == length:
                continue
            if "qkv" in name and axis == 0:  # queries, keys and values one after the other
                index = torch.cat([self.heads + part * self.width for part in range(3)])
            elif "proj.weight" in name and axis == 1:
                index = self.heads
            elif value.shape[axis] == self.width:
                index = self.stream
            else:  # hidden channels, in any order
                index = evenly(value.shape[axis], length)
            value = value.index_select(axis, index)
        return value


def narrowed(wide: TARViTPose, config: ModelConfig) -> TARViTPose:
    """Return a network of `config` with evenly spaced parts of a wider one's weights."""
    narrow, width = TARViTPose(config), wide.config.width
    selection = Selection(evenly(width, config.width), whole_heads(wide.config, config), width)
    values = wide.state_dict()
    shapes = {name: value.shape for name, value in narrow.state_dict().items()}
    narrow.load_state_dict(
        {name: selection.of(name, values[name], s) for name, s in shapes.items()}
    )
    return narrow


def main() -> None:
    """Write the initial weights of a `tiny` network."""
    parser = argparse.ArgumentParser(description="Initialise a tiny network from a wider one.")
    parser.add_argument("weights")
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    wide = TARViTPose.from_pretrained(given.weights)
    same = ("joint_set", "codec", "input_size", "position_grid")
    config = vit_tiny(offsets=(), **{name: getattr(wide.config, name) for name in same})
    narrowed(wide, config).save_pretrained(given.output)


if __name__ == "__main__":
    main()
