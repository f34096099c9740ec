"""Run a coroutine from a test that is none itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def finished(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what a coroutine returns, run in a thread of its own.

    `asyncio.run` in the main thread would drop the loop that Gradio opened there, unclosed.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
