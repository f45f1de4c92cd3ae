"""How many times faster than real time a line of 240 cells is simulated on one core.

    python -m benchmarks.simulator [--minutes 30] [--runs 3]

The physics alone, and with all samples of the line's tags made. CPU seconds of the process, the
best of some runs; compiled before.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from plant.batch import SECOND
from plant.load import load
from plant.model import Plant
from simulators.cell_events import LOG
from simulators.plant_model import SIGNALS, advance
from simulators.simulation import Simulation

DEMO = Path(__file__).parent.parent / "deploy" / "plants" / "demo.toml"
CELLS = 240
START = 1_795_219_200 * SECOND


def line_of_240() -> Plant:
    """The demo plant with 120 cells in each of its lines."""
    text = DEMO.read_text(encoding="utf-8")
    was = 'sections = { A = "001-012", B = "013-024" }'
    if was not in text:
        raise SystemExit(f"{DEMO} has no {was} any more: write here what its sections are")
    text = text.replace(was, f'sections = {{ A = "001-{CELLS // 2}" }}')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)


def physics(plant: Plant, minutes: int) -> int:
    """The kernel alone. -> samples made"""
    simulation = Simulation(plant, START)
    cells, lines = simulation.cells, simulation.lines
    signals = np.empty((len(SIGNALS), 60, CELLS))
    amperes, watts = np.empty((60, len(lines))), np.empty((60, len(lines)))
    log, count = np.empty(140 * CELLS, LOG), np.zeros(1, np.int64)
    for minute in range(minutes):
        advance(
            cells.nature, cells.state, cells.sums, lines, minute * 60, 1.0,
            signals, amperes, watts, log, count,
        )  # fmt: skip
    return 0


def with_samples(plant: Plant, minutes: int) -> int:
    """Everything: samples by the minute, meters, boilers, truth. -> samples made"""
    simulation = Simulation(plant, START)
    return sum(len(simulation.run(60)) for _ in range(minutes))


def cpu_s(work: Callable[[Plant, int], int], plant: Plant, minutes: int) -> tuple[float, int]:
    began = time.process_time()
    samples = work(plant, minutes)
    return time.process_time() - began, samples


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    plant = line_of_240()
    print(f"python -m benchmarks.simulator {' '.join(sys.argv[1:])}")
    processor = platform.processor() or "processor not named"
    versions = f"numba {numba.__version__}, numpy {np.__version__}"
    print(f"{platform.machine()}, {processor}; Python {platform.python_version()}, {versions}")
    print(f"{CELLS} cells, {len(plant.tags)} tags, {asked.minutes} simulated minutes, steps of 1 s")
    for name, work in (("physics", physics), ("with all samples and truth", with_samples)):
        work(plant, 1)
        runs = [cpu_s(work, plant, asked.minutes) for _ in range(asked.runs)]
        seconds, samples = min(runs)
        made = f", {samples / seconds / 1e6:.2f} million samples/s" if samples else ""
        print(f"  {name:<28} {asked.minutes * 60 / seconds:>8,.0f} times real time{made}")


if __name__ == "__main__":
    main()
