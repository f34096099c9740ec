"""What is measured, and the results: speeds, ratios, shares and their JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tarvitpose.benchmark.cases import BESIDE_OTHERS, CaseKey
from tarvitpose.benchmark.model_under_test import RANDOM, ModelUnderTest
from tarvitpose.benchmark.pipelines import Pipelines
from tarvitpose.benchmark.plan import TRANSFORMERS, BenchmarkPlan
from tarvitpose.benchmark.stages import Pipeline, Stages
from tarvitpose.utils.cores import usable_cores
from tarvitpose.utils.interleaved import Spread, ratios, spread

if TYPE_CHECKING:  # counting needs PyTorch
    from tarvitpose.inference.cost import Cost

ENCODER_ALONE = "encoder_alone"
WORK = {
    "single": "single_frame",
    "windowed": "total",
    "streaming": "streaming",
    "encoder": ENCODER_ALONE,
}


class SpeedRatio(NamedTuple):
    """How many times as fast one case is as another."""

    first: CaseKey
    second: CaseKey
    times: Spread  # over the rounds
    counted: float | None  # what the counted work alone would give


@dataclass(frozen=True)
class BenchmarkResult:
    """All that was measured of one network at one input size."""

    model: ModelUnderTest
    plan: BenchmarkPlan
    costs: dict[str, Cost]  # none without PyTorch, which counts them
    rates: dict[CaseKey, list[float]]  # poses per second, round by round
    products: dict[str, list[float]]  # GFLOP/s of large matrix products, by precision; likewise
    stages: dict[Pipeline, Stages] = field(default_factory=dict)
    memory: dict[CaseKey, float] = field(default_factory=dict)  # megabytes at most
    pipelines: Pipelines | None = None  # beside other programs

    @property
    def offsets(self) -> tuple[int, ...]:
        """The auxiliary frames of windowed mode and streaming."""
        return self.plan.offsets or self.model.config.offsets

    def gmacs(self, key: CaseKey) -> float:
        """Return the counted work of one pose; there must be `costs`."""
        return self.costs[WORK[key.mode]].gmacs

    def peak_share(self, key: CaseKey, precision: str) -> Spread:
        """Return the rate of counted operations as a share of a matrix product's."""
        rates = [2 * self.gmacs(key) * rate for rate in self.rates[key]]
        return ratios(rates, self.products[precision])

    @property
    def peak(self) -> str:
        """The precision in which this machine multiplies large matrices fastest."""
        return max(self.products, key=lambda name: spread(self.products[name]).median)

    def comparisons(self) -> list[SpeedRatio]:
        """Return streaming beside the other modes of its backend, and beside transformers.

        Beside transformers stands the backend with the best median at that batch.
        """
        comparisons = []
        for key in self.rates:
            if key.mode == "streaming":
                others = [key._replace(mode=mode) for mode in ("single", "windowed")]
                comparisons += [
                    self._compare(key, other) for other in others if other in self.rates
                ]
        for baseline in (key for key in self.rates if key.backend == TRANSFORMERS):
            for mode in BESIDE_OTHERS:
                same = [
                    key
                    for key in self.rates
                    if (key.mode, key.batch) == (mode, baseline.batch) and key != baseline
                ]
                if same:
                    best = max(same, key=lambda key: spread(self.rates[key]).median)
                    comparisons.append(self._compare(best, baseline))
        return comparisons

    def _compare(self, first: CaseKey, second: CaseKey) -> SpeedRatio:
        counted = self.gmacs(second) / self.gmacs(first) if self.costs else None
        return SpeedRatio(first, second, ratios(self.rates[first], self.rates[second]), counted)

    def facts(self) -> list[dict[str, Any]]:
        """Return one object for each case and each whole pipeline, as JSON takes it."""
        network = {"size": self.model.size, "input": self.model.input}
        pipelines = self.pipelines.facts() if self.pipelines else []
        return [*map(self._facts, self.rates), *({**network, **each} for each in pipelines)]

    def _facts(self, key: CaseKey) -> dict[str, Any]:
        middle = spread(self.rates[key])
        stages = self.stages.get((key.mode, key.backend))
        return {
            "size": self.model.size,
            "input": self.model.input,
            **key._asdict(),
            "crops_per_second": middle.median,
            "quartiles": [middle.low, middle.high],
            "rounds": self.rates[key],
            "weights": self.weights(key),
            "offsets": self.offsets if key.mode in ("windowed", "streaming") else (),
            "device": self.plan.device,
            "precision": "fp32" if key.backend == TRANSFORMERS else self.plan.precision,
            "cuda_graphs": self.plan.cuda_graphs and key.backend != TRANSFORMERS,
            "threads": usable_cores(),
            "parameters": self.costs["total"].parameters if self.costs else None,
            "gmacs": self.gmacs(key) if self.costs else None,
            "share_of_matrix_product": {
                name: self.peak_share(key, name).median for name in self.products
            },
            "matrix_product_gflops": {
                name: spread(rates).median for name, rates in self.products.items()
            },
            "times": {
                f"{other.second.mode} {other.second.backend}": other.times._asdict()
                for other in self.comparisons()
                if other.first == key
            },
            "peak_megabytes": self.memory.get(key),
            "stages": None
            if stages is None
            else {"frames_per_second": stages.frame_rate, "milliseconds": stages.milliseconds},
        }

    def weights(self, key: CaseKey) -> str:
        """Return whose weights a case ran with."""
        are_given = key.mode != "encoder" and key.backend != TRANSFORMERS
        return (self.model.weights if are_given else None) or RANDOM
