"""SSE clients held: CPU of the server and how far apart its clients see a beat.

    python -m benchmarks.sse [--clients 500] [--beats 10] [--plant deploy/plants/smelter.toml]

The server runs in a process of its own and publishes one beat a second in which every figure of
every cell has changed, the most there can be. The delay of a beat is from its publication to its
last byte at a client, on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import re
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from analytics.beat.assessment import ANODE_EFFECT, SCOPES, TRANSITION, Assessment
from analytics.beat.frame import Held, freeze
from analytics.table.figures import beat_figures
from api.app import create_app
from api.context import Context
from api.live import LiveHub
from api.server import Server, listen
from plant.batch import Batch
from plant.load import load
from store.alarms import AlarmTable
from store.entries import FILE, Entries
from store.history import History
from store.open import open_store
from store.restatements import Restatements
from store.spool import Spool

WARM_UP_BEATS = 2


def serve(plant_file: Path, folder: str, beats: int, pipe: Connection) -> None:
    """The server process: serves, publishes when told, reports its CPU seconds and memory."""
    os.chdir(folder)
    plant = load(plant_file)
    spool = Spool(Path("spool.sqlite"), plant)
    store = open_store(plant)
    alarms = AlarmTable(Path("alarms.sqlite"), plant)
    live = LiveHub(plant, tuple, alarms)
    entries = Entries(Path(FILE))
    history, restatements = History(store, spool), Restatements(Path(), plant)
    context = Context(plant, live, store, history, spool, alarms, restatements, entries, tuple)
    random = np.random.default_rng(1)

    def publish() -> None:
        now = time.time_ns()
        batch = Batch.of(
            np.arange(len(plant.tags)),
            np.full(len(plant.tags), now),
            random.random(len(plant.tags)),
        )
        held = Held.nothing(len(plant.tags))
        frame, _ = freeze(plant.hold_ns, now, now + plant.beat_ns, held, batch)
        values = {
            s: random.random((len(beat_figures()[s]), len(plant.entities(s)))) * 1e4 for s in SCOPES
        }
        nothing = np.empty(0, ANODE_EFFECT), np.empty(0, TRANSITION)
        live.publish(frame, Assessment(time.time_ns(), values, *nothing))

    async def run() -> None:
        socket = listen("127.0.0.1", 0)
        server = Server(create_app(context), live)
        serving = asyncio.create_task(server.serve([socket]))
        pipe.send(socket.getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        for beat in range(WARM_UP_BEATS + beats):
            if beat == WARM_UP_BEATS:
                cpu, wall = time.process_time(), time.perf_counter()
            publish()
            await asyncio.sleep(1)
        pipe.send((time.process_time() - cpu, time.perf_counter() - wall, live.clients))
        pipe.send(len(live.beat.delta))
        server.should_exit = True
        await serving

    asyncio.run(run())


async def client(port: int, ready: asyncio.Event, delays: list[list[float]]) -> None:
    """Reads the stream to its end; notes the delay of each delta, in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    mine: list[float] = []
    try:
        while line := await reader.readline():
            if line.startswith(b"event: snapshot"):
                ready.set()
            elif line.startswith(b"event: delta"):
                data = await reader.readline()
                now = time.time()
                if match := re.search(rb'"time_ms":(\d+),"figures"', data[:100]):
                    mine.append(now - int(match[1]) / 1000)
    finally:
        writer.close()
        delays.append(mine)


async def clients(port: int, count: int, pipe: Connection) -> tuple[list[list[float]], object]:
    delays: list[list[float]] = []
    ready = [asyncio.Event() for _ in range(count)]
    tasks = []
    for event in ready:
        tasks.append(asyncio.create_task(client(port, event, delays)))
        await asyncio.sleep(0.002)
    await asyncio.gather(*(event.wait() for event in ready))
    pipe.send("go")
    report = await asyncio.to_thread(pipe.recv)
    await asyncio.wait(tasks, timeout=10)
    return delays, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--beats", type=int, default=10)
    parser.add_argument("--plant", type=Path, default=Path("deploy/plants/demo.toml"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        server = context.Process(
            target=serve, args=(options.plant.resolve(), folder, options.beats, there), daemon=True
        )
        server.start()
        delays, (cpu, wall, held) = asyncio.run(clients(here.recv(), options.clients, here))
        size = here.recv()
        server.join(20)
    seen = [delay for mine in delays for delay in mine[WARM_UP_BEATS:]]
    result = {
        "machine": f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}",
        "clients": held,
        "beats_each": statistics.median(len(mine) - WARM_UP_BEATS for mine in delays),
        "delta_kB": round(size / 1000, 1),
        "server_cpu_percent_of_a_core": round(100 * cpu / wall, 1),
        "delay_ms_median": round(1000 * statistics.median(seen), 1),
        "delay_ms_p99": round(1000 * float(np.percentile(seen, 99)), 1),
    }
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:30} {value}")


if __name__ == "__main__":
    main()
