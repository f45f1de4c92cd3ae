"""`potline check` of the large plant, whole commands from start to end. Medians.

python -m benchmarks.check [--runs 5]
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PLANT = Path(__file__).parent.parent / "deploy" / "plants" / "smelter.toml"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    wall = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "potline", "check", str(PLANT)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall.append(time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / runs
    print(f"python -m benchmarks.check; {platform.machine()}, Python {platform.python_version()}")
    print(f"potline check {PLANT.name}: {statistics.median(wall):.2f} s wall (median of {runs}), "
          f"{cpu:.2f} s of CPU")  # fmt: skip


if __name__ == "__main__":
    main()
