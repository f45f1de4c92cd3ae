"""What the fast OPC UA server costs: CPU a value, memory, and how late its values are.

    python -m benchmarks.scale [--tags 50000 160000] [--seconds 10] [--spread]

The server runs in a process of its own: every tag a Double at 1 Hz by `simulators.wave`, all at
whole seconds unless spread over the second. One client on asyncua's session monitors all of them
and keeps four publish requests open; it reads times out of the bytes and decodes nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import platform
import struct
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import structlog
from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary

from benchmarks.collector import PLANT, URI, unused_port
from plant.load import load
from plant.model import Plant
from simulators.serve import serve

SIGNALS = 80
OPEN_REQUESTS, ITEMS_PER_CALL, READY_S, WARM_UP_S = 4, 1000, 120.0, 3.0
INTERVAL_MS = 500.0
_ITEM = 30  # bytes of a good Double: handle, mask, type, value, two times
_SOURCE_TIME = slice(14, 22)
_FILETIME_1970 = 116_444_736_000_000_000

SOURCE = """
[[source]]
id = "s"
kind = "opcua"
url = "opc.tcp://127.0.0.1:{port}"
namespace = "{uri}"
anonymous = true
[[tags]]
each = "cell"
source = "s"
node = "s={{cell}}.{{name}}"
interval_s = 1
signals = [{names}]
"""
SIGNAL = """
[[signal]]
entity = "cell"
name = "anode_{n}"
unit = "kA"
kind = "gauge"
low = 0
high = 30
hold_s = 5
label = "Anode {n}"
"""


def plant_file(folder: Path, tags: int) -> Path:
    port = unused_port()
    names = ", ".join(f'"anode_{n}"' for n in range(SIGNALS))
    text = PLANT.replace("CELLS", f"{tags // SIGNALS:04}")
    text += SOURCE.format(port=port, uri=URI, names=names)
    text += "".join(SIGNAL.format(n=n) for n in range(SIGNALS))
    path = folder / f"{tags}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run_server(path: Path, aligned: bool, pipe: Connection) -> None:
    """Serve until the pipe closes; each word on it is answered with CPU seconds and MB."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logging.disable(logging.WARNING)

    def answer() -> None:
        while pipe.recv():
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            pipe.send((time.process_time(), pages * 4096 / 1e6))

    threading.Thread(target=answer, daemon=True).start()
    asyncio.run(serve(load(path), fast=True, wave=True, aligned=aligned))


class Reader:
    """Counts values and notes how late they are."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._number = 0
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self.values = 0
        self.bytes = 0
        self.late_s: list[np.ndarray] = []

    async def subscribe(self, plant: Plant) -> None:
        asked = ua.CreateSubscriptionRequest()
        asked.Parameters = ua.CreateSubscriptionParameters(INTERVAL_MS, 60, 10, 0, True, 0)
        data = await self._client.uaclient.protocol.send_request(asked)
        self._number = struct_from_binary(
            ua.CreateSubscriptionResponse, data
        ).Parameters.SubscriptionId
        index = await self._client.get_namespace_index(URI)
        for start in range(0, len(plant.tags), ITEMS_PER_CALL):
            request = ua.CreateMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._number
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            for tag in plant.tags[start : start + ITEMS_PER_CALL]:
                item = ua.MonitoredItemCreateRequest()
                node = ua.NodeId(tag.address["node"][2:], index)
                item.ItemToMonitor = ua.ReadValueId(NodeId=node, AttributeId=13)
                item.MonitoringMode = ua.MonitoringMode.Reporting
                item.RequestedParameters.ClientHandle = tag.column
                item.RequestedParameters.SamplingInterval = 1000
                item.RequestedParameters.QueueSize = 4
                request.Parameters.ItemsToCreate.append(item)
            data = await self._client.uaclient.protocol.send_request(request)
            response = struct_from_binary(ua.CreateMonitoredItemsResponse, data)
            bad = [r.StatusCode.name for r in response.Results if not r.StatusCode.is_good()]
            if bad:
                raise SystemExit(f"the server refused {len(bad)} items: {bad[0]}")

    async def publish(self) -> None:
        while True:
            request = ua.PublishRequest()
            request.Parameters.SubscriptionAcknowledgements = self._acknowledge
            self._acknowledge = []
            data = await self._client.uaclient.protocol.send_request(request, timeout=0)
            body = data.read(len(data))
            self._take(body)

    def _take(self, body: bytes) -> None:
        """A PublishResponse, Part 4, 5.14.5; header and message have known lengths."""
        subscription, available = struct.unpack_from("<II", body, 28)
        at = 36 + 4 * max(0, available) + 1
        number, _, parts = struct.unpack_from("<IqI", body, at)
        if not parts:
            return
        self._acknowledge.append(
            ua.SubscriptionAcknowledgement(SubscriptionId=subscription, SequenceNumber=number)
        )
        at += 16 + 4 + 1 + 4
        (count,) = struct.unpack_from("<I", body, at)
        self.values += count
        self.bytes += len(body)
        items = np.frombuffer(body, np.uint8, count * _ITEM, at + 4) if count else None
        if items is None or len(body) < at + 4 + count * _ITEM:
            return
        times = items.reshape(-1, _ITEM)[:, _SOURCE_TIME].copy().view(np.int64)[:, 0]
        now = time.time_ns() // 100 + _FILETIME_1970
        self.late_s.append((now - times) / 1e7)


async def measure(tags: int, seconds: float, aligned: bool, folder: Path) -> str:
    path = plant_file(folder, tags)
    plant = load(path)
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_server, args=(path, aligned, there), daemon=True)
    process.start()
    try:
        client = Client(plant.sources[0].options["url"], timeout=60, watchdog_intervall=60)
        until = time.monotonic() + READY_S
        while True:
            try:
                await client.connect()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.5)
        reader = Reader(client)
        began = time.monotonic()
        here.send("before")
        cpu_0, _ = here.recv()
        await reader.subscribe(plant)
        here.send("subscribed")
        cpu_1, _ = here.recv()
        subscribed_s = time.monotonic() - began
        loops = [asyncio.create_task(reader.publish()) for _ in range(OPEN_REQUESTS)]
        await asyncio.sleep(WARM_UP_S)
        reader.values = reader.bytes = 0
        reader.late_s.clear()
        here.send("go")
        cpu, _ = here.recv()
        mine, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        here.send("end")
        used, memory_MB = here.recv()
        used, mine, wall = used - cpu, time.process_time() - mine, time.monotonic() - began
        for loop in loops:
            loop.cancel()
        late = np.concatenate(reader.late_s)
        p50, p99 = np.percentile(late, (50, 99))
        per_value = used / reader.values * 1e6
        await client.disconnect()
        return (
            f"{tags:7,} | {reader.values / wall:11,.0f} | {100 * used / wall:6.1f} % "
            f"| {per_value:6.3f} us | {mine / reader.values * 1e6:6.3f} us | {memory_MB:6.0f} MB "
            f"| {p50:6.3f} s | {p99:6.3f} s | {subscribed_s:5.1f} s, {cpu_1 - cpu_0:5.1f} s CPU"
        )
    finally:
        process.terminate()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=int, nargs="+", default=[50_000, 160_000])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--spread", action="store_true", help="each tag at its own moment")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    print("tags    |  values/s   | server   | a value   | client's  | server's  | late p50 | p99"
          "      | to subscribe")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for tags in options.tags:
            print(
                asyncio.run(measure(tags, options.seconds, not options.spread, Path(folder))),
                flush=True,
            )


if __name__ == "__main__":
    main()
