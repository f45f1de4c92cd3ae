"""Replay from the embedded store: read, frame, compute every figure; samples a second. Medians.

    python -m benchmarks.replay [--minutes 20] [--times 3]

2,016 cells, one voltage a second each and the line currents, as `potline replay` runs them: chunks
read while the ones before are computed, frames of ten beats, no alarm rules. Beside it the reading
alone.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np

from analytics.beat.assess import warm
from benchmarks.kernels import FAST, START, batch, big_plant, cpu
from collector.forward import Run, chunk_ns, forward
from collector.gather import Gather
from plant.batch import SECOND
from plant.model import Plant
from store.embedded import EmbeddedStore
from store.history import History
from store.spool import Spool

WRITE_S = 400


def fill(plant: Plant, store: EmbeddedStore, minutes: int) -> int:
    """Write so many minutes; returns the samples."""
    written = 0
    for second in range(0, minutes * 60, WRITE_S):
        length = min(WRITE_S, minutes * 60 - second)
        written += store.write_samples(batch(plant, length, START + second * SECOND, FAST)).stored
    return written


def median_s(run: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant = big_plant()
        plant = replace(plant, store=replace(plant.store, path=name, raw_days=0))
        warm(plant)
        store = EmbeddedStore(folder / "store", plant)
        samples = fill(plant, store, asked.minutes)
        spool = Spool(folder / "spool.sqlite", plant)
        history = History(store, spool)
        until = START + asked.minutes * 60 * SECOND

        def read() -> None:
            for start in range(START, until, chunk_ns(plant)):
                history.samples(None, start, min(start + chunk_ns(plant), until))

        def replay() -> None:
            gathered = Gather(plant)
            run = Run.fresh(plant, START)
            for _, assessment in forward(run, history, until, longest=10, alarms=False):
                gathered.add(assessment)
                if len(gathered) > 60:
                    gathered.clear()

        read()
        reading, replaying = median_s(read, asked.times), median_s(replay, asked.times)
        spool.close()
    print(f"machine: {cpu()}, {platform.system()} {platform.release()}")
    print(f"python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}")
    print(f"command: python -m benchmarks.replay {' '.join(sys.argv[1:])}")
    print(f"{samples:,} samples of {len(plant.cells)} cells, {asked.minutes} minutes")
    print("| what | s | million samples/s |")
    print("|---|---|---|")
    for what, seconds in (("reading alone", reading), ("replay, every figure", replaying)):
        print(f"| {what} | {seconds:.2f} | {samples / seconds / 1e6:.1f} |")


if __name__ == "__main__":
    main()
