"""tools/mix_weights.py: every weight lies between two trainings'."""

import sys
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_model

from tarvitpose.errors import WeightsError

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import mix_weights


def test_every_number_is_a_weighted_mean() -> None:
    first, second = tiny_model(0), tiny_model(1)
    before = {name: value.clone() for name, value in first.state_dict().items()}
    other = second.state_dict()
    mixed = mix_weights.mix(first, second, 0.25).state_dict()
    for name, value in before.items():
        if value.is_floating_point():
            torch.testing.assert_close(mixed[name], 0.75 * value + 0.25 * other[name])


def test_other_networks_are_refused() -> None:
    with pytest.raises(WeightsError, match="one configuration"):
        mix_weights.mix(tiny_model(), tiny_model(jta_layers=1), 0.5)
