"""Which of some go with which of others, so that the sum is largest (Kuhn and Munkres)."""

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.utils.arrays import Int64


def assign(benefits: ArrayLike) -> tuple[Int64, Int64]:
    """Return rows and columns of the pairs with the largest sum of benefits (N, M).

    There are min(N, M) pairs, in the order of their rows. SciPy's `linear_sum_assignment` gives
    the same with `maximize`; predicting does not need 140 MB for it.

    >>> [pairs.tolist() for pairs in assign([[5, 4, 0], [4, 1, 0]])]
    [[0, 1], [1, 0]]
    """
    costs = -np.asarray(benefits, np.float64)
    if costs.shape[0] > costs.shape[1]:
        columns, rows = assign(-costs.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    # Shortest augmenting paths: column 0 is where each path begins, and row 0 is nobody.
    row_prices, prices = np.zeros(costs.shape[0] + 1), np.zeros(costs.shape[1] + 1)
    row_of = np.zeros(costs.shape[1] + 1, np.int64)
    for row in range(1, len(row_prices)):
        row_of[0], column = row, 0
        distances = np.full(len(prices), np.inf)
        before = np.zeros(len(prices), np.int64)
        visited = np.zeros(len(prices), np.bool_)
        while row_of[column]:
            visited[column] = True
            here = row_of[column]
            reduced = np.append(np.inf, costs[here - 1] - row_prices[here] - prices[1:])
            nearer = ~visited & (reduced < distances)
            distances[nearer], before[nearer] = reduced[nearer], column
            column = int(np.where(visited, np.inf, distances).argmin())
            step = distances[column]
            row_prices[row_of[visited]] += step
            prices[visited] -= step
            distances[~visited] -= step
        while column:  # back along the path, each column takes the row of the one before it
            row_of[column] = row_of[before[column]]
            column = int(before[column])
    taken = np.flatnonzero(row_of[1:])
    rows = row_of[1:][taken] - 1
    order = np.argsort(rows)
    return rows[order], taken[order]
