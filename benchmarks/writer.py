"""From a full spool to InfluxDB, side by side with the same bytes posted by a minimal client.

    python -m benchmarks.writer [--values 2000000] [--rounds 3] [--plant PLANT.toml]

First what an append costs, in deliveries of a quarter of a second, synchronous=FULL. Then the
rates: in each round a minimal client posts bodies that were made before, over one and over two
connections, and the writer carries as many other values from a spool. All values are different
doubles of the plant's tags at one a second. CPU is of this process alone; influxd runs on the same
cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import http.client
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from store.influx import InfluxStore
from store.spool import Spool
from store.writer import Writer
from tests.conftest import CACHE, Influxd

SEGMENT = 40_000
BODY = 100_000
APPENDS = 200
FOREVER = 2**62


def values(plant: Plant, first: int, rows: int, start: int) -> Batch:
    """Rows first … first + rows of: every tag once a second from `start` on."""
    row = np.arange(first, first + rows)
    tags = len(plant.tags)
    drawn = np.random.default_rng(first).normal(4.0, 0.05, rows)
    return Batch.of(row % tags, start + row // tags * SECOND, drawn)


def append(spool: Spool, batch: Batch) -> None:
    counts = np.bincount(spool.plant.source_of_tag[batch.tags], minlength=len(spool.plant.sources))
    received = {s.id: int(n) for s, n in zip(spool.plant.sources, counts, strict=True)}
    spool.append(batch, received, {}, [], np.zeros(len(batch), np.bool_))


def show(what: str, value: float, unit: str) -> None:
    print(f"  {what:<58} {value:>12,.3f} {unit}", flush=True)


def appends(plant: Plant, folder: Path) -> None:
    for per_second in (50_000, 160_000):
        rows = per_second // 4
        spool = Spool(folder / f"{per_second}" / "spool.sqlite", plant)
        spool.claim()
        cpu, took = [], []
        for k in range(APPENDS):
            batch = values(plant, k * rows, rows, time.time_ns())
            began = time.process_time(), time.perf_counter()
            append(spool, batch)
            cpu.append(time.process_time() - began[0])
            took.append(time.perf_counter() - began[1])
        used = spool.used_bytes()
        print(f"append, {per_second:,} values/s in deliveries of {rows:,}")
        show("CPU, median", statistics.median(cpu) / rows * 1e6, "µs/value")
        show("CPU, mean with checkpoints of the WAL", statistics.mean(cpu) / rows * 1e6, "µs/value")
        show("time, median", statistics.median(took) * 1e3, "ms")
        show("time, p99", float(np.quantile(took, 0.99)) * 1e3, "ms")
        show("on the disk", used / rows / APPENDS, "B/value")
        spool.close()


def post(server: Influxd, bucket: str, bodies: Sequence[bytes]) -> None:
    link = http.client.HTTPConnection("127.0.0.1", server.port)
    path = f"/api/v2/write?org={server.org}&bucket={bucket}&precision=ns"
    for body in bodies:
        link.request("POST", path, body, {"Authorization": f"Token {server.token}"})
        answer = link.getresponse()
        answer.read()
        if answer.status != 204:
            raise RuntimeError(f"InfluxDB answered {answer.status}")
    link.close()


def minimal(server: Influxd, bucket: str, bodies: Sequence[bytes], links: int) -> float:
    """Seconds that posting takes."""
    began = time.perf_counter()
    with ThreadPoolExecutor(links) as pool:
        for done in [pool.submit(post, server, bucket, bodies[k::links]) for k in range(links)]:
            done.result()
    return time.perf_counter() - began


def rates(plant: Plant, folder: Path, count: int, rounds: int) -> None:
    server = Influxd(folder / "influxd")
    server.start()
    assert server.popen is not None
    os.environ["POTLINE_BENCH_TOKEN"] = server.token
    settings = dataclasses.replace(
        plant.store,
        kind="influxdb",
        url=server.url,
        org=server.org,
        token_file="",
        token_env="POTLINE_BENCH_TOKEN",
        bucket_prefix="bench",
        raw_days=0,
    )
    store = InfluxStore(settings, plant)
    start = time.time_ns() // SECOND * SECOND
    part = count // rounds
    apart = (part // len(plant.tags) + 60) * SECOND
    raw: dict[int, list[float]] = {1: [], 2: []}
    ours, own, theirs = [], [], []
    try:
        store.open()
        database = psutil.Process(server.popen.pid)
        warm = values(plant, 0, BODY, start - 10**6 * SECOND)
        store.write_samples(warm)
        for k in range(rounds):
            for links, seen in raw.items():
                at = start + (3 * k + links) * apart
                bodies = encoded(store, plant, part, at)
                seen.append(part / minimal(server, store.raw, bodies, links))
                del bodies
            spool = Spool(folder / f"round-{k}" / "spool.sqlite", plant)
            at = start + (3 * k + 3) * apart
            for first in range(0, part, SEGMENT):
                append(spool, values(plant, first, min(SEGMENT, part - first), at))
            writer = Writer(spool, store)
            cpu, db, began = time.process_time(), database.cpu_times(), time.perf_counter()
            writer.start()
            drained = writer.drain(3600)
            took = time.perf_counter() - began
            own.append((time.process_time() - cpu) / part)
            after = database.cpu_times()
            theirs.append((after.user + after.system - db.user - db.system) / part)
            ours.append(part / took)
            writer.stop()
            spool.close()
            if not drained:
                raise RuntimeError("the spool was not drained in an hour")
        found = int(store.count(start, FOREVER).sum())
    finally:
        store.close()
        server.stop()
    print(f"InfluxDB 2.9.1, {part:,} values a round; it has {found:,}, {3 * part * rounds:,} sent")
    best = max(statistics.median(seen) for seen in raw.values())
    for links, seen in raw.items():
        show(
            f"bare bytes, minimal client, {links} connection(s)",
            statistics.median(seen),
            "values/s",
        )
    rate = statistics.median(ours)
    show("the writer, from the spool", rate, "values/s")
    show("of what the bare bytes reach", 100 * rate / best, "%")
    show("the writer's CPU", statistics.median(own) * 1e6, "µs/value")
    show("the writer's share of a core at that rate", 100 * statistics.median(own) * rate, "%")
    show("influxd's CPU meanwhile", statistics.median(theirs) * 1e6, "µs/value")


def encoded(store: InfluxStore, plant: Plant, count: int, at: int) -> list[bytes]:
    bodies = []
    for first in range(0, count, BODY):
        batch = values(plant, first, min(BODY, count - first), at)
        bodies.append(bytes(store._lines(batch, store._order(batch))))
    return bodies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plant", type=Path, default=Path("deploy/plants/smelter.toml"))
    given = parser.parse_args()
    plant = load(given.plant)
    plant = dataclasses.replace(plant, store=dataclasses.replace(plant.store, raw_days=0))
    names = ("numpy", "numba", "orjson", "pyarrow", "urllib3")
    print("python -m benchmarks.writer", *sys.argv[1:])
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(", ".join(f"{name} {version(name)}" for name in names))
    print(f"{given.plant.name}: {len(plant.tags):,} tags; {given.rounds} rounds, medians")
    with tempfile.TemporaryDirectory() as folder:
        appends(plant, Path(folder))
        if (CACHE / "bin" / "influxd-2.9.1").exists():
            rates(plant, Path(folder), given.values, given.rounds)
        else:
            print("InfluxDB: not measured, no influxd (`make provision` builds it)")


if __name__ == "__main__":
    main()
