"""How the simulator's kernels are compiled: cached on disk, without the GIL, IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile for numba; `function.py_func` stays the plain Python one."""
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))


def part(function: F) -> F:
    """Compile for use inside kernels only."""
    bare: Any = njit  # its stub does not know the two options that halve the time to compile
    compiled = bare(
        cache=True,
        nogil=True,
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
    )(function)
    return cast(F, compiled)
