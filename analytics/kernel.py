"""How every kernel is compiled: cached on disk, without the GIL, IEEE arithmetic as written.

No fast-math flag: replay must give the live figures bit for bit, also on another processor, and
NaN is our gap.

Numba looks at a kernel's own file only when it asks whether the cached one is still good; a part
that it calls may have changed in another. So the cache stands in a folder named after the text of
all files with kernels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import config, njit, vectorize
from numpy.typing import NDArray

Floats = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., object])


def cache_folder(sources: Path, base: str) -> str:
    """Where the kernels of these files belong, under `base`, by default beside them."""
    texts = [file.read_bytes() for file in sorted(sources.rglob("*.py"))]
    kernels = b"".join(text for text in texts if b"analytics.kernel import" in text)
    name = f"kernels-{hashlib.sha256(kernels).hexdigest()[:12]}"
    return str((Path(base) if base else sources / "__pycache__") / name)


_settings: Any = config  # its stub does not know the folder
_settings.CACHE_DIR = cache_folder(Path(__file__).parent, _settings.CACHE_DIR)


def kernel(function: F) -> F:
    """Compile for numba; `function.py_func` stays the plain Python one."""
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))


def bare_kernel(function: F) -> F:
    """A kernel that allocates nothing and counts no references: in a loop over thousands of cells
    the counting costs more than the work."""
    untyped: Any = njit
    return cast(F, untyped(cache=True, nogil=True, error_model="numpy", _nrt=False)(function))


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


def bare_part(function: F) -> F:
    """A part for bare kernels, itself without counting."""
    bare: Any = njit
    compiled = bare(
        cache=True,
        nogil=True,
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        _nrt=False,
    )(function)
    return cast(F, compiled)


def inlined(function: F) -> F:
    """A part that is written into its caller: for those called for each cell, which would
    otherwise hand over every array anew."""
    untyped: Any = njit
    return cast(F, untyped(inline="always", error_model="numpy")(function))
