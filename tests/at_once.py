"""Several threads at once, each with a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")
PATIENCE = 30.0  # seconds


def run_at_once(function: Callable[[], Result], *, threads: int) -> list[Result]:
    """Call `function` in so many threads that begin together; return what each returned."""
    barrier = threading.Barrier(threads)

    def call() -> Result:
        barrier.wait(PATIENCE)
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(call) for _ in range(threads)]
        return [begun.result() for begun in calls]
