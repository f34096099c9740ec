"""Average two trainings of one network, weight by weight.

    python -m tools.mix_weights data/default/version1 data/default/runs/stage1/weights data/mixed

A short training on hard crops forgets some of the accuracy on easy ones; the mean of the weights
before and after keeps most of both (Wortsman et al., Robust fine-tuning, 2022). The result has the
architecture of the second network; parts that only the first has are left out.
"""

import argparse
from collections.abc import Iterable

from tarvitpose.errors import WeightsError
from tarvitpose.model.tarvitpose import TARViTPose

PARTS = ("encoder", "decoder", "final_averages", "jta", "gra", "temporal", "regression")


def mix(
    first: TARViTPose, second: TARViTPose, share: float, parts: Iterable[str] = PARTS
) -> TARViTPose:
    """Return `second` with weights of `parts` mixed: `share` (0..1) of it, the rest of `first`.

    Other parts are unchanged. Raises WeightsError if the first network lacks one of the weights.
    """
    chosen = tuple(f"{part}." for part in parts)
    ours, theirs = first.state_dict(), second.state_dict()
    theirs = {name: value for name, value in theirs.items() if name.startswith(chosen)}
    odd = [
        name for name, value in theirs.items() if getattr(ours.get(name), "shape", 0) != value.shape
    ]
    if odd:
        raise WeightsError(f"only weights of one architecture can be mixed; {odd[0]} differs")
    mixed = {
        name: ours[name].lerp(value, share) if value.is_floating_point() else value
        for name, value in theirs.items()
    }
    second.load_state_dict({**second.state_dict(), **mixed})
    return second


def main() -> None:
    """Write the mean of two weights folders."""
    parser = argparse.ArgumentParser(description="Average two trainings of one network.")
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("output")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0..1")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    models = [TARViTPose.from_pretrained(name) for name in (given.first, given.second)]
    mix(models[0], models[1], given.share, given.parts).save_pretrained(given.output)


if __name__ == "__main__":
    main()
