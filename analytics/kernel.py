"""How every kernel is compiled: cached on disk, without the GIL, IEEE arithmetic as written.

No fast-math flag: replay must give the live figures bit for bit, also on another processor, and
NaN is our gap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, vectorize
from numpy.typing import NDArray

Floats = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile for numba; `function.py_func` stays the plain Python one."""
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))


def elementwise(function: Callable[[float, float], float]) -> Callable[[Floats, Floats], Floats]:
    """Compile a function of two numbers into one of two arrays that broadcast."""
    untyped: Any = vectorize
    compiled = untyped(["float64(float64, float64)"], cache=True)(function)
    return cast(Callable[[Floats, Floats], Floats], compiled)


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
