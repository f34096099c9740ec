"""Turns in a random order, so that a busy machine slows everything that is compared alike."""

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, NamedTuple, TypeVar

import numpy as np

Key_co = TypeVar("Key_co", bound=Hashable, covariant=True)


@dataclass(frozen=True)
class Case(Generic[Key_co]):
    """One thing to time."""

    key: Key_co
    outputs: float  # of one call, in whatever is counted
    work: Callable[[], object]


class Spread(NamedTuple):
    """The middle of several measurements, and the half of them around it."""

    median: float
    low: float  # a quarter of them is below
    high: float  # a quarter of them is above


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles.

    >>> spread([1, 2, 3, 4, 5])
    Spread(median=3.0, low=2.0, high=4.0)
    """
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Spread(median, low, high)


def ratios(first: Sequence[float], second: Sequence[float]) -> Spread:
    """Return how many times the first is the second, round by round.

    What slows a whole round down leaves the ratio of that round as it is.

    >>> ratios([2, 20, 3], [1, 10, 1])
    Spread(median=2.0, low=2.0, high=2.5)
    """
    return spread([a / b for a, b in zip(first, second, strict=True)])


def measure_interleaved(
    cases: Sequence[Case[Key_co]],
    *,
    rounds: int,
    seconds: float,
    seed: int = 0,
    clock: Callable[[], float] = perf_counter,
    on_round: Callable[[int], None] = lambda done: None,
) -> dict[Key_co, list[float]]:
    """Return the outputs per second of each case in each round.

    In every round each case has one turn, in a random order. A turn calls the work until `seconds`
    have passed, at least once. Two calls before the first round are not counted.
    """
    order = random.Random(seed)
    for case in cases:
        case.work()
        case.work()
    rates: dict[Key_co, list[float]] = {case.key: [] for case in cases}
    for done in range(1, rounds + 1):
        for case in order.sample(cases, len(cases)):
            rates[case.key].append(_turn(case, seconds, clock))
        on_round(done)
    return rates


def _turn(case: Case[Key_co], seconds: float, clock: Callable[[], float]) -> float:
    """Return the outputs per second of one turn."""
    began = clock()
    calls, passed = 0, 0.0
    while calls == 0 or passed < seconds:
        case.work()
        calls += 1
        passed = clock() - began
    return calls * case.outputs / passed
