"""What keeping samples costs: spool, embedded store, line protocol, InfluxDB.

    python -m benchmarks.store [--rounds 5] [--plant deploy/plants/smelter.toml]

One lot is 100,000 values of the plant's tags, all different doubles. The collector's share is its
CPU over that of itself and influxd while it writes as fast as it can.
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from store.embedded import EmbeddedStore
from store.influx import InfluxStore
from store.spool import Spool
from store.writer import Writer
from tests.conftest import CACHE, Influxd

LOT = 100_000
LOTS = 10
FOREVER = 2**62


def lot(plant: Plant, start: int, rows: int = LOT) -> Batch:
    """Every tag once a second from `start` on, until there are so many rows."""
    row = np.arange(rows)
    tags = len(plant.tags)
    values = np.random.default_rng(start % 2**32).normal(4.0, 0.05, rows)
    return Batch.of(row % tags, start + row // tags * SECOND, values)


def seconds(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def show(what: str, value: float, unit: str) -> None:
    print(f"  {what:<58} {value:>12,.2f} {unit}")


def spool(plant: Plant, folder: Path, rounds: int) -> None:
    """Rate and commit time of appends, each one transaction with its ledger."""
    print("spool, SQLite WAL, synchronous=FULL")
    for rows in (1_000, 20_000):
        took = []
        with_folder = folder / f"spool-{rows}"
        kept = Spool(with_folder / "spool.sqlite", plant)
        for k in range(50 * rounds):
            batch = lot(plant, k * SECOND * 10, rows)
            counts = np.bincount(plant.source_of_tag[batch.tags], minlength=len(plant.sources))
            received = {s.id: int(n) for s, n in zip(plant.sources, counts, strict=True)}
            suspect = np.zeros(rows, np.bool_)
            took.append(
                seconds(lambda k=kept, b=batch, r=received, s=suspect: k.append(b, r, {}, [], s))
            )
        show(f"append of {rows:,} samples, median", statistics.median(took) * 1e3, "ms")
        show(f"append of {rows:,} samples, p99", float(np.quantile(took, 0.99)) * 1e3, "ms")
        show("samples a second", rows / statistics.median(took), "1/s")
        kept.close()


def embedded(plant: Plant, folder: Path, rounds: int) -> None:
    print("embedded store, Parquet and DuckDB")
    store = EmbeddedStore(folder / "embedded", plant)
    start = time.time_ns() // SECOND * SECOND
    batches = [lot(plant, start + k * 3600 * SECOND) for k in range(rounds * 4)]
    took = [seconds(lambda b=b: store.write_samples(b)) for b in batches]
    show("write, values a second, merging included", LOT * len(took) / sum(took), "1/s")
    rows = len(batches) * LOT
    read = [seconds(lambda: store.samples(None, 0, FOREVER)) for _ in range(rounds)]
    show(f"read of {rows:,} values, values a second", rows / statistics.median(read), "1/s")
    size = sum(p.stat().st_size for p in store.path.rglob("*.parquet"))
    show("bytes a value on disk (before the grace time is over)", size / rows, "B")


def influx(plant: Plant, folder: Path, rounds: int) -> None:
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
    try:
        store.open()
        measure_influx(store, server, plant, folder, rounds)
    finally:
        store.close()
        server.stop()


def measure_influx(
    store: InfluxStore, server: Influxd, plant: Plant, folder: Path, rounds: int
) -> None:
    assert server.popen is not None
    database, ourselves = psutil.Process(server.popen.pid), psutil.Process()

    def cpu(process: psutil.Process) -> float:
        times = process.cpu_times()
        return times.user + times.system

    print("line protocol")
    batch = lot(plant, 0)
    batch = batch.take(np.lexsort((batch.tags, batch.times, store._head_of[batch.tags])))
    text = store._lines(batch)
    took = [seconds(lambda: store._lines(batch), time.process_time) for _ in range(4 * rounds)]
    show("encoding, CPU", statistics.median(took) / LOT * 1e9, "ns/value")
    show("size", len(text) / LOT, "B/value")

    print("InfluxDB 2.9.1, one line a cell and time, on the same cores")
    start = time.time_ns() // SECOND * SECOND
    bodies = [store._lines(batch_of(batch, start + k * 60 * SECOND)) for k in range(LOTS)]
    raw = []
    for _ in range(rounds):
        link = http.client.HTTPConnection("127.0.0.1", server.port)
        raw.append(seconds(lambda link=link: [post(link, store.raw, server, b) for b in bodies]))
        link.close()
    show("bare bytes by a minimal client", LOT * LOTS / statistics.median(raw), "values/s")

    rates, own, theirs = [], [], []
    for k in range(rounds):
        first = start + (k + 1) * 3600 * SECOND
        batches = [lot(plant, first + i * 60 * SECOND) for i in range(LOTS)]
        was = cpu(ourselves), cpu(database)
        took_s = seconds(lambda b=batches: [store.write_samples(x) for x in b])
        own.append((cpu(ourselves) - was[0]) / (LOT * LOTS))
        theirs.append((cpu(database) - was[1]) / (LOT * LOTS))
        rates.append(LOT * LOTS / took_s)
    show("our store, write_samples", statistics.median(rates), "values/s")
    us, db = statistics.median(own), statistics.median(theirs)
    show("the collector's CPU", us * 1e6, "µs/value")
    show("influxd's CPU", db * 1e6, "µs/value")
    show("the collector's share of both", 100 * us / (us + db), "%")
    show("the collector's share of a core at that rate", 100 * us * statistics.median(rates), "%")

    spool = Spool(folder / "carried" / "spool.sqlite", plant)
    first = start + 10**6 * SECOND
    for k in range(LOTS):
        batch = lot(plant, first + k * 60 * SECOND)
        counts = np.bincount(plant.source_of_tag[batch.tags], minlength=len(plant.sources))
        received = {s.id: int(n) for s, n in zip(plant.sources, counts, strict=True)}
        spool.append(batch, received, {}, [], np.zeros(LOT, np.bool_))
    writer = Writer(spool, store)
    was = cpu(ourselves)
    carried = seconds(lambda: [None for _ in iter(writer.step, 0)])
    show("from the spool by the writer", LOT * LOTS / carried, "values/s")
    show("its CPU", (cpu(ourselves) - was) / (LOT * LOTS) * 1e6, "µs/value")
    spool.close()

    read = [seconds(lambda: store.samples(None, start, start + 60 * SECOND)) for _ in range(rounds)]
    n = len(store.samples(None, start, start + 60 * SECOND))
    show(f"reading {n:,} values back", statistics.median(read), "s")


def batch_of(batch: Batch, start: int) -> Batch:
    return Batch(batch.tags, batch.times + start, batch.values, batch.quality)


def post(link: http.client.HTTPConnection, bucket: str, server: Influxd, body: bytes) -> None:
    headers = {"Authorization": f"Token {server.token}"}
    path = f"/api/v2/write?org={server.org}&bucket={bucket}&precision=ns"
    link.request("POST", path, body, headers)
    answer = link.getresponse()
    answer.read()
    if answer.status != 204:
        raise RuntimeError(f"InfluxDB answered {answer.status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plant", type=Path, default=Path("deploy/plants/smelter.toml"))
    given = parser.parse_args()
    plant = load(given.plant)
    plant = dataclasses.replace(plant, store=dataclasses.replace(plant.store, raw_days=0))
    names = ("numpy", "numba", "orjson", "duckdb", "pyarrow", "influxdb-client")
    print("python -m benchmarks.store", *sys.argv[1:])
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(", ".join(f"{name} {version(name)}" for name in names))
    print(f"{given.plant.name}: {len(plant.tags):,} tags; medians of {given.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        spool(plant, Path(folder), given.rounds)
        embedded(plant, Path(folder), given.rounds)
        if (CACHE / "bin" / "influxd-2.9.1").exists():
            influx(plant, Path(folder), given.rounds)
        else:
            print("InfluxDB: not measured, no influxd (`make provision` builds it)")


if __name__ == "__main__":
    main()
