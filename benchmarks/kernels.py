"""One live beat, and a plant-day of the kernels beside polars and the memory, at 2,016 cells.

    python -m benchmarks.kernels [--beats 300] [--minutes 4]

The beat: freeze and assess with the whole table of figures and the alarm rules, medians. Each
cell's voltage and each line's current comes once a second at a moment of its own; set voltage,
feed mode, beam and the counters of each cell once a minute.

The plant-day: `minutes` of voltage and current, sorted as a store gives them, in frames of ten
beats and of thirty, scaled to a day. A frame costs its beats (energy, charge, anode effects, blocks
of noise, means of slope, early warning) and, once, the whole set of figures; the two lengths tell
the one from the other. polars does the work of the beats, cell by cell on the same samples: energy,
charge, means and variances of 8 s, means of 2 minutes, runs above 8 V; it has no frames to cut and
no figures. The memory: the sum of a large array of the same bytes, by one thread and by two.

assess shares the lines between two threads while the machine's load leaves a core free; run this
on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.beat.assess import assess, new_state, warm
from analytics.beat.assessment import SCOPES
from analytics.beat.frame import Frame, Held, freeze
from analytics.beat.shared import core_free
from analytics.kernel import kernel
from analytics.table.figures import beat_figures
from collector.frames import FrameBuilder
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant

LINES, CELLS = 6, 336
START = 1_795_190_400 * SECOND
FRAME_BEATS, LONG_FRAME = 10, 30  # no more: the early warning weighs its blocks every 30 s
SAMPLE_BYTES = 8 + 8 + 1  # time, value, quality
FAST = ("voltage", "current", "ac_power")

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
anonymous = true
[[tags]]
each = "cell"
source = "pots"
node = "s={line}.{cell}.{name}"
signals = ["voltage", "target_voltage", "feed_mode", "alumina_fed", "beam_position", "metal_tapped"]
[tags.interval_s]
voltage = 1
target_voltage = 60
feed_mode = 60
alumina_fed = 60
beam_position = 60
metal_tapped = 60
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
[[alarm]]
id = "line-current-drop"
kind = "line_current_drop"
low = 0.95
priority = 1
[[alarm]]
id = "stale-source"
kind = "stale_source"
high = 10
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
LEVELS = {"voltage": 3.95, "target_voltage": 3.95, "current": 600.0, "ac_power": 280.0,
          "beam_position": 200.0}  # fmt: skip


def big_plant() -> Plant:
    text = SITE + "".join(LINE.format(n=n, cells=CELLS) for n in range(1, LINES + 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)


def batch(plant: Plant, seconds: int, start: int, signals: tuple[str, ...] = ()) -> Batch:
    """Samples in the order of time: of the fast tags one a second at its own moment, of the others
    one a minute. signals: only of these."""
    rng = np.random.default_rng(start // SECOND % 1000)
    parts = []
    for tag in plant.tags:
        name = tag.signal.name
        if signals and name not in signals:
            continue
        step = 1 if name in FAST else 60
        first = tag.column % step
        times = np.arange(first, seconds, step) * SECOND + rng.integers(0, SECOND)
        values = LEVELS.get(name, 1.0) * (1 + 0.003 * rng.standard_normal(len(times)))
        if name not in FAST:
            values = np.full(len(times), LEVELS.get(name, 1.0))
        parts.append((np.full(len(times), tag.column), start + times, values))
    tags, times, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    return Batch.of(tags[order], times[order], values[order])


def median_us(run: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e6


def live_beat(plant: Plant, beats: int) -> None:
    samples = batch(plant, beats, START)
    edges = np.searchsorted(samples.times, START + np.arange(beats + 1) * SECOND)
    seconds = [samples.take(slice(a, b)) for a, b in pairwise(edges)]
    state, held = new_state(plant), Held.nothing(len(plant.tags))
    freezing, assessing, both = [], [], []
    for k, second in enumerate(seconds):
        start = START + k * SECOND
        began = time.perf_counter()
        frame, held = freeze(plant.hold_ns, start, start + SECOND, held, second)
        frozen = time.perf_counter()
        state, assessment = assess(plant, state, frame)
        done = time.perf_counter()
        freezing.append(frozen - began)
        assessing.append(done - frozen)
        both.append(done - began)
    rows = {scope: len(beat_figures()[scope]) for scope in SCOPES}
    assert all(assessment.figures[s].shape[0] == rows[s] for s in SCOPES)
    print(f"one beat, {rows['cell']} figures a cell, {rows['line']} a line, {rows['site']} of the"
          f" site, {len(plant.alarms)} alarm rules; median of {beats} (longest):")  # fmt: skip
    for name, taken in (("freeze", freezing), ("assess", assessing), ("both", both)):
        print(f"  {name:8} {statistics.median(taken) * 1e6:6.0f} µs"
              f"  ({max(taken[1:]) * 1e6:.0f})")  # fmt: skip


@kernel
def total(values: NDArray[np.float64]) -> float:
    """Eight sums that do not wait for each other: as fast as the memory gives."""
    a = b = c = d = e = f = g = h = 0.0
    for i in range(0, len(values) - 7, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    return a + b + c + d + e + f + g + h


def memory_GB_per_s(threads: int) -> float:
    values = np.ones(40_000_000)
    parts = np.array_split(values, threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(total, parts))
        taken = median_us(lambda: list(pool.map(total, parts)), 5)
    return values.nbytes / taken / 1e3


def ours_s(plant: Plant, samples: Batch, minutes: int, beats: int) -> tuple[float, float]:
    """Seconds for frames of so many beats, and to assess them."""
    builder, state = FrameBuilder(plant, START), new_state(plant)
    began = time.perf_counter()
    builder.add(samples)
    framing, assessing = time.perf_counter() - began, 0.0
    for _ in range(minutes * 60 // beats):
        began = time.perf_counter()
        frame: Frame = builder.close(beats)
        closed = time.perf_counter()
        state, _assessment = assess(plant, state, frame, alarms=False)
        framing += closed - began
        assessing += time.perf_counter() - closed
    return framing, assessing


def polars_frames(plant: Plant, samples: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(cell, line, time, volt) and (line, time, amp), both in the order of time."""
    cell = np.full(len(plant.tags), -1, np.int32)
    cell[plant.columns("cell", "voltage")] = np.arange(len(plant.cells))
    line = np.full(len(plant.tags), -1, np.int32)
    line[plant.columns("line", "current")] = np.arange(len(plant.lines))
    volts = pl.DataFrame({"cell": cell[samples.tags], "time": samples.times,
                          "volt": samples.values}).filter(pl.col("cell") >= 0)  # fmt: skip
    of = pl.Series("line", plant.line_of_cell)
    volts = volts.with_columns(of.gather(volts["cell"]).alias("line")).sort("time")
    amps = pl.DataFrame({"line": line[samples.tags], "time": samples.times,
                         "amp": samples.values}).filter(pl.col("line") >= 0)  # fmt: skip
    return volts, amps.sort("time")


