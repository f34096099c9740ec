"""Tokens of background are merged: which, into what, and where they come back."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from tiny_models import tiny_config, tiny_model
from torch import Tensor, nn

from tarvitpose.inference.cost import count
from tarvitpose.inference.graph_folder import FRAME
from tarvitpose.inference.graphs import FrameGraph, write_graphs
from tarvitpose.model.merging import CellMerging, from_cells, to_cells

SIZE, GRID = (64, 96), (4, 6)  # pixels, and tokens: 6 cells
CELLS = 6


def numbered(merging: CellMerging) -> None:
    """Let the first channel of a token be its relevance."""
    merging.relevance = nn.Linear(24, 1)
    with torch.no_grad():
        merging.relevance.weight.copy_(torch.eye(24)[:1])
        merging.relevance.bias.zero_()


def tokens_of_cells() -> Tensor:
    """Return tokens (1, 24, 24) whose first channel is their number."""
    return torch.arange(24.0)[None, :, None] * torch.eye(24)[0]


def test_cells_are_two_by_two_tokens_of_the_grid() -> None:
    cells = to_cells(tokens_of_cells(), GRID)[0, :, :, 0]
    assert cells[0].tolist() == [0, 1, 6, 7]
    assert cells[2].tolist() == [4, 5, 10, 11]
    assert cells[3].tolist() == [12, 13, 18, 19]


def test_tokens_come_back_from_cells() -> None:
    x = torch.randn(3, 24, 5)
    assert torch.equal(from_cells(to_cells(x, GRID), GRID), x)


def test_the_most_relevant_cells_stay_and_the_others_become_their_mean() -> None:
    merging = CellMerging(tiny_config(input_size=SIZE, fine_cells=2))
    numbered(merging)
    x = tokens_of_cells()
    merged, order = merging.merge(x, GRID)
    # The largest numbers are in the last two cells; means of [0, 1, 6, 7] and so on, downwards.
    assert order.tolist() == [[5, 4, 3, 2, 1, 0]]
    assert merged[0, :, 0].tolist() == [16, 17, 22, 23, 14, 15, 20, 21, 15.5, 7.5, 5.5, 3.5]
    back = merging.split(merged, order, GRID)[0, :, 0].reshape(GRID)
    assert back[2:, 2:].tolist() == x[0, :, 0].reshape(GRID)[2:, 2:].tolist()
    assert back[:2, :2].tolist() == [[3.5, 3.5], [3.5, 3.5]]
    assert back[2:, :2].tolist() == [[15.5, 15.5], [15.5, 15.5]]


def test_where_all_cells_stay_nothing_changes() -> None:
    plain = tiny_model(input_size=SIZE, depth=3)
    merging = tiny_model(input_size=SIZE, depth=3, fine_cells=CELLS)
    merging.load_state_dict(plain.state_dict(), strict=False)
    images = torch.randn(2, 3, *SIZE)
    torch.testing.assert_close(merging.encoder(images), plain.encoder(images))


def test_each_crop_of_a_batch_has_its_own_choice() -> None:
    model = tiny_model(input_size=SIZE, fine_cells=2)
    images = torch.randn(4, 3, *SIZE)
    x, grid = model.encoder.first_blocks(images)
    assert model.encoder.merging is not None
    assert len({tuple(row[:2].tolist()) for row in model.encoder.merging.merge(x, grid)[1]}) > 1
    alone = torch.cat([model.encoder(image[None]) for image in images])
    torch.testing.assert_close(model.encoder(images), alone)


def test_the_graph_merges_as_the_network_does(tmp_path: Path) -> None:
    model = tiny_model(input_size=SIZE, fine_cells=2)
    write_graphs(model, tmp_path)
    crops = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)
    with torch.no_grad():
        wanted = FrameGraph(model)(torch.from_numpy(crops))
    answers = onnxruntime.InferenceSession(str(tmp_path / FRAME)).run(None, {"crops": crops})
    np.testing.assert_allclose(answers[0], wanted[0].numpy(), atol=2e-4)
    np.testing.assert_allclose(answers[2], wanted[2].numpy(), atol=2e-4)


def test_merging_costs_less() -> None:
    plain, merged = (
        count(tiny_config(input_size=SIZE, depth=12, merge_after=2, fine_cells=cells))
        for cells in (0, 2)
    )
    # 12 tokens instead of 24 in ten blocks of twelve; their products with weights are halved.
    assert 0.5 < merged["encoder"].gmacs / plain["encoder"].gmacs < 0.65


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fine_cells": CELLS + 1}, "there are 6 cells"),
        ({"fine_cells": 1, "input_size": (64, 112)}, "multiples of 32 pixels"),
    ],
)
def test_cells_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tiny_config(**{"input_size": SIZE, **changes})
