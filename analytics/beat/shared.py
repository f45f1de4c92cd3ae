"""The lines of a plant shared between two threads.

What one line does depends on no other: whoever computes which, the bits are the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

WORTH = 10_000
"""Cells times beats from which a second thread saves more than it takes to wake it."""
CORES = len(os.sched_getaffinity(0))
LOOK_S = 5
"""So often the machine's load is looked at."""

T = TypeVar("T")


def shared(first_cell: NDArray[np.int64], beats: int, run: Callable[[int, int], T]) -> list[T]:
    """What `run(first line, last line)` gives for all lines: in one part or in two.

    first_cell: int64[lines + 1]. Where the second thread has not begun before the first part is
    done, the caller does the other part too.
    """
    lines, cells = len(first_cell) - 1, int(first_cell[-1])
    if lines < 2 or cells * beats < WORTH or not core_free():
        return [run(0, lines)]
    middle = min(max(int(np.searchsorted(first_cell, cells / 2)), 1), lines - 1)
    other = _second(os.getpid()).submit(run, middle, lines)
    try:
        mine = run(0, middle)
    finally:
        alone = other.cancel()
        if not alone:
            wait([other])  # it must not write any more when the first part fails
    return [mine, run(middle, lines) if alone else other.result()]


def core_free() -> bool:
    """May a second thread find a core? On a busy machine it would be begun and then wait."""
    return CORES > 1 and _load(int(time.monotonic() / LOOK_S)) < CORES


@lru_cache(maxsize=1)
def _load(_: int) -> float:
    return os.getloadavg()[0]


@cache
def _second(process: int) -> ThreadPoolExecutor:
    """The thread beside the caller's; a process that was forked off has its own."""
    return ThreadPoolExecutor(1, "lines")
