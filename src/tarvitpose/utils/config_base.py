"""What all configurations share, and the keys that earlier versions called otherwise."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

RENAMED = {  # keys of configurations in earlier versions, and what they are called now
    "kinds": "degradations",  # until 0.4
    "place_loss_weight": "position_loss_weight",  # these until 0.5
    "unspoilt_loss_weight": "clean_loss_weight",
    "validation_kinds": "validation_degradations",
}


def renamed(values: Any) -> Any:
    """Return the values of a configuration with their keys as they are called now.

    Raises ValueError where a value is given under both names.
    """
    if not isinstance(values, dict):
        return values
    for old, new in RENAMED.items():
        if old in values and new in values:
            raise ValueError(f"{old} is called {new} now: give one of them")
    return {RENAMED.get(key, key): value for key, value in values.items()}


def temporal_none(values: Any) -> Any:
    """Return values with `single_frame`, until 0.7, as it is called now.

    Raises ValueError where `temporal` says something else.
    """
    if not isinstance(values, dict) or "single_frame" not in values:
        return values
    rest = {key: value for key, value in values.items() if key != "single_frame"}
    if values["single_frame"] and rest.setdefault("temporal", "none") not in ("auto", "none"):
        raise ValueError('single_frame is called temporal "none" now: give one of them')
    return {**rest, "temporal": "none"} if values["single_frame"] else rest


# Limits of the numbers in configurations: beyond what anybody needs, short of what breaks.
MOST = 1_000_000_000  # of what is counted: steps, frames, seconds, seeds
MOST_REPEATS = 1_000_000  # epochs, rounds, records of records
MOST_CROPS = 4096  # that are read at once
MOST_PROCESSES = 256  # of one machine
LARGEST_FACTOR = 1000.0  # that a rate, a loss or a size is multiplied by
LARGEST_ID = 2**63 - 1  # of people and files, 64 bits as formats have them


class Config(BaseModel):
    """What all configurations share: frozen, unknown keys are errors, and old keys are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    _renamed = model_validator(mode="before")(renamed)
