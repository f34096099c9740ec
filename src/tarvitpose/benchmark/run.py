"""One benchmark: every network in every mode on every backend, and what that is held against."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from tarvitpose.benchmark.cases import (
    BESIDE_OTHERS,
    CaseKey,
    Mode,
    backend_of,
    pose_case,
)
from tarvitpose.benchmark.memory import in_child, peak_of
from tarvitpose.benchmark.model_under_test import (
    ModelUnderTest,
    encoder_alone,
    person_crops,
    weights_of,
)
from tarvitpose.benchmark.pipelines import measure_pipelines
from tarvitpose.benchmark.plan import TRANSFORMERS, BenchmarkPlan
from tarvitpose.benchmark.result import ENCODER_ALONE, BenchmarkResult
from tarvitpose.benchmark.stages import (
    POLICIES,
    Pipeline,
    Stages,
    time_stages_interleaved,
)
from tarvitpose.config import Backend, PredictConfig
from tarvitpose.errors import MissingDependencyError
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.load import load_engine
from tarvitpose.utils.interleaved import Case, measure_interleaved
from tarvitpose.utils.optional import is_installed

if TYPE_CHECKING:
    from tarvitpose.inference.cost import Cost


def measure(
    model: ModelUnderTest,
    plan: BenchmarkPlan,
    others: Mapping[str, str],
    *,
    warn: Callable[[str], None],
    on_round: Callable[[int], None] = lambda done: None,
) -> BenchmarkResult:
    """Return all measurements of a plan for one network. Raises UserError.

    `others` are the versions of the programs whose pipelines are timed beside ours.
    A backend that is not installed is left out, and `warn` called with a line about it. Without
    PyTorch no work is counted, and neither encoder nor matrix products are timed.
    """
    has_torch = is_installed("torch")
    costs = _costs(model, plan) if has_torch else {}
    crops = person_crops(plan.video, model.config)
    encoder = weights_of(encoder_alone(model)) if has_torch else nullcontext(None)
    with weights_of(model) as weights, encoder as alone:
        engines = EnginePool(model, plan, weights, alone)
        keys = engines.keys(warn)
        products = _products(plan) if has_torch else []
        poses = [pose_case(key, engines[key], crops, plan.offsets) for key in keys]
        cases: Sequence[Case[CaseKey | str]] = [*products, *poses]
        rates = measure_interleaved(
            cases, rounds=plan.rounds, seconds=plan.seconds, on_round=on_round
        )
        engines.close()
        memory, stages, pipelines = {}, {}, None
        if plan.memory:
            memory = {
                key: in_child(peak_of, key, engines.opener(key), crops, plan.offsets)
                for key in keys
                if key.mode != "encoder"
            }
        if plan.stages:
            stages = _stages(keys, plan, weights)
        if others:
            ours = _configs(keys, plan, weights, BESIDE_OTHERS)
            pipelines = measure_pipelines(
                ours, model.config, plan, others, lambda done: on_round(plan.rounds + done)
            )
    return BenchmarkResult(
        model,
        plan,
        costs,
        {key: rates[key] for key in keys},
        {case.key: rates[case.key] for case in products},
        stages,
        memory,
        pipelines,
    )


def _costs(model: ModelUnderTest, plan: BenchmarkPlan) -> dict[str, Cost]:
    """Return what the parts of a network cost, and its encoder with next to nothing behind it."""
    from tarvitpose.inference.cost import count  # noqa: PLC0415 - needs PyTorch

    offsets = plan.offsets or model.config.offsets
    costs = count(model.config.model_copy(update={"offsets": offsets}))
    return {**costs, ENCODER_ALONE: count(encoder_alone(model).config)["total"]}


def _products(plan: BenchmarkPlan) -> list[Case[str]]:
    from tarvitpose.benchmark.baselines import product_cases  # noqa: PLC0415 - needs PyTorch

    return product_cases(plan.device)


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Use so many processor cores, for all backends alike where the system can pin a process."""
    if threads is None:
        yield
        return
    can_pin = hasattr(os, "sched_setaffinity")
    cores = os.sched_getaffinity(0) if can_pin else set[int]()
    torch: Any = import_module("torch") if is_installed("torch") else None
    before = torch.get_num_threads() if torch else threads
    if torch:
        torch.set_num_threads(threads)
    try:
        if can_pin:
            os.sched_setaffinity(0, sorted(cores)[:threads])
        yield
    finally:
        if torch:
            torch.set_num_threads(before)
        if can_pin:
            os.sched_setaffinity(0, cores)


