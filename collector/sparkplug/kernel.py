"""How the kernels of this package are compiled: cached on disk, without the GIL, and counting no
references of arrays, which would cost more than the walk. The cache stands in a folder named after
the text of all files with kernels, for numba looks at the outer kernel's own file only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

_HERE = Path(__file__).parent
_TEXTS = b"".join(
    text
    for text in (file.read_bytes() for file in sorted(_HERE.glob("*.py")))
    if b"sparkplug.kernel import" in text
)
_BASE = Path(os.environ.get("NUMBA_CACHE_DIR") or _HERE / "__pycache__")
_FOLDER = str(_BASE / f"sparkplug-{hashlib.sha256(_TEXTS).hexdigest()[:12]}")
_settings: Any = config  # its stub does not know the folder
_njit: Any = njit  # nor _nrt


def kernel(function: Callable[..., object]) -> Any:
    """Compile for numba; `function.py_func` stays the plain Python one."""
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = _FOLDER
    try:
        return _njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    finally:
        _settings.CACHE_DIR = before


def inlined(function: Callable[..., object]) -> Any:
    """A part that is written into its callers."""
    return _njit(inline="always", error_model="numpy", _nrt=False)(function)
