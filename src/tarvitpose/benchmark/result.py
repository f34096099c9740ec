"""What was asked to be measured, and what came out: speeds, ratios, shares and their JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from tarvitpose.benchmark.baselines import TRANSFORMERS
from tarvitpose.benchmark.cases import Key, Mode
from tarvitpose.benchmark.model_under_test import RANDOM, Subject, encoder_alone
from tarvitpose.benchmark.stages import Pipeline, Stages
from tarvitpose.config import Backend
from tarvitpose.model.cost import Cost, count
from tarvitpose.utils.interleaved import Spread, ratios, spread

AGAINST_BATCH = 8  # the batch at which others are compared with
WORK = {"single": "single_frame", "windowed": "total", "streaming": "streaming"}


@dataclass(frozen=True)
class Plan:
    """What is measured, and how long."""

    video: str  # where crops come from, and what the stages run on
    modes: tuple[Mode, ...]
    backends: tuple[Backend, ...]
    batches: tuple[int, ...]  # crops that the network reads at once
    offsets: tuple[int, ...] | None = None  # auxiliary frames; None: the network's own
    device: str = "auto"
    precision: str = "auto"
    rounds: int = 5
    seconds: float = 0.7  # of a turn, at least
    against_transformers: bool = False
    stages: bool = True  # of the whole pipeline on the video
    det_every: int = 1  # frames from one detection to the next, in the stages
    memory: bool = True  # the most that each case uses

    @property
    def all_batches(self) -> tuple[int, ...]:
        """The batches asked for, and the one at which others are compared with."""
        more = {AGAINST_BATCH} if self.against_transformers else set()
        return tuple(sorted({*self.batches, *more}))


class Comparison(NamedTuple):
    """How many times as fast one case is as another."""

    first: Key
    second: Key
    times: Spread  # over the rounds
    counted: float | None  # what the counted work alone would give


@dataclass(frozen=True)
class Result:
    """All that was measured of one network at one input size."""

    subject: Subject
    plan: Plan
    costs: dict[str, Cost]
    rates: dict[Key, list[float]]  # poses per second, round by round
    products: dict[str, list[float]]  # GFLOP/s of large matrix products, by precision
    stages: dict[Pipeline, Stages] = field(default_factory=dict)
    memory: dict[Key, float] = field(default_factory=dict)  # megabytes at most

    @property
    def offsets(self) -> tuple[int, ...]:
        """The auxiliary frames of windowed mode and streaming."""
        return self.plan.offsets or self.subject.config.offsets

    def gmacs(self, key: Key) -> float:
        """Return the counted work of one pose."""
        if key.mode == "encoder":
            return count(encoder_alone(self.subject).config)["total"].gmacs
        return self.costs[WORK[key.mode]].gmacs

    def peak_share(self, key: Key, precision: str) -> Spread:
        """Return the rate of counted operations as a share of a matrix product's."""
        rates = [2 * self.gmacs(key) * rate for rate in self.rates[key]]
        return ratios(rates, self.products[precision])

    @property
    def peak(self) -> str:
        """The precision in which this machine multiplies large matrices fastest."""
        return max(self.products, key=lambda name: spread(self.products[name]).median)

    def comparisons(self) -> list[Comparison]:
        """Return streaming beside the other modes of its backend, and beside transformers.

        Beside transformers stands the backend with the best median at that batch.
        """
        found = []
        for key in self.rates:
            if key.mode == "streaming":
                baselines = [key._replace(mode=mode) for mode in ("single", "windowed")]
                found += [self._compare(key, one) for one in baselines if one in self.rates]
        for rival in (key for key in self.rates if key.backend == TRANSFORMERS):
            mode: Mode
            for mode in ("single", "streaming"):
                same = [
                    key
                    for key in self.rates
                    if (key.mode, key.batch) == (mode, rival.batch) and key != rival
                ]
                if same:
                    best = max(same, key=lambda key: spread(self.rates[key]).median)
                    found.append(self._compare(best, rival))
        return found

    def _compare(self, first: Key, second: Key) -> Comparison:
        counted = self.gmacs(second) / self.gmacs(first)
        return Comparison(first, second, ratios(self.rates[first], self.rates[second]), counted)

    def facts(self) -> list[dict[str, Any]]:
        """Return one object for each case, as JSON takes it."""
        return [self._facts(key) for key in self.rates]

    def _facts(self, key: Key) -> dict[str, Any]:
        middle = spread(self.rates[key])
        stages = self.stages.get((key.mode, key.backend))
        return {
            "size": self.subject.size,
            "input": self.subject.input,
            **key._asdict(),
            "crops_per_second": middle.median,
            "quartiles": [middle.low, middle.high],
            "rounds": self.rates[key],
            "weights": self.weights(key),
            "offsets": self.offsets if key.mode in ("windowed", "streaming") else (),
            "device": self.plan.device,
            "precision": "fp32" if key.backend == TRANSFORMERS else self.plan.precision,
            "threads": torch.get_num_threads(),
            "parameters": self.costs["total"].parameters,
            "gmacs": self.gmacs(key),
            "share_of_matrix_product": {
                name: self.peak_share(key, name).median for name in self.products
            },
            "matrix_product_gflops": {
                name: spread(rates).median for name, rates in self.products.items()
            },
            "times": {
                f"{one.second.mode} {one.second.backend}": one.times._asdict()
                for one in self.comparisons()
                if one.first == key
            },
            "peak_megabytes": self.memory.get(key),
            "stages": None
            if stages is None
            else {"frames_per_second": stages.frame_rate, "milliseconds": stages.milliseconds},
        }

    def weights(self, key: Key) -> str:
        """Return whose weights a case ran with."""
        is_own = key.mode != "encoder" and key.backend != TRANSFORMERS
        return (self.subject.weights if is_own else None) or RANDOM
