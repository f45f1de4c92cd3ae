"""How the kernels of this package are compiled: cached on disk, without the GIL.

Numba asks only whether the outer kernel's own file is the same; a part of it may have changed in
another. So the cache stands in a folder named after the text of all files with kernels.
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
    if b"mqtt.kernel import kernel" in text
)
_BASE = Path(os.environ.get("NUMBA_CACHE_DIR") or _HERE / "__pycache__")
_FOLDER = str(_BASE / f"mqtt-{hashlib.sha256(_TEXTS).hexdigest()[:12]}")
_settings: Any = config  # its stub does not know the folder


def kernel(function: Callable[..., object]) -> Any:
    """Compile for numba; `function.py_func` stays the plain Python one."""
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = _FOLDER
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        _settings.CACHE_DIR = before
