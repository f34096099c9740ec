"""Mixing weights: every weight lies between those of two trainings."""

import pytest
import torch
from tiny_models import tiny_model

from tarvitpose.errors import WeightsError
from tools import mix_weights


def test_every_number_is_a_weighted_mean() -> None:
    first, second = tiny_model(0), tiny_model(1)
    other = {name: value.clone() for name, value in second.state_dict().items()}
    before = first.state_dict()
    mixed = mix_weights.mix(first, second, 0.25).state_dict()
    for name, value in before.items():
        if value.is_floating_point():
            torch.testing.assert_close(mixed[name], 0.75 * value + 0.25 * other[name])


@pytest.mark.parametrize("aggregation", ["auxiliary_first", "regression"])
def test_the_papers_alternatives_are_mixed_whole_too(aggregation: str) -> None:
    first, second = (tiny_model(seed, aggregation=aggregation) for seed in (0, 1))
    before = {name: value.clone() for name, value in first.state_dict().items()}
    mixed = mix_weights.mix(first, second, 0.0).state_dict()
    for name, value in mixed.items():
        torch.testing.assert_close(value, before[name], msg=name)


def test_only_the_parts_asked_for_are_mixed() -> None:
    first, second = tiny_model(0), tiny_model(1)
    other = {name: value.clone() for name, value in second.state_dict().items()}
    before = first.state_dict()
    mixed = mix_weights.mix(first, second, 0.25, ["encoder", "decoder"]).state_dict()
    for name, value in mixed.items():
        if name.startswith(("jta.", "gra.")):
            assert torch.equal(value, other[name])
        elif value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * other[name])


def test_a_temporal_part_is_left_out_where_the_second_has_none() -> None:
    mixed = mix_weights.mix(tiny_model(0), tiny_model(1, offsets=()), 0.5)
    assert not mixed.config.temporal
    assert not any(name.startswith(("jta.", "gra.")) for name in mixed.state_dict())


def test_other_networks_are_refused() -> None:
    with pytest.raises(WeightsError, match="one architecture can be mixed; jta"):
        mix_weights.mix(tiny_model(jta_layers=1), tiny_model(), 0.5)
