"""A restart with days of data in the spool: when live values flow again, and how the rest drains.

    python -m benchmarks.restart [--values 20000000] [--hours 72] [--rate 10000] [--rounds 5]

potline runs whole at a fast simulator of so many OPC UA tags at 1 Hz, with InfluxDB on the same
cores. It is killed with SIGKILL and started again, so many times; then the spool is filled with
values of the last hours, none of which the store has, as after an outage of the store, and the same
is done again while they drain. Seconds count from the start of the process: until its API answers,
until the first value taken after the start is durable, and until the page shows a beat of after the
start. Live values go first: their lag, from source time to when a query of InfluxDB shows them, is
taken while the backlog drains.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil

from benchmarks._servers import Usage, ours, until
from benchmarks.collector import cpu, unused_port
from benchmarks.side_by_side import PROBED, Database, Probe, database, opcua_plant
from benchmarks.writer import append
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from store.spool import Spool
from tests.conftest import CACHE, Influxd

POLL_S, SEGMENT, HOUR = 0.02, 40_000, 3600 * SECOND
STEADY_S = 15.0
DRAIN_S = 3600.0


class Page:
    """What the collector says of itself."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def _get(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(self._base + path, timeout=10) as answer:
                body: bytes = answer.read()
        except OSError:
            return b""
        return body

    def answers(self) -> bool:
        return bool(self._get("/healthz"))

    def metric(self, name: str) -> float:
        """The sum of a metric, 0 when nothing answers."""
        lines = self._get("/metrics").decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def received(self) -> float:
        return self.metric("potline_samples_received_total")

    def beat_ns(self) -> int:
        body = self._get("/api/v1/live")
        return int((json.loads(body).get("time_ms") or 0) * 1_000_000) if body else 0


def fill(plant: Plant, values: int, hours: float) -> None:
    """Values of all tags, evenly spread, up to an hour ago; what stands is computed already."""
    spool = Spool(Path(plant.store.path) / "spool.sqlite", plant)
    end, tags = time.time_ns() - HOUR, len(plant.tags)
    step = round(hours * HOUR / (values / tags))
    checkpoint = spool.checkpoints()
    for first in range(0, values, SEGMENT):
        row = np.arange(first, min(first + SEGMENT, values))
        drawn = np.random.default_rng(first).normal(4.0, 0.05, len(row))
        append(spool, Batch.of(row % tags, end - (values - row) // tags * step, drawn))
    for _ in range(2):  # as the beats would have done while these came
        spool.commit_beats([], [], checkpoint)
    spool.close()


def received(plant: Plant) -> int:
    """Values that the ledger knows, while nobody runs."""
    with contextlib.closing(Spool(Path(plant.store.path) / "spool.sqlite", plant)) as spool:
        return sum(row.received for row in spool.ledger().values())


def restart(
    file: Path, log: Path, drain: Database | None = None, steady_s: float = 0.0
) -> dict[str, float]:
    port, before = unused_port(), received(load(file))
    page = Page(port)
    began, began_ns = time.monotonic(), time.time_ns()
    found: dict[str, float] = {}
    with ours(log, "run", file, "--port", port) as process:
        for what, ready in (
            ("API answers", page.answers),
            ("a new value is durable", lambda: page.received() > before),
            ("the page shows a beat of after the start", lambda: page.beat_ns() > began_ns),
        ):
            while not ready():
                if time.monotonic() > began + 120:
                    raise SystemExit(f"waited 120 s until {what}; see {log}")
                time.sleep(POLL_S)
            found[what] = time.monotonic() - began
        if drain is not None:
            found |= drained(process, page, drain, file)
        time.sleep(steady_s)
        process.kill()
        process.wait()
    return found


def drained(process: psutil.Process, page: Page, store: Database, file: Path) -> dict[str, float]:
    ids = [cell.id for cell in load(file).cells]
    ids = ids[:: max(1, len(ids) // PROBED)][:PROBED]
    left, began = page.metric("potline_spool_samples"), time.monotonic()
    own, theirs = Usage.of(process).cpu_s, Usage.of(store.process).cpu_s
    probe = Probe(store, ids, "voltage")
    probe.start()
    until("the spool to drain", lambda: page.metric("potline_spool_samples") < SEGMENT, DRAIN_S)
    took = time.monotonic() - began
    lags = probe.stop()
    p50, p99 = np.percentile(lags, (50, 99)) if lags else (np.nan, np.nan)
    return {
        "values that waited": left,
        "drained, values/s": left / took,
        "the collector's share of a core meanwhile, %": (Usage.of(process).cpu_s - own)
        / took
        * 100,
        "influxd's share of a core meanwhile, %": (Usage.of(store.process).cpu_s - theirs)
        / took
        * 100,
        "lag of live values in the store meanwhile, p50 s": float(p50),
        "lag of live values in the store meanwhile, p99 s": float(p99),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=20_000_000)
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if not (CACHE / "bin" / "influxd-2.9.1").exists():
        print("not measured: no influxd (`make provision` builds it)")
        return
    print("python -m benchmarks.restart", *sys.argv[1:])
    print(f"{cpu()}, {os.cpu_count()} CPUs, Python {platform.python_version()}; InfluxDB 2.9.1;")
    print(f"{given.rate:,} tags at 1 Hz, {given.rounds} restarts each, medians and the longest")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), unused_port()
        served = opcua_plant(given.rate, port, Influxd(folder / "unused"), folder)
        stack.enter_context(ours(folder / "simulator", "simulate", served, "--fast", "--wave"))
        store = stack.enter_context(database(folder / "influxd"))
        own = folder / "collector"
        own.mkdir()
        file = opcua_plant(given.rate, port, store.server, own)
        plant = load(file)
        restart(file, own / "log", steady_s=STEADY_S)  # makes series and a checkpoint
        for spooled in (0, given.values):
            rounds = []
            for k in range(given.rounds):
                if spooled and not k:
                    fill(plant, spooled, given.hours)
                last = bool(spooled) and k + 1 == given.rounds
                rounds.append(restart(file, own / "log", store if last else None))
            title = f"{spooled:,} values of {given.hours:g} h" if spooled else "nothing"
            print(f"\nwith {title} in the spool")
            for what in rounds[-1]:
                seen = [r[what] for r in rounds if what in r]
                most = f"   longest {max(seen):.2f}" if len(seen) > 1 else ""
                print(f"  {what:<52} {statistics.median(seen):>14,.2f}{most}", flush=True)


if __name__ == "__main__":
    main()
