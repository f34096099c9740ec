"""Average two trainings of one network, weight by weight.

    python tools/mix_weights.py .work/stage0 .work/runs/stage1/weights .work/runs/stage1/mixed

A short training on hard crops forgets some of what the weights that it began with knew of easy
ones; the mean of both keeps most of each (Wortsman et al., Robust fine-tuning, 2022).
"""

from __future__ import annotations

import argparse

from tarvitpose.errors import WeightsError
from tarvitpose.model.tarvitpose import TARViTPose


def mix(first: TARViTPose, second: TARViTPose, share: float) -> TARViTPose:
    """Return `first` with `share` (0..1) of `second` in every weight. Raises WeightsError."""
    if first.config != second.config:
        raise WeightsError("only weights of one configuration can be mixed, these have two")
    ours, theirs = first.state_dict(), second.state_dict()
    mixed = {
        name: value.lerp(theirs[name], share) if value.is_floating_point() else value
        for name, value in ours.items()
    }
    first.load_state_dict(mixed)
    return first


def main() -> None:
    """Write the mean of two weights folders."""
    parser = argparse.ArgumentParser(description="Average two trainings of one network.")
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("output")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0..1")
    given = parser.parse_args()
    models = [TARViTPose.from_pretrained(name) for name in (given.first, given.second)]
    mix(models[0], models[1], given.share).save_pretrained(given.output)


if __name__ == "__main__":
    main()