def polars_day(volts: pl.DataFrame, amps: pl.DataFrame) -> list[pl.DataFrame]:
    """The work of the beats for each cell. The current joins as it stood at each reading, where
    ours takes every step of both."""
    seconds = pl.col("time").diff().over("cell").fill_null(0) / 1e9
    lazy = (
        volts.lazy()
        .join_asof(amps.lazy(), on="time", by="line")
        .with_columns(normal=1.65 + (pl.col("volt") - 1.65) * 600 / pl.col("amp"), dt=seconds)
        .with_columns(
            charge=pl.col("amp") * pl.col("dt"), above=pl.col("volt") > 8,
            block=pl.col("time") // (8 * SECOND), mean=pl.col("time") // (120 * SECOND),
        )
    )  # fmt: skip
    sums = lazy.group_by("cell").agg(
        (pl.col("volt") * pl.col("charge")).sum().alias("energy"), pl.col("charge").sum()
    )
    blocks = lazy.group_by("cell", "block").agg(
        pl.col("normal").mean(), pl.col("normal").var().alias("variance")
    )
    means = lazy.group_by("cell", "mean").agg(pl.col("normal").mean())
    runs = (
        lazy.with_columns(run=pl.col("above").rle_id().over("cell"))
        .filter(pl.col("above"))
        .group_by("cell", "run")
        .agg(pl.col("time").min().alias("start"), pl.col("time").max().alias("end"))
    )
    return pl.collect_all([sums, blocks, means, runs])


def plant_day(plant: Plant, minutes: int) -> None:
    samples = batch(plant, minutes * 60, START, ("voltage", "current"))
    samples = samples.take(np.lexsort((samples.times, samples.tags)))
    took = {}
    for beats in (FRAME_BEATS, LONG_FRAME):
        ours_s(plant, samples, minutes, beats)
        took[beats] = min((ours_s(plant, samples, minutes, beats) for _ in range(3)), key=sum)
    framing, assessing = took[FRAME_BEATS]
    # so many frames less, so much less time for the same beats
    fewer = minutes * 60 / FRAME_BEATS - minutes * 60 / LONG_FRAME
    figures = (assessing - took[LONG_FRAME][1]) / fewer * (minutes * 60 / FRAME_BEATS)
    hot = assessing - figures
    volts, amps = polars_frames(plant, samples)
    polars_day(volts, amps)
    theirs = median_us(lambda: polars_day(volts, amps), 3) / 1e6
    scale = 1440 / minutes
    rates = {threads: memory_GB_per_s(threads) for threads in (1, 2)}
    read = len(samples) * SAMPLE_BYTES / rates[1] / 1e9
    print(f"plant-day: {len(samples) * scale / 1e6:.0f} million samples of {SAMPLE_BYTES} B, scaled"
          f" from {minutes} minutes; assess {2 if core_free() else 1} threads, polars"
          f" {pl.thread_pool_size()}")  # fmt: skip
    table = [
        ("memory read, one thread", read),
        ("memory read, two threads", read * rates[1] / rates[2]),
        ("the beats alone", hot),
        ("every figure, once a frame", figures),
        ("frames of sorted samples", framing),
        ("all three", framing + assessing),
        ("polars, the beats alone", theirs),
    ]
    for name, taken in table:
        print(f"  {name:36} {taken * scale:8.2f} s   {len(samples) / taken / 1e6:8.1f} M samples/s"
              f"   {taken / read:6.1f} x the memory")  # fmt: skip
    print(f"  memory: {rates[1]:.1f} and {rates[2]:.1f} GB/s; polars takes"
          f" {theirs / hot:.1f} times as long as the beats alone,"
          f" {theirs / (framing + assessing):.1f} times as all three")  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--beats", type=int, default=300)
    options.add_argument("--minutes", type=int, default=4)
    asked = options.parse_args()
    plant = big_plant()
    warm(plant)
    print(f"machine: {cpu()}, {platform.system()} {platform.release()}")
    print(f"python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__},"
          f" polars {pl.__version__}")  # fmt: skip
    print(f"command: python -m benchmarks.kernels {' '.join(sys.argv[1:])}")
    print(f"plant: {len(plant.cells)} cells, {len(plant.tags)} tags")
    live_beat(plant, asked.beats)
    plant_day(plant, asked.minutes)


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
