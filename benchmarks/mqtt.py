"""Collector CPU per MQTT message of 8 JSON values at QoS 1, from the wire to the durable spool.

    python -m benchmarks.mqtt [--rate 10000] [--seconds 4] [--rounds 5]

Mosquitto on loopback with its own defaults, in a process of its own; a publisher, in another, that
writes PUBLISH packets straight to the broker's socket and counts the PUBACKs. What is counted is
the CPU of this process alone: source, intake and spool, each message durable before it is
acknowledged. Medians of the rounds; and how many messages the broker took that did not come.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import platform
import random
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import orjson
import structlog

from benchmarks.collector import MQTT, PLANT, TOPICS, VALUES, cpu, unused_port
from collector.intake import Intake
from collector.supervise import Supervisor
from plant.load import load
from store.spool import Spool

TICK_S = 0.01
WARM_UP_S = 2.0
READY_S = 90.0
CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05plant"
PUBACK_BYTES = 4


def packet(n: int, topics: int, luck: random.Random) -> bytes:
    """PUBLISH number n at QoS 1: half of the values with four decimals, half with all they have."""
    values: dict[str, float | int] = {
        name: round(value + luck.random(), 4) if i % 2 else value + luck.random()
        for i, (name, value) in enumerate(VALUES.items())
    }
    topic = f"L-{1 + n % topics:04}".encode()
    payload = orjson.dumps({**values, "t": time.time_ns()})
    body = (
        len(topic).to_bytes(2) + topic + (1 + n % 65_535).to_bytes(2) + payload
    )  # 128 <= length < 16,384: two bytes of it
    return bytes((0x32, len(body) & 127 | 128, len(body) >> 7)) + body


def publish(
    port: int, rate: int, topics: int, stop: Event, sent: multiprocessing.connection.Connection
) -> None:
    """Until told to stop, `rate` messages a second; then says how many the broker took."""
    luck = random.Random(5)
    with socket.create_connection(("127.0.0.1", port)) as broker:
        broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        broker.sendall(CONNECT)
        assert broker.recv(4) == b"\x20\x02\x00\x00"
        began, count, answered = time.monotonic(), 0, 0
        while not stop.is_set():
            due = int((time.monotonic() - began) * rate)
            broker.sendall(b"".join(packet(n, topics, luck) for n in range(count, due)))
            count = due
            broker.setblocking(False)
            try:
                while answered < count * PUBACK_BYTES:
                    answered += len(broker.recv(65_536))
            except BlockingIOError:
                pass
            broker.setblocking(True)
            time.sleep(TICK_S)
        while answered < count * PUBACK_BYTES:
            answered += len(broker.recv(65_536))
        sent.send(count)


def cpu_of(pid: int) -> float:
    """User and system CPU of a process so far. [s]"""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def mosquitto(folder: Path, port: int, options: str = "") -> Iterator[int]:
    """With its own defaults besides the options. -> its pid"""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{options}")
    process = subprocess.Popen([program(), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def program() -> str:
    found = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if found is None:
        raise SystemExit("no mosquitto on this machine: apt-get install mosquitto")
    return found


async def measure(folder: Path, rate: int, seconds: float, rounds: int) -> None:
    port = unused_port()
    file = folder / "plant.toml"
    file.write_text((PLANT + MQTT).replace("CELLS", f"{TOPICS:04}").replace("PORT", str(port)))
    plant = load(file)
    spool = Spool(folder / "spool.sqlite", plant)
    intake = Intake(plant, spool, lambda batch: None)
    supervisor = Supervisor(plant, intake)
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    stop = spawn.Event()
    publisher = spawn.Process(target=publish, args=(port, rate, TOPICS, stop, there), daemon=True)

    def messages() -> int:
        return intake.counts.received["s"] // len(VALUES)

    with mosquitto(folder, port) as broker:
        running = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(READY_S):
                while supervisor.statuses()[0].link != "connected":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                publisher.start()
                while not messages():  # noqa: ASYNC110  counts have no event
                    await asyncio.sleep(0.05)
            await asyncio.sleep(WARM_UP_S)
            results = []
            for _ in range(rounds):
                before = messages(), time.process_time(), cpu_of(broker), time.monotonic()
                await asyncio.sleep(seconds)
                after = messages(), time.process_time(), cpu_of(broker), time.monotonic()
                results.append([b - a for a, b in zip(before, after, strict=True)])
            commits = intake.counts.commits
            stop.set()
            taken = await asyncio.to_thread(here.recv)
            for _ in range(100):
                if messages() >= taken:
                    break
                await asyncio.sleep(0.05)
        finally:
            publisher.kill()
            running.cancel()
            await asyncio.wait((running,))
            spool.close()

    def median(column: int, per: int) -> float:
        return statistics.median(row[column] / row[per] for row in results)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{median(0, 3):,.0f} messages/s of {len(VALUES)} JSON values at QoS 1: "
        f"{median(1, 0) * 1e6:.2f} µs of CPU a message ({median(1, 0) / len(VALUES) * 1e9:.0f} ns "
        f"a value); broker {median(2, 0) * 1e6:.1f} µs"
    )
    print("rounds: " + ", ".join(f"{row[1] / row[0] * 1e6:.2f}" for row in results) + " µs")
    print(
        f"broker took {taken:,}, came {messages():,}; lost {max(0, taken - messages())}; "
        f"{commits:,} commits; peak memory {peak:.0f} MB"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rate", type=int, default=10_000)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    version = subprocess.run([program(), "-h"], capture_output=True, text=True, check=False)
    print(f"machine: {cpu()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}")
    print(f"python {platform.python_version()}, {version.stdout.partition(chr(10))[0]}")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), asked.rate, asked.seconds, asked.rounds))


if __name__ == "__main__":
    main()
