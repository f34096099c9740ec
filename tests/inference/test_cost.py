"""What networks cost: counted by running them, against the numbers that are known."""

import pytest
from tiny_models import C, N, tiny_config, tiny_model

from tarvitpose.config import SIZES, ModelConfig
from tarvitpose.inference.cost import Cost, count, parameters

LARGE = (384, 288)
# Million parameters at 17 joints: encoder, decoder, temporal part, all.
MILLIONS = {
    "s": (21.663, 2.627, 11.261, 35.551),
    "b": (85.794, 4.200, 44.936, 134.929),
    "h": (630.911, 6.297, 124.700, 761.908),
}
# GMACs of a frame's encoder, a decode, and a window of 5 where JTA projects all tokens.
GMACS = {
    ("s", None): ("4.47", "1.12", "31.1"),
    ("b", None): ("17.1", "1.42", "101.8"),
    ("h", None): ("124.0", "1.83", "652.5"),
    ("s", LARGE): ("11.0", "2.52", "74.5"),
    ("b", LARGE): ("40.4", "3.20", "237.9"),
    ("h", LARGE): ("287.5", "4.11", "1508"),
}


@pytest.mark.parametrize(("size", "crop"), GMACS)
def test_cost_is_that_of_the_published_architecture(
    size: str, crop: tuple[int, int] | None
) -> None:
    changes = {"joint_set": "posetrack17"} | ({} if crop is None else {"input_size": crop})
    config = SIZES[size](**changes)
    costs = count(config)
    millions = [costs[part].parameters / 1e6 for part in ("encoder", "decoder", "temporal")]
    for number, known in zip(millions, MILLIONS[size], strict=False):
        assert number == pytest.approx(known, abs=0.0011)  # JTA's and GRA's are rounded each
    assert round(costs["total"].parameters / 1e6, 3) == MILLIONS[size][-1]
    unfolded = costs["total"].gmacs + saved_by_folding(config)
    work = (costs["encoder"].gmacs, costs["decoder"].gmacs, unfolded)
    for value, printed in zip(work, GMACS[size, crop], strict=True):
        decimals = len(printed.partition(".")[2])
        # A unit of the last digit: some are sums of numbers that were rounded before.
        assert value == pytest.approx(float(printed), abs=1.01 * 10**-decimals)


def saved_by_folding(config: ModelConfig) -> float:
    """GMACs that JTA and GRA save by not projecting what there is more of, tokens."""
    height, width = config.input_size
    tokens, joints = (height // 16) * (width // 16), len(config.joints)
    all_tokens = (len(config.offsets) + 1) * tokens
    saved = config.jta_layers * saved_by_attention(joints, all_tokens, config)
    return (saved + config.gra_layers * saved_by_attention(tokens, joints, config)) / 1e9


def saved_by_attention(queries: int, keys: int, config: ModelConfig) -> float:
    """Multiply-adds: four projections of the few and scores of width C for every head instead."""
    channels, heads = config.width, config.temporal_heads
    plain = 2 * (queries + keys) * channels**2 + 2 * queries * keys * channels
    folded = 4 * min(queries, keys) * channels**2 + 2 * heads * queries * keys * channels
    return max(plain - folded, 0)


def test_a_model_without_temporal_part_has_none_to_count() -> None:
    costs = count(tiny_config(offsets=()))
    assert costs["temporal"] == Cost(0, 0.0)
    assert costs["total"].parameters == costs["encoder"].parameters + costs["decoder"].parameters
    assert costs["total"].gmacs == costs["encoder"].gmacs + costs["decoder"].gmacs


@pytest.mark.parametrize("name", ["joints", "all_tokens", "auxiliary_first", "regression"])
def test_the_parts_add_up(name: str) -> None:
    config = tiny_config(aggregation=name)
    costs = count(config)
    assert costs["total"].parameters == parameters(tiny_model(aggregation=name))
    parts = (costs[part].parameters for part in ("encoder", "decoder", "temporal"))
    assert costs["total"].parameters == sum(parts)
    coarse = 3 if config.masked else 0  # a decode of each frame tells where joints may look
    final = 0 if name == "regression" else 1
    expected = 3 * costs["encoder"].gmacs + (coarse + final) * costs["decoder"].gmacs
    assert costs["total"].gmacs == pytest.approx(expected + costs["temporal"].gmacs)


def test_attention_is_counted_whole() -> None:
    """Table 4 (b) at one layer, product by product: projections, scores, sums, perceptron."""
    costs = count(tiny_config(aggregation="current_to_auxiliary", jta_layers=1))
    projections = 2 * N * C * C + 2 * 2 * N * C * C  # query and output; keys, values of 2 frames
    attention = 2 * N * 2 * N * C
    perceptron = 2 * 2 * N * C * C
    assert costs["temporal"].gmacs == pytest.approx((projections + attention + perceptron) / 1e9)


def test_without_the_mask_frames_are_not_decoded() -> None:
    masked, plain = count(tiny_config()), count(tiny_config(mask_rule="none"))
    saved = masked["total"].gmacs - plain["total"].gmacs
    assert saved == pytest.approx(3 * masked["decoder"].gmacs)
    assert masked["total"].parameters == plain["total"].parameters


def test_the_simple_decoder_does_a_tenth_of_what_its_convolution_would() -> None:
    config = tiny_config(decoder="simple")
    convolution = 16 * N * 9 * C * len(config.joints) / 1e9
    assert count(config)["decoder"].gmacs < convolution / 5


def test_jta_and_gra_are_counted_apart() -> None:
    """Table 5: by hand, a folded layer of JTA and GRA's single one."""
    config = SIZES["b"](input_size=LARGE)
    costs = count(config)
    assert costs["jta"].parameters + costs["gra"].parameters == costs["temporal"].parameters
    assert costs["jta"].gmacs + costs["gra"].gmacs == pytest.approx(costs["temporal"].gmacs)
    assert costs["gra"].parameters / 1e6 == pytest.approx(2.364, abs=1e-3)
    width, heads, joints, tokens = 768, 4, 15, 24 * 18
    # Keys and values of the joints, and both folded, with the queries' bias; scores and sums over
    # them for every token.
    folded = 2 * 2 * joints * width**2 + joints * width
    by_hand = folded + 2 * heads * tokens * joints * width
    assert costs["gra"].gmacs == pytest.approx(by_hand / 1e9, rel=1e-6)
    assert "jta" not in count(config.model_copy(update={"aggregation": "all_tokens"}))
