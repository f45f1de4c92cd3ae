"""Collector CPU per OPC UA value and per MQTT message, from the wire to the durable spool. Medians.

    python -m benchmarks.collector [--seconds 5] [--rounds 3]

Real peers on loopback in processes of their own: an asyncua server with 2,000 Doubles written once
a second, and Mosquitto with a publisher of 8-value JSON at QoS 1. What is counted is the CPU of
this process alone: source, intake and spool, without frames and figures.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import structlog
from asyncua import Server, ua
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from collector.intake import Intake
from collector.supervise import Supervisor
from plant.load import load
from store.spool import Spool

CELLS, TOPICS = 2000, 10
BURST, BURST_S = 50, 0.02  # messages the publisher hands to paho at a time, and then waits
READY_S, WARM_UP_S = 60.0, 2.0
URI = "urn:potline:bench"
VALUES = {
    "voltage": 3.95,
    "target_voltage": 3.95,
    "feed_mode": 0,
    "alumina_fed": 100.0,
    "beam_position": 100.0,
    "metal_tapped": 100.0,
    "bath_temperature": 955.0,
    "metal_level": 20.0,
}

PLANT = """
[site]
id = "bench"
name = "Benchmark"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "unused"
[[line]]
id = "L"
name = "L"
technology = "PFPB_M"
pfc_factors = "cbam-2025"
nominal_current_kA = 600
current_efficiency = 0.935
net_carbon_t_per_t = 0.411
anode_sulphur_percent = 2.0
anode_ash_percent = 0.4
sections = { A = "0001-CELLS" }
target_voltage_V = 3.95
target_dc_kWh_per_t = 12600
"""
OPCUA = f"""
[[source]]
id = "s"
kind = "opcua"
url = "opc.tcp://127.0.0.1:PORT"
namespace = "{URI}"
anonymous = true
publishing_interval_s = 0.5
[[tags]]
each = "cell"
source = "s"
node = "s={{line}}-{{cell}}"
signals = ["voltage"]
"""
MQTT = f"""
[[source]]
id = "s"
kind = "mqtt"
host = "127.0.0.1"
port = PORT
client_id = "bench"
[[tags]]
each = "cell"
source = "s"
topic = "{{line}}-{{cell}}"
pointer = "/{{name}}"
time = "/t"
time_format = "unix_ns"
signals = {orjson.dumps(list(VALUES)).decode()}
"""


def serve_opcua(port: int) -> None:
    async def serve() -> None:
        logging.disable(logging.CRITICAL)
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace(URI)
        nodes = []
        for start in range(
            1, CELLS + 1, 20
        ):  # siblings cost the library the square of their number
            folder = await server.nodes.objects.add_folder(index, f"from {start}")
            for n in range(start, start + 20):
                node = ua.NodeId(f"L-{n:04}", index)
                nodes.append(await folder.add_variable(node, f"{n}", VALUES["voltage"]))
        async with server:
            for beat in range(600):
                due = time.monotonic() + 1
                for node in nodes:
                    await node.write_value(VALUES["voltage"] + beat % 7 / 100)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    asyncio.run(serve())


def publish(port: int) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for _ in range(60_000):
        sent = [
            client.publish(
                f"L-{1 + n % TOPICS:04}", orjson.dumps({**VALUES, "t": time.time_ns()}), qos=1
            )
            for n in range(BURST)
        ]
        sent[-1].wait_for_publish(10)
        time.sleep(BURST_S)


@contextlib.contextmanager
def child(target: Callable[[int], None], port: int) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[None]:
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        raise SystemExit("no mosquitto on this machine: apt-get install mosquitto")
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    command = [program, "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def measure(
    text: str, cells: int, port: int, seconds: float, rounds: int
) -> list[tuple[float, float]]:
    """Of each round: CPU of this process per value [s], and values a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plant.toml"
        file.write_text((PLANT + text).replace("CELLS", f"{cells:04}").replace("PORT", str(port)))
        plant = load(file)
        spool = Spool(Path(folder) / "spool.sqlite", plant)
        intake = Intake(plant, spool, lambda batch: None)
        running = asyncio.create_task(Supervisor(plant, intake).run())
        try:
            async with asyncio.timeout(READY_S):
                while intake.counts.received["s"] < 2 * cells:  # noqa: ASYNC110  counts have no event
                    await asyncio.sleep(0.1)
            await asyncio.sleep(WARM_UP_S)
            results = []
            for _ in range(rounds):
                values, cpu, wall = (
                    intake.counts.received["s"],
                    time.process_time(),
                    time.monotonic(),
                )
                await asyncio.sleep(seconds)
                values = intake.counts.received["s"] - values
                cpu, wall = time.process_time() - cpu, time.monotonic() - wall
                results.append((cpu / values, values / wall))
            return results
        finally:
            running.cancel()
            await asyncio.wait((running,))
            spool.close()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"machine: {cpu()}, {platform.system()} {platform.release()}")
    print(f"python {platform.python_version()}; command: python {' '.join(sys.argv)}")

    port = unused_port()
    with child(serve_opcua, port):
        rounds = asyncio.run(measure(OPCUA, CELLS, port, asked.seconds, asked.rounds))
    told(rounds, "OPC UA", "value", 1)

    port = unused_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        mosquitto(Path(folder), port),
        child(publish, port),
    ):
        rounds = asyncio.run(measure(MQTT, TOPICS, port, asked.seconds, asked.rounds))
    told(rounds, f"MQTT, {len(VALUES)} values in JSON at QoS 1", "message", len(VALUES))


def told(rounds: list[tuple[float, float]], what: str, unit: str, values: int) -> None:
    cost = statistics.median(c for c, _ in rounds) * values * 1e6
    rate = statistics.median(r for _, r in rounds) / values
    print(
        f"{what}: {cost:.1f} µs of CPU a {unit} at {rate:,.0f} {unit}s/s "
        f"(medians of {len(rounds)}; source, intake and spool)"
    )


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
