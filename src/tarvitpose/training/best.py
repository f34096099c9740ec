"""The best validation so far, and when to stop."""

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from tarvitpose.errors import ConfigError


@dataclass
class Best:
    """The best validation of a run; higher scores are better."""

    monitor: str  # the score that counts; "" for the mean over all degradations
    patience: int  # validations without a new best after which to stop; 0: never
    step: int = 0
    score: float = -math.inf
    stale: int = 0  # validations since the best one

    def note(self, step: int, scores: dict[str, float]) -> bool:
        """Return whether a step's scores are the best so far, and remember that."""
        score = monitored(scores, self.monitor)
        if score > self.score:  # false where nothing could be scored
            self.step, self.score, self.stale = step, score, 0
            return True
        self.stale += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.patience <= self.stale

    def state(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {name: asdict(self)[name] for name in ("step", "score", "stale")}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned. Raises whatever no numbers bring."""
        self.step, self.stale = int(state["step"]), int(state["stale"])
        self.score = float(state["score"])


def monitored(scores: dict[str, float], monitor: str) -> float:
    """Return the score that counts: the one of that name, or the mean of the whole model's.

    >>> monitored({"val/clean/single": 90.0, "val/clean/temporal": 92.0}, "")
    92.0
    """
    if monitor:
        return scores[monitor]
    temporal = [value for name, value in scores.items() if name.endswith("/temporal")]
    values = temporal or list(scores.values())
    return sum(values) / len(values)


def check_monitor(monitor: str, names: Collection[str]) -> None:
    """Raise ConfigError unless the score of that name is one of those that a run has."""
    if monitor and monitor not in names:
        raise ConfigError(f"run.monitor: {monitor} is not one of {', '.join(names)}")
