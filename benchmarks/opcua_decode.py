"""OPC UA notifications to arrays: cost a value of the library and of ours, decoding and whole path.

    python -m benchmarks.opcua_decode [--values 10000] [--seconds 5] [--fuzz-bytes 50000000]

Decoding is timed offline, the best of several rounds: one notification of Doubles with both times,
one of array nodes of 336 Doubles. The whole path is this process' CPU on a real connection to a
server in a process of its own that sends notifications as fast as asked: once with asyncua's stock
subscription, once from the socket to a Batch, once through the source to durable deliveries.
--fuzz-bytes: no table, but so many bytes of broken bodies (tests/peers/opcua_fuzz.py).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime

import numpy as np
import structlog
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from benchmarks.collector import unused_port
from collector.opcua.decode import Decoder, Publication, warm
from collector.opcua.publish import Acknowledge, PublishLoop
from collector.opcua.reader import OpcUaReader
from collector.opcua.services import Services
from plant.model import Plant, Signal, Site, Source, StoreSettings, Tag, TimeSettings
from tests.peers.opcua_bodies import data_change, publish_response, slots_of
from tests.peers.opcua_fuzz import fuzz

ANODES = 336
PAUSE_S = 0.02
WARM_UP_S = 1.0
URI = "urn:potline:bench"


def best_ns(run: Callable[[], object], values: int, seconds: float) -> float:
    """[ns] a value."""
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return float(best / values * 1e9)


def notification(values: int, of_arrays: bool) -> bytes:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    content = [i / 7 for i in range(ANODES)] if of_arrays else 3.95
    value = ua.DataValue(ua.Variant(content), SourceTimestamp=at, ServerTimestamp=at)
    items = values // ANODES if of_arrays else values
    return publish_response(data_change((handle, value) for handle in range(items)))


def decoding(values: int, seconds: float) -> Iterator[tuple[str, float]]:
    for name, of_arrays in (("", False), (f", arrays of {ANODES}", True)):
        body = notification(values, of_arrays)
        elements = list(range(ANODES)) if of_arrays else [-1]
        slots = slots_of([elements] * (values // len(elements)))
        values_told = len(slots.columns)
        decoder = Decoder(slots)

        def library(body: bytes = body) -> object:
            return struct_from_binary(ua.PublishResponse, Buffer(body))

        def ours(body: bytes = body, decoder: Decoder = decoder) -> object:
            return decoder.publication(body, 0)

        yield f"decode, asyncua{name}", best_ns(library, values_told, seconds)
        yield f"decode, potline{name}", best_ns(ours, values_told, seconds)


@contextmanager
def feeding(values: int) -> Iterator[int]:
    """The port of a server that sends `values` values each PAUSE_S."""
    port = unused_port()
    command = [sys.executable, "-m", "benchmarks._opcua_feed", str(port), str(values), str(PAUSE_S)]
    server = subprocess.Popen(command)
    try:
        while server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.kill()
        server.wait()


class Count:
    """Values taken, and the CPU of this process over the time asked for."""

    def __init__(self) -> None:
        self.values = 0
        self.began = asyncio.Event()

    async def measured(self, seconds: float) -> tuple[float, float]:
        """CPU [ns] a value, values a second."""
        await asyncio.sleep(WARM_UP_S)
        values, cpu, wall = self.values, time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        values = self.values - values
        wall = time.perf_counter() - wall
        return (time.process_time() - cpu) / max(values, 1) * 1e9, values / wall


class Handler(Count):
    def datachange_notification(self, *_: object) -> None:
        self.values += 1


async def stock(client: Client, values: int, seconds: float) -> tuple[float, float]:
    handler = Handler()
    subscription = await client.create_subscription(1000, handler)
    nodes = [client.get_node(ua.NodeId(f"n{i}", 1)) for i in range(values)]
    handles = await subscription.subscribe_data_change(nodes)
    assert len(handles) == values
    # The feed counts its items from 0, the library its handles from somewhere else.
    first = min(subscription._monitored_items)
    subscription._monitored_items = {
        handle - first: item for handle, item in subscription._monitored_items.items()
    }
    return await handler.measured(seconds)


async def bare_loop(client: Client, values: int, seconds: float) -> tuple[float, float]:
    count = Count()
    create = ua.CreateSubscriptionRequest()
    create.Parameters.RequestedPublishingInterval = 1000
    create.Parameters.RequestedLifetimeCount = 1000
    create.Parameters.RequestedMaxKeepAliveCount = 10
    create.Parameters.PublishingEnabled = True
    services = Services()
    services.use(client)
    await services.call(create, ua.CreateSubscriptionResponse)

    async def take(
        publication: Publication | None, _: int, acknowledge: Acknowledge | None
    ) -> None:
        assert publication is not None
        count.values += len(publication.batch)
        if acknowledge is not None:  # no keep-alive
            acknowledge()

    loop = asyncio.create_task(
        PublishLoop(services, Decoder(slots_of([[-1]] * values)), take).run()
    )
    try:
        return await count.measured(seconds)
    finally:
        loop.cancel()


async def whole_session(client: Client, values: int, seconds: float) -> tuple[float, float]:
    """By a connection of its own."""
    plant = plant_of(values, client.server_url.geturl())
    reader = OpcUaReader(plant.sources[0], plant, np.zeros(values, np.int64))
    count = Count()

    async def consume() -> None:
        async with aclosing(reader.deliveries()) as deliveries:
            async for delivery in deliveries:
                count.values += len(delivery.batch)
                count.began.set()
                if delivery.durable is not None:
                    delivery.durable()

    task = asyncio.create_task(consume())
    try:
        await asyncio.wait_for(count.began.wait(), 60)
        return await count.measured(seconds)
    finally:
        task.cancel()


def plant_of(values: int, url: str) -> Plant:
    options = {"url": url, "anonymous": True, "publishing_interval_s": 1.0}
    source = Source("s", "opcua", 3.0, options)
    signal = Signal("voltage", "cell", "V", "gauge", -1e9, 1e9, 10.0, "", "")
    tags = tuple(
        Tag(i, f"c{i}.voltage", f"c{i}", signal, "s", {"node": f"ns=1;s=n{i}"}, "V", 1.0, 0.0,
            -1e9, 1e9, 1.0, 10.0)
        for i in range(values)
    )  # fmt: skip
    return Plant(
        path="bench",
        site=Site("s", "S", "S", "Asia/Shanghai", "CN-SD", 2022, "AR5", ("00:00",)),
        lines=(),
        cells=(),
        rectifiers=(),
        meters=(),
        boilers=(),
        sources=(source,),
        signals={"voltage": signal},
        tags=tags,
        alarms=(),
        factors={},
        store=StoreSettings("embedded", "var", "", "", "", "", "p", 0, 0, 0),
        time=TimeSettings(),
    )


async def on_the_wire(values: int, seconds: float) -> list[tuple[str, float, float]]:
    rows = []
    for name, path, size in (
        ("whole path, asyncua's stock subscription", stock, min(values, 300)),
        ("whole path, potline: socket to Batch", bare_loop, values),
        ("whole path, potline: socket to delivery", whole_session, values),
    ):
        with feeding(size) as port:
            async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=20) as client:
                rows.append((name, *await path(client, size, seconds)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--values", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--fuzz-bytes", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    warm()
    if arguments.fuzz_bytes:
        print(fuzz(1, arguments.fuzz_bytes))
        return
    print(f"{'ns a value':>12}  {'values/s':>11}")
    for name, cost in decoding(arguments.values, arguments.seconds / 5):
        print(f"{cost:12.1f}  {'':>11}  {name}")
    for name, cost, rate in asyncio.run(on_the_wire(arguments.values, arguments.seconds)):
        print(f"{cost:12.1f}  {rate:11.0f}  {name}")


if __name__ == "__main__":
    main()
