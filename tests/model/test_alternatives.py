"""The paper's alternatives to JTA and GRA: Table 4 (a) to (c) and Table 5 (a)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import B, C, H, J, N, T, W, all_visible, h, randomise, tiny_clip, tiny_model, w
from torch import Tensor

from tarvitpose import heatmaps as codec
from tarvitpose.errors import ConfigError
from tarvitpose.model.alternatives import JointRegression, ResidualFlow, render_gaussians
from tarvitpose.model.mask import seen_regions
from tarvitpose.model.tarvitpose import TARViTPose

TOKENS = ("all_tokens", "current_to_auxiliary", "auxiliary_first")
EVERY = (*TOKENS, "joints", "regression")
SIZE = (H // 4, W // 4)
Change = Callable[..., TARViTPose]


def aggregated(model: TARViTPose, features: Tensor, current: int | None = None) -> Tensor:
    with torch.inference_mode():
        return model.aggregate(features, all_visible(features.shape[1]), current)


def random_features(frames: int = T) -> Tensor:
    return torch.randn(B, frames, C, h, w, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", EVERY)
def test_all_answer_a_clip_with_heatmaps_of_its_current_frame(name: str) -> None:
    model = tiny_model(aggregation=name)
    with torch.inference_mode():
        assert model(tiny_clip()).shape == (B, J, *SIZE)
    if name != "regression":
        restored = model.restore(random_features(), all_visible())
        assert restored.shape == (B, C, h, w)


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_the_other_frames_does_not_matter(name: str) -> None:
    model = tiny_model(aggregation=name).double()
    features = random_features().double()
    torch.testing.assert_close(
        aggregated(model, features), aggregated(model, features[:, [2, 1, 0]])
    )


@pytest.mark.parametrize("name", TOKENS)
def test_other_people_of_a_batch_change_nothing(name: str) -> None:
    model, features = tiny_model(aggregation=name).double(), random_features().double()
    alone = torch.cat([aggregated(model, item[None]) for item in features])
    torch.testing.assert_close(aggregated(model, features), alone)


@pytest.mark.parametrize("name", TOKENS)
def test_the_current_frame_is_where_the_offsets_put_it(name: str) -> None:
    features = random_features(2).double()
    last = tiny_model(aggregation=name, offsets=(-1,)).double()
    first = tiny_model(aggregation=name, offsets=(1,)).double()
    first.load_state_dict(last.state_dict())
    swapped = features.flip(1)
    torch.testing.assert_close(aggregated(last, features), aggregated(first, swapped))
    torch.testing.assert_close(aggregated(last, features), aggregated(last, swapped, current=0))
    assert not torch.allclose(aggregated(last, features), aggregated(last, swapped))


@pytest.mark.parametrize("name", TOKENS)
def test_frames_that_say_the_same_count_as_one(name: str) -> None:
    """Attention over copies of a frame is attention over the frame."""
    model, features = tiny_model(aggregation=name).double(), random_features().double()
    same = features[:, :1].expand(-1, 5, -1, -1, -1)
    torch.testing.assert_close(
        aggregated(model, same, current=2), aggregated(model, same[:, :2], current=1)
    )


def test_only_c_lets_auxiliary_tokens_look_at_each_other() -> None:
    """In (b) a frame's share does not depend on the others once attention cannot tell them apart.

    With queries of zero attention is a plain mean: of the tokens themselves in (b).
    """
    features = random_features().double()
    for name, is_linear in (("current_to_auxiliary", True), ("auxiliary_first", False)):
        model = tiny_model(aggregation=name, jta_layers=1).double()
        look = model.temporal.layers[0].look
        torch.nn.init.zeros_(look.to_query.weight)
        torch.nn.init.zeros_(look.to_query.bias)
        tokens = features.flatten(3).transpose(2, 3)  # (B, T, N, C)
        others = tokens[:, [0, 2]].mean((1, 2))  # (B, C), what a mean of tokens is
        values = look.to_key_value(others)[:, None, C:]
        asking = look.norm(tokens[:, 1] + look.to_out(values))
        expected = model.temporal.layers[0].feed_forward(asking)  # (B, N, C)
        updated = model.temporal(tokens, 1)
        assert updated.shape == (B, N, C)
        assert torch.allclose(updated, expected) == is_linear, name


@pytest.mark.parametrize("name", TOKENS)
def test_the_current_frame_looks_at_the_others(name: str) -> None:
    model, features = tiny_model(aggregation=name), random_features()
    other = features.clone()
    other[:, 0] += 1
    assert not torch.allclose(aggregated(model, features), aggregated(model, other))
    assert not model.config.masked


def test_tokens_of_the_current_frame_are_no_context_in_b_but_are_in_a() -> None:
    """Changing one token of the current frame moves only its own answer in (b)."""
    features = random_features()
    tokens = features.flatten(3).transpose(2, 3)
    changed = tokens.clone()
    changed[:, 1, 0] += 1
    for name, moves in (("current_to_auxiliary", False), ("all_tokens", True)):
        temporal = tiny_model(aggregation=name).temporal
        with torch.inference_mode():
            before, after = temporal(tokens, 1), temporal(changed, 1)
        assert not torch.allclose(before[:, 0], after[:, 0])
        assert torch.allclose(before[:, 1:], after[:, 1:], atol=1e-6) != moves, name


def test_without_a_mask_joints_look_everywhere() -> None:
    scores = torch.zeros(B, T, J, h, w)
    assert seen_regions(scores, "none", 0.2).all()
    assert not seen_regions(scores, "paper", 0.2).any()
    model = tiny_model(mask_rule="none")
    with torch.inference_mode():
        features = model.encoder(tiny_clip().flatten(0, 1)).unflatten(0, (B, T))
        torch.testing.assert_close(
            model(tiny_clip()), model.aggregate(features, all_visible()), rtol=1e-4, atol=1e-5
        )


def test_drawn_joints_are_read_where_they_were_put() -> None:
    random = torch.Generator().manual_seed(0)
    mean = torch.rand(B, J, 2, generator=random) * 0.7 - 0.35  # well inside: -0.5..0.5 is the crop
    sigma = torch.full((B, J, 2), 0.25)
    crop = (256, 192)  # a Gaussian of half a pixel, as in tiny crops, cannot be read so exactly
    points, scores = codec.decode(render_gaussians(mean, sigma, (64, 48)).numpy(), crop, "udp")
    expected = (mean.numpy() + 0.5) * np.array([191, 255])
    assert np.abs(points - expected).max() < 0.05
    assert scores.max() <= 0.75 + 1e-6
    assert scores.min() > 0.3


def test_the_less_certain_joint_has_the_lower_score() -> None:
    sigma = torch.tensor([0.1, 0.5, 0.9]).reshape(1, 3, 1).expand(1, 3, 2)
    heights = render_gaussians(torch.zeros(1, 3, 2), sigma, (17, 17)).amax((2, 3))[0]
    torch.testing.assert_close(heights, torch.tensor([0.9, 0.5, 0.1]))


def test_shares_and_places_are_each_others_inverse() -> None:
    regression = JointRegression(tiny_model(aggregation="regression").config)
    corners = torch.tensor([[0.0, 0.0], [W - 1.0, H - 1.0], [(W - 1) / 2, (H - 1) / 2]])
    expected = torch.tensor([[-0.5, -0.5], [0.5, 0.5], [0.0, 0.0]])
    torch.testing.assert_close(regression.normalised(corners), expected)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_the_flow_is_a_density(seed: int | None) -> None:
    """Summed over a fine grid it is 1, at the start and with any weights."""
    torch.manual_seed(0)
    flow = ResidualFlow().double()
    if seed is not None:
        randomise(flow, seed)
    side = torch.arange(-9, 9, 0.1, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    with torch.inference_mode():
        mass = flow.log_likelihood(grid).exp().sum() * 0.1**2
    assert float(mass) == pytest.approx(1, abs=0.02)


def test_at_the_start_the_flow_is_near_a_normal_distribution() -> None:
    torch.manual_seed(0)
    errors = torch.randn(1000, 2)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(errors).sum(-1)
    with torch.inference_mode():
        assert float((ResidualFlow().log_likelihood(errors) - normal).abs().mean()) < 0.5


def test_the_loss_is_that_of_a_laplace_distribution_times_the_flows() -> None:
    regression = JointRegression(tiny_model(aggregation="regression").config)
    joints, truth = torch.randn(B, J, C), torch.rand(B, J, 2) - 0.5
    weights = torch.rand(B, J)
    with torch.inference_mode():
        mean, sigma = regression(joints)
        laplace = -torch.distributions.Laplace(mean, sigma).log_prob(truth).sum(-1)
        flow = regression.flow.log_likelihood((mean - truth) / sigma) - sigma.log().sum(-1)
        expected = ((laplace - flow) * weights).mean()
        torch.testing.assert_close(regression.loss(joints, truth, weights), expected)
        assert regression.loss(joints, truth, torch.zeros(B, J)) == 0


def test_the_loss_draws_places_to_the_truth() -> None:
    """With the flow as it starts; one that learns at the same time can also move its peak."""
    torch.manual_seed(0)
    regression = JointRegression(tiny_model(aggregation="regression").config)
    joints, truth = torch.zeros(B, J, C), torch.tensor([0.3, -0.2]).expand(B, J, 2)
    assert regression(joints)[0].abs().max() == 0
    optimizer = torch.optim.Adam(regression.head.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        regression.loss(joints, truth, torch.ones(B, J)).backward()
        optimizer.step()
    mean, sigma = (output.detach() for output in regression(joints))
    assert (mean - truth).abs().max() < 0.1
    assert ((sigma > 0) & (sigma < 0.5)).all()  # a half at first: it grows surer


def test_what_does_not_go_together_is_refused() -> None:
    changes: dict[str, dict[str, Any]] = {
        "layout": {"aggregation": "all_tokens", "layout": "released"},
        "codec": {"aggregation": "regression", "codec": "classic"},
    }
    from tarvitpose.config import ModelConfig
    from tarvitpose.utils.config_files import parse_config

    for word, change in changes.items():
        values = {"width": C, "depth": 1, "heads": 3, **change}
        with pytest.raises(ConfigError, match=word):
            parse_config(ModelConfig, values, "model")
