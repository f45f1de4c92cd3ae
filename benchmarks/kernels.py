"""One live beat of `assess`, and a plant-day of its kernels, at 2,016 cells. Medians.

    python benchmarks/kernels.py [--beats 200] [--minutes 10]

The plant-day is measured on a chunk of the given length, in frames of one minute, and scaled;
the printed line says so. Samples are random around a working cell, each at a time of its own.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from analytics.assess import assess, new_state, warm
from analytics.frame import Frame, Held, freeze
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant

LINES, CELLS = 6, 336
START = 1_795_190_400 * SECOND

SITE = """
[site]
id = "bench"
name = "Benchmark"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "var/bench"
[[source]]
id = "pots"
kind = "opcua"
url = "opc.tcp://127.0.0.1:4840"
namespace = "urn:bench"
[[tags]]
each = "cell"
source = "pots"
node = "s={line}.{cell}.{name}"
signals = ["voltage", "target_voltage"]
[[tags]]
each = "line"
source = "pots"
node = "s={line}.{name}"
signals = ["current"]
[[tags]]
each = "rectifier"
source = "pots"
node = "s={line}.{id}.{name}"
signals = ["ac_power"]
[[alarm]]
id = "anode-effect"
kind = "anode_effect"
priority = 1
[[alarm]]
id = "excess-energy"
kind = "excess_energy"
high = 300
priority = 2
"""
LINE = """
[[line]]
id = "L{n}"
name = "Line {n}"
technology = "PFPB_M"
nominal_current_kA = 600
current_efficiency = 0.935
net_carbon_t_per_t = 0.411
sections = {{ A = "001-{cells}" }}
target_voltage_V = 3.95
target_dc_kWh_per_t = 12600
[[rectifier]]
id = "L{n}-R"
name = "Rectifiers {n}"
line = "L{n}"
"""


def big_plant() -> Plant:
    text = SITE + "".join(LINE.format(n=n, cells=CELLS) for n in range(1, LINES + 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)


def batches(plant: Plant, seconds: int, start: int) -> Batch:
    """One sample of each tag a second, at its own moment."""
    rng = np.random.default_rng(1)
    n = len(plant.tags)
    level = np.array([{"kA": 600.0, "MW": 280.0}.get(t.unit, 3.95) for t in plant.tags])
    tags = np.tile(np.arange(n, dtype=np.int32), seconds)
    times = start + np.repeat(np.arange(seconds) * SECOND, n) + rng.integers(0, SECOND, n * seconds)
    values = np.tile(level, seconds) * (1 + 0.003 * rng.standard_normal(n * seconds))
    return Batch.of(tags, times, values)


def frames(plant: Plant, seconds: int, frame_s: int) -> list[Frame]:
    held = Held.nothing(len(plant.tags))
    result = []
    for start in range(START, START + seconds * SECOND, frame_s * SECOND):
        end = start + frame_s * SECOND
        frame, held = freeze(plant.hold_ns, start, end, held, batches(plant, frame_s, start))
        result.append(frame)
    return result


def median_s(run: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--beats", type=int, default=200)
    options.add_argument("--minutes", type=int, default=10)
    asked = options.parse_args()
    plant = big_plant()
    warm(plant)
    print(f"machine: {cpu()}, {platform.system()} {platform.release()}")
    print(f"python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}")
    print(f"command: python {' '.join(sys.argv)}")
    print(f"plant: {len(plant.cells)} cells, {len(plant.tags)} tags, one sample of each a second")

    live = iter(frames(plant, asked.beats, 1))
    state = new_state(plant)
    assess_s = median_s(lambda: assess(plant, state, next(live)), asked.beats)
    batch = batches(plant, 1, START)
    nothing = Held.nothing(len(plant.tags))
    freeze_s = median_s(
        lambda: freeze(plant.hold_ns, START, START + SECOND, nothing, batch), asked.beats
    )
    print(f"one beat: assess {assess_s * 1e6:.0f} µs, freeze {freeze_s * 1e6:.0f} µs (medians)")

    chunk = frames(plant, asked.minutes * 60, 60)

    def day() -> None:
        run = new_state(plant)
        for frame in chunk:
            assess(plant, run, frame)

    scale = 86400 / (asked.minutes * 60)
    print(
        f"plant-day of assess: {median_s(day, 3) * scale:.1f} s of one core,"
        f" scaled from {asked.minutes} minutes in frames of one minute (median of 3)"
    )


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
