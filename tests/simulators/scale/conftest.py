"""A fast server with a clock of the test's own, and a client that does nothing by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary

from plant.load import load
from plant.model import Plant
from simulators.scale.server import ScaleServer
from simulators.scenario import fault

URI = "urn:test:pots"


class Bench:
    """The server of the small plant's source `pots`."""

    def __init__(self, plant: Plant, server: ScaleServer) -> None:
        self.plant, self.server = plant, server
        self.columns = server.tags.columns
        self.url = server.source.options["url"]
        self.active: list[Any] = []

    def tell(self, value: float, columns: Any = None) -> int:
        """One value for these tags, or for all. -> its time"""
        columns = self.columns if columns is None else np.array(columns, np.int32)
        now = time.time_ns() // 1000 * 1000
        values, times = np.full(len(columns), value), np.full(len(columns), now)
        self.server.send(columns, values, times)
        return now

    async def misbehave(self, kind: str, **how: Any) -> None:
        made = fault({"kind": kind, "source": "pots", **how}, self.plant, "test")
        self.active.append(made)
        await self.server.misbehave([made], self.active)

    async def behave(self) -> None:
        self.active.clear()
        await self.server.misbehave([], [])


class Caller:
    """Raw services of a session, one at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, request: Any, response: type, timeout_s: float = 5.0) -> Any:
        async with asyncio.timeout(timeout_s):
            data = await self.client.uaclient.protocol.send_request(request, timeout=0)
        answer: Any = struct_from_binary(response, data)
        answer.ResponseHeader.ServiceResult.check()
        return answer

    async def subscribe(
        self, interval_ms: float = 20, keep_alive: int = 500, lifetime: int = 5000, most: int = 0
    ) -> int:
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            interval_ms, lifetime, keep_alive, most, True, 0
        )
        answer = await self.call(request, ua.CreateSubscriptionResponse)
        return int(answer.Parameters.SubscriptionId)

    async def monitor(
        self, subscription: int, nodes: Sequence[str], queue: int = 10, **how: Any
    ) -> list[ua.MonitoredItemCreateResult]:
        index = await self.client.get_namespace_index(URI)
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        for handle, node in enumerate(nodes):
            item = ua.MonitoredItemCreateRequest()
            name = ua.NodeId(node, index)
            item.ItemToMonitor = ua.ReadValueId(NodeId=name, AttributeId=ua.AttributeIds.Value)
            item.MonitoringMode = ua.MonitoringMode.Reporting
            item.RequestedParameters.ClientHandle = handle
            item.RequestedParameters.QueueSize = queue
            item.RequestedParameters.Filter = how.get("filter")
            request.Parameters.ItemsToCreate.append(item)
        answer = await self.call(request, ua.CreateMonitoredItemsResponse)
        results: list[ua.MonitoredItemCreateResult] = answer.Results
        return results

    async def publish(self, *acknowledged: tuple[int, int], timeout_s: float = 5.0) -> Any:
        """-> the PublishResult"""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(*each) for each in acknowledged
        ]
        return (await self.call(request, ua.PublishResponse, timeout_s)).Parameters

    async def republish(self, subscription: int, number: int) -> ua.NotificationMessage:
        request = ua.RepublishRequest()
        request.Parameters = ua.RepublishParameters(subscription, number)
        answer = await self.call(request, ua.RepublishResponse)
        return answer.NotificationMessage  # type: ignore[no-any-return]

    @staticmethod
    def values(result: Any) -> list[Any]:
        """Of a publish result or a notification message, in order."""
        message = getattr(result, "NotificationMessage", result)
        return [
            item.Value.StatusCode.name if item.Value.StatusCode.is_bad() else item.Value.Value.Value
            for part in message.NotificationData
            for item in part.MonitoredItems
        ]

    async def transfer(self, subscription: int) -> ua.TransferResult:
        request = ua.TransferSubscriptionsRequest()
        request.Parameters = ua.TransferSubscriptionsParameters([subscription], False)
        answer = await self.call(request, ua.TransferSubscriptionsResponse)
        return answer.Parameters.Results[0]  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def pots(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """The simulator tests' small plant."""
    text = (Path(__file__).parents[1] / "plant.toml").read_text(encoding="utf-8")
    for name in ("{opcua}", "{mqtt}"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            text = text.replace(name, str(probe.getsockname()[1]))
    path = tmp_path_factory.mktemp("scale") / "plant.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(pots: Plant) -> AsyncIterator[ScaleServer]:
    """One for all tests: the library takes two seconds to make its address space."""
    source = next(s for s in pots.sources if s.id == "pots")
    async with ScaleServer(pots, source) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def bench(pots: Plant, server: ScaleServer) -> AsyncIterator[Bench]:
    """The server as it was when it began."""
    server.tags.forget()
    yield Bench(pots, server)
    await server.misbehave([], [])
    await server._forget()


@pytest.fixture
def connected(bench: Bench) -> Callable[[], contextlib.AbstractAsyncContextManager[Caller]]:
    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Caller]:
        client = Client(bench.url, watchdog_intervall=60)
        await client.connect()
        try:
            yield Caller(client)
        finally:
            with contextlib.suppress(Exception):  # the tests break connections in every way
                await asyncio.wait_for(client.disconnect(), 1)

    return connect