class EnginePool:
    """The networks that are timed, each loaded once."""

    def __init__(
        self, model: ModelUnderTest, plan: BenchmarkPlan, weights: str, alone: str | None
    ) -> None:
        """`weights` are the model's, `alone` those of its encoder alone, None without any."""
        self.model, self.plan, self.weights, self.alone = model, plan, weights, alone
        self._loaded: dict[tuple[str, bool], Engine] = {}

    def __getitem__(self, key: CaseKey) -> Engine:
        """Return what runs a case, loaded by the first one that needs it. Raises UserError."""
        which = (key.backend, key.mode == "encoder")
        if which not in self._loaded:
            self._loaded[which] = self.opener(key)()
        return self._loaded[which]

    def opener(self, key: CaseKey) -> Callable[[], Engine]:
        """Return what loads the network of a case; another process can call it as well."""
        if key.backend == TRANSFORMERS:
            from tarvitpose.benchmark.baselines import (  # noqa: PLC0415 - needs PyTorch
                VitPoseEngine,
            )

            return partial(VitPoseEngine, self.model.config, device=self.plan.device)
        return partial(
            load_engine,
            self.alone if self.alone and key.mode == "encoder" else self.weights,
            backend=cast(Backend, key.backend),
            device=self.plan.device,
            precision=self.plan.precision,
            cuda_graphs=self.plan.cuda_graphs,
        )

    def keys(self, warn: Callable[[str], None]) -> list[CaseKey]:
        """Return the cases of all backends that are installed, or raise MissingDependencyError."""
        names: list[str] = []
        missing: list[MissingDependencyError] = []
        for backend in self.plan.backends:
            try:
                names.append(backend_of(self[CaseKey("single", backend, 1)]))
            except MissingDependencyError as error:
                missing.append(error)
        if not names:
            raise missing[0]
        for absent in missing:
            warn(f"left out: {absent}")
        temporal, batches = self.model.config.temporal, self.plan.all_batches
        modes: list[Mode] = [mode for mode in self.plan.modes if temporal or mode == "single"]
        if self.alone:
            modes.append("encoder")
        cases = [(name, mode) for name in dict.fromkeys(names) for mode in modes]
        if TRANSFORMERS in self.plan.against:
            cases.append((TRANSFORMERS, "single"))
        return [CaseKey(mode, name, batch) for batch in batches for name, mode in cases]

    def close(self) -> None:
        """Forget the networks: they would count as memory of what comes next."""
        self._loaded.clear()


def _stages(keys: list[CaseKey], plan: BenchmarkPlan, weights: str) -> dict[Pipeline, Stages]:
    """Return where the time of `predict` goes, for each mode and backend."""
    configs = _configs(keys, plan, weights, tuple(POLICIES))
    pipelines = {key: (PoseEstimator.from_config(each), each) for key, each in configs.items()}
    return time_stages_interleaved(plan.video, pipelines)


def _configs(
    keys: list[CaseKey], plan: BenchmarkPlan, weights: str, modes: Sequence[Mode]
) -> dict[Pipeline, PredictConfig]:
    """Return how `predict` is configured for each of some modes and each backend."""
    pairs = {(key.mode, key.backend) for key in keys if key.mode in modes}
    return {
        (mode, backend): PredictConfig(
            weights=weights,
            backend=cast(Backend, backend),
            device=plan.device,
            precision=plan.precision,
            cuda_graphs=plan.cuda_graphs,
            temporal="none" if mode == "single" else "auto",
            crop_policy=POLICIES[mode],
            offsets=None if mode == "single" else plan.offsets,
            det_every=plan.det_every,
            max_people=1,
        )
        for mode, backend in sorted(pair for pair in pairs if pair[1] != TRANSFORMERS)
    }
