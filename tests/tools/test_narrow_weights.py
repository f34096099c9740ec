"""A narrower network is made of parts of a wider one's weights."""

from __future__ import annotations

import torch

from tarvitpose.config import ModelConfig
from tarvitpose.model.tarvitpose import TARViTPose
from tools.narrow_weights import narrowed

WIDE = ModelConfig(width=16, depth=2, heads=4, offsets=(), input_size=(64, 32), decoder_width=6)
NARROW = WIDE.model_copy(update={"width": 8, "heads": 2, "decoder_width": 3})


def test_every_other_channel_and_whole_heads_are_kept() -> None:
    torch.manual_seed(0)
    narrow = TARViTPose(NARROW).eval()
    wide = TARViTPose(WIDE).eval()
    start = narrowed(wide, NARROW)
    qkv = wide.encoder.blocks[1].attention.qkv.weight
    narrowed_qkv = start.encoder.blocks[1].attention.qkv.weight
    # Heads 0 and 2 of four, each of four channels; token channels 0, 2, 4 ...
    rows = [part * 16 + head * 4 + at for part in range(3) for head in (0, 2) for at in range(4)]
    torch.testing.assert_close(narrowed_qkv, qkv[rows][:, ::2])
    hidden = wide.encoder.blocks[0].fc1.weight
    torch.testing.assert_close(start.encoder.blocks[0].fc1.weight, hidden[::2, ::2])
    deconv = wide.decoder.deconv2.weight
    torch.testing.assert_close(start.decoder.deconv2.weight, deconv[::2, ::2])
    images = torch.randn(2, 3, 64, 32)
    assert start.single_frame(images).shape == narrow.single_frame(images).shape


def test_the_same_width_gives_the_same_network() -> None:
    torch.manual_seed(0)
    wide = TARViTPose(WIDE).eval()
    images = torch.randn(2, 3, 64, 32)
    same = narrowed(wide, WIDE).eval()
    torch.testing.assert_close(same.single_frame(images), wide.single_frame(images))
