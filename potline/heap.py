"""Memory: the C library told to give back what a burst took, Python not to walk what is loaded.

glibc gives each thread a heap of its own and keeps what was freed, in ever larger blocks: with ten
threads that pass arrays of megabytes on, a collector of 160,000 tags held 200 MB more than it used.
"""

from __future__ import annotations

import ctypes
import gc

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of <malloc.h>
ARENAS = 2
LARGE = 4 << 20
"""Blocks of so many bytes are the system's again when they are freed."""


def modest() -> None:
    """For this process; other C libraries than glibc are left as they are."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, ARENAS)
        mallopt(_MMAP_THRESHOLD, LARGE)


def starting() -> None:
    """Nothing becomes garbage while a program is loaded; looking for it takes a tenth longer."""
    gc.disable()


def started() -> None:
    """What is garbage from now on is looked for."""
    gc.enable()
