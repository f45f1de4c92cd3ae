"""How an OPC UA source comes back, and what ten thousand reconnections leave behind.

    python -m benchmarks.reconnects [--cycles 200] [--drops 10000]

Recovery: the source is lost in one of four ways for 0.3-4 s, comes back, and the clock runs from
then until the first sample that was taken after it. Memory: connections are reset as fast as the
source comes back; the slope is that of resident memory over the second half, and a day is taken
to have 1,000 reconnections (one every 86 s).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import structlog

from benchmarks.collector import PLANT, unused_port
from collector.opcua.reader import OpcUaReader
from plant.load import load
from plant.model import Plant, Source
from simulators.proxy import Network, Proxy

DROPS_A_DAY = 1000
SOURCE = """
[[source]]
id = "s"
kind = "opcua"
url = "opc.tcp://127.0.0.1:{port}"
namespace = "urn:potline:bench"
anonymous = true
publishing_interval_s = 0.2
[[tags]]
each = "cell"
source = "s"
node = "s={{cell}}.{{name}}"
interval_s = 0.2
signals = ["voltage"]
"""


class Server:
    """The simulator's fast server in a process of its own, which can be killed or stopped."""

    def __init__(self, file: Path) -> None:
        self._command = [
            sys.executable, "-m", "potline", "simulate", str(file),
            "--fast", "--wave", "--until-eof",
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def send(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def plant_of(folder: Path) -> tuple[Plant, Path, int]:
    port = unused_port()
    file = folder / "plant.toml"
    text = PLANT.replace("CELLS", "0050") + SOURCE.format(port=port)
    file.write_text(text, "utf-8")
    return load(file), file, port


class Watcher:
    """Takes what the source brings, at once."""

    def __init__(self, plant: Plant, port: int) -> None:
        before = plant.sources[0]
        options = {**before.options, "url": f"opc.tcp://127.0.0.1:{port}"}
        source = Source(before.id, before.kind, before.stale_after_s, options)
        self.reader = OpcUaReader(source, plant)
        self.newest = 0  # ns, source time
        self.came = asyncio.Event()

    async def run(self) -> None:
        async for delivery in self.reader.deliveries():
            if delivery.durable is not None:
                delivery.durable()
            if len(delivery.batch):
                self.newest = max(self.newest, int(delivery.batch.times.max()))
                self.came.set()

    async def sample_after(self, time_ns: int) -> float:
        """Seconds from now until a sample of a later source time has come."""
        began = time.monotonic()
        while self.newest <= time_ns:
            self.came.clear()
            async with asyncio.timeout(60):
                await self.came.wait()
        return time.monotonic() - began


async def recovery(cycles: int, folder: Path) -> dict[str, list[float]]:
    plant, file, port = plant_of(folder)
    server, luck = Server(file), random.Random(1)
    server.start()
    took: dict[str, list[float]] = defaultdict(list)
    async with Proxy("127.0.0.1", port) as proxy:
        watcher = Watcher(plant, proxy.port)
        task = asyncio.create_task(watcher.run())
        try:
            await watcher.sample_after(0)
            for cycle in range(cycles):
                how = ("black hole", "reset", "freeze", "kill -9")[cycle % 4]
                away_s = luck.uniform(0.3, 4.0)
                if how == "black hole":
                    proxy.network = Network(black_hole=True)
                    await asyncio.sleep(away_s)
                    proxy.network = Network()
                elif how == "reset":
                    proxy.network = Network(refuse=True)
                    proxy.reset()
                    await asyncio.sleep(away_s)
                    proxy.network = Network()
                elif how == "freeze":
                    server.send(signal.SIGSTOP)
                    await asyncio.sleep(away_s)
                    server.send(signal.SIGCONT)
                else:
                    await asyncio.to_thread(server.kill)
                    server.start()
                    await _listens(port)
                took[how].append(await watcher.sample_after(time.time_ns()))
                await asyncio.sleep(0.5)
        finally:
            task.cancel()
            await asyncio.wait((task,))
            server.kill()
    return took


async def _listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


async def memory(drops: int, folder: Path) -> tuple[float, float, int]:
    """-> MB at the end, MB a reconnection, connections on record."""
    plant, file, port = plant_of(folder)
    server = Server(file)
    server.start()
    resident: list[tuple[int, float]] = []
    async with Proxy("127.0.0.1", port) as proxy:
        watcher = Watcher(plant, proxy.port)
        task = asyncio.create_task(watcher.run())
        health = watcher.reader.health
        try:
            await watcher.sample_after(0)
            for drop in range(drops):
                before = health.resumed
                proxy.reset()
                while health.resumed == before:  # noqa: ASYNC110  nothing tells of it
                    await asyncio.sleep(0.002)
                if drop % max(1, drops // 100) == 0:
                    gc.collect()
                    resident.append((drop, _resident_MB()))
        finally:
            task.cancel()
            await asyncio.wait((task,))
            server.kill()
    later = np.array(resident[len(resident) // 2 :])
    slope = float(np.polyfit(later[:, 0], later[:, 1], 1)[0])
    return resident[-1][1], slope, health.resumed


def _resident_MB() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--drops", type=int, default=10_000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        if options.cycles:
            took = asyncio.run(recovery(options.cycles, Path(folder)))
            took["all"] = [one for each in took.values() for one in each]
            print("lost by    | cycles |  p50   |  p95   |  max")
            for how, times in took.items():
                p50, p95 = np.percentile(times, (50, 95))
                print(
                    f"{how:10} | {len(times):6} | {p50:4.2f} s | {p95:4.2f} s | {max(times):4.2f} s"
                )
        if options.drops:
            end_MB, slope, resumed = asyncio.run(memory(options.drops, Path(folder)))
            print(
                f"{resumed:,} reconnections: {end_MB:.0f} MB resident, slope "
                f"{1000 * slope:.2f} kB a reconnection, {DROPS_A_DAY * slope:+.2f} MB a day"
            )


if __name__ == "__main__":
    main()
