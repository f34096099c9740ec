"""What networks cost: counted by running them, against the numbers that are known."""

from __future__ import annotations

import pytest
from tiny_models import C, N, tiny_config, tiny_model

from tarvitpose.config import SIZES
from tarvitpose.model.cost import Cost, count, parameters

LARGE = (384, 288)
# Million parameters at 17 joints: encoder, decoder, temporal part, all.
MILLIONS = {
    "s": (21.663, 2.627, 11.261, 35.551),
    "b": (85.794, 4.200, 44.936, 134.929),
    "h": (630.911, 6.297, 124.700, 761.908),
}
# GMACs of a frame's encoder, a decode, a window of 5, and ViTPose alone, as printed.
GMACS = {
    ("s", None): ("4.47", "1.12", "31.1", "5.6"),
    ("b", None): ("17.1", "1.42", "101.8", "18.5"),
    ("h", None): ("124.0", "1.83", "652.5", "125.8"),
    ("s", LARGE): ("11.0", "2.52", "74.5", "13.5"),
    ("b", LARGE): ("40.4", "3.20", "237.9", "43.6"),
    ("h", LARGE): ("287.5", "4.11", "1508", "291.6"),
}


@pytest.mark.parametrize("size", MILLIONS)
def test_parameters_are_those_of_the_published_architecture(size: str) -> None:
    costs = count(SIZES[size](joint_set="posetrack17"))
    found = [costs[part].parameters / 1e6 for part in ("encoder", "decoder", "temporal", "total")]
    for value, known in zip(found, MILLIONS[size], strict=True):
        assert value == pytest.approx(known, abs=0.0011)  # each of JTA and GRA is rounded


@pytest.mark.parametrize(("size", "crop"), GMACS)
def test_the_work_is_what_was_counted_by_hand(size: str, crop: tuple[int, int] | None) -> None:
    changes = {"joint_set": "posetrack17"} | ({} if crop is None else {"input_size": crop})
    windowed, single = count(SIZES[size](**changes)), count(SIZES[size](offsets=(), **changes))
    found = (
        windowed["encoder"].gmacs,
        windowed["decoder"].gmacs,
        windowed["total"].gmacs,
        single["total"].gmacs,
    )
    for value, known in zip(found, GMACS[size, crop], strict=True):
        decimals = len(known.partition(".")[2])
        # A unit of the last digit: some are sums of numbers that were rounded before.
        assert value == pytest.approx(float(known), abs=1.01 * 10**-decimals)


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
