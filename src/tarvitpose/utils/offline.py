"""Offline mode: nothing is downloaded or reported. A stream that the user names is still opened."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("TARVITPOSE_OFFLINE", "HF_HUB_OFFLINE")
YES = ("1", "on", "yes", "true")
OTHERS = {  # what packages that we may load look at when they are imported
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "offline",
}


def is_offline() -> bool:
    """Tell whether TARVITPOSE_OFFLINE or HF_HUB_OFFLINE is set to 1, on, yes or true."""
    return any(os.environ.get(name, "").lower() in YES for name in VARIABLES)


@contextmanager
def offline() -> Iterator[None]:
    """Be offline for a while, together with the packages that are imported meanwhile."""
    variables = dict.fromkeys(VARIABLES, "1") | OTHERS
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
