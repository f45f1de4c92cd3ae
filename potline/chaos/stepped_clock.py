"""`python -m potline.chaos.stepped_clock FILE run PLANT …`: potline with a clock that is stepped.

FILE holds how far this process's wall clock is ahead of the machine's: int64 ns, little-endian.
Only the storm starts potline in this way; the machine's own clock is left alone.
"""

from __future__ import annotations

import mmap
import sys
import time
from pathlib import Path

SIZE = 8


def write(file: Path, ahead_ns: int) -> None:
    """Step the clock; at the first time, before the process starts, this makes the file."""
    with file.open("r+b" if file.exists() else "wb") as target:
        target.write(ahead_ns.to_bytes(SIZE, "little", signed=True))


def main() -> None:
    with Path(sys.argv.pop(1)).open("rb") as file:
        ahead = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
    real = time.time_ns

    def time_ns() -> int:
        return real() + int.from_bytes(ahead[:SIZE], "little", signed=True)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9

    from potline.main import run_app

    run_app()


if __name__ == "__main__":
    main()
