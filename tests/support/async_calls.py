"""Run a coroutine from a test that is not async."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Value = TypeVar("Value")


def finished(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Return the result of a coroutine, run in a separate thread.

    In the main thread `asyncio.run` would replace the event loop that Gradio opened there.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
