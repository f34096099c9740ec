"""Give weights that were taught by others what those have learned since, without training.

    python -m tools.carry_over data/default/fast data/default/version7 data/default/version8 \\
        data/default/fast8

To each weight of the first network is added what the third has changed of the second, from which
the first one began (Ilharco et al., Editing models with task arithmetic, 2023). Parts that the
others lack stay as they are; curves of scores and the size of crops are the third's.
"""

import argparse

from tarvitpose.config import ALL_CURVES
from tarvitpose.model.tarvitpose import TARViTPose


def carried_over(student: TARViTPose, before: TARViTPose, after: TARViTPose) -> TARViTPose:
    """Return `student` with what `after` has changed of `before`, its curves and its crops."""
    old, new = before.state_dict(), after.state_dict()
    weights = student.state_dict()
    for name, value in weights.items():
        if value.is_floating_point() and getattr(new.get(name), "shape", None) == value.shape:
            weights[name] = value + (new[name] - old[name])
    student.load_state_dict(weights)
    taken = {name: getattr(after.config, name) for name in (*ALL_CURVES, "box_padding")}
    student.config = student.config.model_copy(update=taken)
    return student


def main() -> None:
    """Write a student's weights that follow its teacher's."""
    parser = argparse.ArgumentParser(description="Let a student follow its teacher's change.")
    parser.add_argument("student")
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("output")
    given = parser.parse_args()
    student, before, after = (
        TARViTPose.from_pretrained(name) for name in (given.student, given.before, given.after)
    )
    carried_over(student, before, after).save_pretrained(given.output)


if __name__ == "__main__":
    main()
