"""Assignments, beside SciPy's."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from tarvitpose.utils.assignment import assign


@pytest.mark.parametrize(
    "shape", [(1, 1), (4, 4), (3, 9), (9, 3), (24, 30), (0, 3), (3, 0), (0, 0)]
)
def test_pairs_are_those_of_scipy(shape: tuple[int, int]) -> None:
    for seed in range(20):
        benefits = np.random.default_rng(seed).normal(size=shape)
        for pairs, expected in zip(
            assign(benefits), linear_sum_assignment(benefits, maximize=True), strict=True
        ):
            assert pairs.tolist() == expected.tolist()


def test_many_equal_benefits_have_the_largest_sum() -> None:
    for seed in range(50):
        overlap = np.random.default_rng(seed).integers(0, 3, (7, 5)) / 2  # most pairs tie
        rows, columns = assign(overlap)
        expected = overlap[linear_sum_assignment(overlap, maximize=True)].sum()
        assert overlap[rows, columns].sum() == expected
        assert len({*rows.tolist()}) == len({*columns.tolist()}) == 5
