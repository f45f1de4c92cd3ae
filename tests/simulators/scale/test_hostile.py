"""Each way in which the fast server can misbehave, as a client sees it, and that it ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.ua import uaerrors
from asyncua.ua.ua_binary import struct_from_binary

from simulators.scenario import ScenarioError, fault

pytestmark = pytest.mark.asyncio(loop_scope="session")
URI = "urn:test:pots"
TAG = "001.voltage"


async def begin(caller: Any, bench: Any, **how: Any) -> int:
    """A subscription to one tag, its first notification taken."""
    number: int = await caller.subscribe(**how)
    await caller.monitor(number, [TAG])
    await caller.publish()
    return number


async def stream(caller: Any, bench: Any, count: int) -> list[tuple[int, float]]:
    """So many values one after the other -> sequence number and value of each notification."""
    column = bench.plant.column_of["L1-001.voltage"]

    async def write() -> None:
        for value in range(count):
            bench.tell(float(value), [column])
            await asyncio.sleep(0.025)

    got = []
    writing = asyncio.create_task(write())
    try:
        while True:
            result = await caller.publish(timeout_s=1)
            number = result.NotificationMessage.SequenceNumber
            got += [(number, value) for value in caller.values(result)]
    except TimeoutError:
        await writing
    return got


async def test_freeze(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await begin(caller, bench, keep_alive=5)
        await bench.misbehave("freeze_server")
        bench.tell(1.0)
        assert not caller.values(await caller.publish()), "a keep-alive"
        index = await caller.client.get_namespace_index(URI)
        assert await caller.client.get_node(ua.NodeId(TAG, index)).read_value() == 1.0
        await bench.behave()
        bench.tell(2.0)
        assert caller.values(await caller.publish()) == [2.0], "what was not told is lost"


async def test_stall(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await begin(caller, bench, keep_alive=2)
        await bench.misbehave("stall_publishing")
        bench.tell(1.0)
        with pytest.raises(TimeoutError):
            await caller.publish(timeout_s=0.4)
        await caller.client.get_namespace_index(URI)  # others are answered
        await bench.behave()


async def test_half_open(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await bench.misbehave("half_open")
        with pytest.raises(TimeoutError):
            await caller.publish(timeout_s=0.3)
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await Client(bench.url, timeout=0.3).connect()
        await bench.behave()
        with pytest.raises(TimeoutError):
            await caller.publish(timeout_s=0.3)
        async with connected() as fresh:
            await begin(fresh, bench)


async def test_slow_answers(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await bench.misbehave("slow_answers", seconds=0.3)
        began = time.monotonic()
        await caller.subscribe()
        assert time.monotonic() - began >= 0.3


async def test_it_lies_about_limits(bench: Any, connected: Any) -> None:
    limit = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
    async with connected() as caller:
        number = await caller.subscribe()
        await bench.misbehave("lie_about_limits", operations=2)
        assert await caller.client.get_node(ua.NodeId(limit)).read_value() == 10_000
        with pytest.raises(uaerrors.BadTooManyOperations):
            await caller.monitor(number, [TAG] * 3)
        assert len(await caller.monitor(number, [TAG] * 2)) == 2


async def test_large_requests_end_the_connection(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await caller.subscribe()
        await bench.misbehave("limit_message_size", bytes=2000)
        await caller.monitor(number, [TAG])
        with pytest.raises((ConnectionError, TimeoutError, uaerrors.UaError)):
            await caller.monitor(number, [TAG] * 100)


async def test_few_publish_requests(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await begin(caller, bench)
        await bench.misbehave("limit_publish_requests", requests=2)
        waiting = [asyncio.create_task(caller.publish(timeout_s=3)) for _ in range(4)]
        await asyncio.sleep(0.3)
        refused = [task for task in waiting if task.done()]
        assert len(refused) == 2
        for task in refused:
            assert isinstance(task.exception(), uaerrors.BadTooManyPublishRequests)
        for value in (1.0, 2.0):
            bench.tell(value)
            await asyncio.sleep(0.1)
        told = [await task for task in waiting if task not in refused]
        assert sorted(caller.values(result)[0] for result in told) == [1.0, 2.0]


async def test_refused_transfer(bench: Any, connected: Any) -> None:
    async with connected() as one, connected() as two:
        number = await begin(one, bench)
        await bench.misbehave("refuse_transfer")
        with pytest.raises(uaerrors.BadServiceUnsupported):
            await two.transfer(number)


async def test_dropped_sessions(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await begin(caller, bench)
        waiting = asyncio.create_task(caller.publish())
        await asyncio.sleep(0.1)
        await bench.misbehave("drop_sessions")
        with pytest.raises(uaerrors.BadSessionClosed):
            await waiting
        with pytest.raises(uaerrors.BadSessionIdInvalid):
            await caller.publish()
        async with connected() as fresh:
            assert (await fresh.transfer(number)).StatusCode.name == "BadSubscriptionIdInvalid"


async def test_restart(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await begin(caller, bench)
        await bench.misbehave("restart_server")
        with pytest.raises(OSError, match="onnect"):
            await Client(bench.url).connect()
        await bench.behave()
        async with connected() as fresh:
            assert (await fresh.transfer(number)).StatusCode.name == "BadSubscriptionIdInvalid"
            await begin(fresh, bench)


async def test_permuted_namespaces(bench: Any, connected: Any) -> None:
    bench.tell(3.95)
    async with connected() as caller:
        before = await caller.client.get_namespace_index(URI)
    await bench.misbehave("permute_namespaces")
    async with connected() as caller:
        index = await caller.client.get_namespace_index(URI)
        assert index != before
        assert await caller.client.get_node(ua.NodeId(TAG, index)).read_value() == 3.95
        with pytest.raises(uaerrors.BadNodeIdUnknown):
            await caller.client.get_node(ua.NodeId(TAG, before)).read_value()
        folder = caller.client.get_node(ua.NodeId("folder.L1-001", index))
        assert {n.nodeid.NamespaceIndex for n in await folder.get_children()} == {index}
        await begin(caller, bench)
    await bench.behave()
    async with connected() as caller:
        assert await caller.client.get_namespace_index(URI) == before


async def test_vanished_nodes(bench: Any, connected: Any) -> None:
    nodes = [bench.plant.tags[c].address["node"][2:] for c in bench.columns.tolist()]
    async with connected() as caller:
        number = await caller.subscribe()
        await caller.monitor(number, nodes)
        await caller.publish()
        await bench.misbehave("vanish_nodes", share=0.5)
        last = caller.values(await caller.publish())
        assert 0 < len(last) < len(nodes)
        assert set(last) == {"BadNodeIdUnknown"}
        bench.tell(1.0)
        assert len(caller.values(await caller.publish())) == len(nodes) - len(last)
        again = Counter(r.StatusCode.name for r in await caller.monitor(number, nodes))
        assert again == {"BadNodeIdUnknown": len(last), "Good": len(nodes) - len(last)}
        await caller.publish()
        await bench.behave()
        bench.tell(2.0)
        told = caller.values(await caller.publish())
        assert len(told) == 2 * (len(nodes) - len(last)), "a lost item does not come back by itself"
        assert all(r.StatusCode.is_good() for r in await caller.monitor(number, nodes))


async def test_not_finite_and_other_types(bench: Any, connected: Any) -> None:
    column = bench.plant.column_of["L1-001.voltage"]
    async with connected() as caller:
        await begin(caller, bench)
        await bench.misbehave("not_finite", share=1)
        bench.tell(1.0, [column])
        assert not np.isfinite(caller.values(await caller.publish())).any()
        await bench.behave()
        await bench.misbehave("change_types", share=1)
        bench.tell(2.75, [column])
        (item,) = (await caller.publish()).NotificationMessage.NotificationData[0].MonitoredItems
        assert item.Value.Value.VariantType != ua.VariantType.Double
        await bench.behave()
        bench.tell(3.75, [column])
        assert caller.values(await caller.publish()) == [3.75]


async def test_clock_skew(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await begin(caller, bench)
        await bench.misbehave("skew_clock", seconds=-600)
        bench.tell(1.0)
        request = ua.PublishRequest()
        async with asyncio.timeout(5):
            data = await caller.client.uaclient.protocol.send_request(request, timeout=0)
        response: Any = struct_from_binary(ua.PublishResponse, data)
        message = response.Parameters.NotificationMessage
        (item,) = message.NotificationData[0].MonitoredItems
        for told in (
            response.ResponseHeader.Timestamp,
            message.PublishTime,
            item.Value.ServerTimestamp,
        ):
            late_s = time.time() - told.replace(tzinfo=UTC).timestamp()
            assert 599 < late_s < 610


@pytest.mark.parametrize("kind", ["drop_notifications", "lose_notifications"])
async def test_gaps(bench: Any, connected: Any, kind: str) -> None:
    async with connected() as caller:
        number = await begin(caller, bench)
        await bench.misbehave(kind, share=0.3)
        got = await stream(caller, bench, 30)
        numbers = [n for n, _ in got]
        assert numbers == sorted(set(numbers))
        missing = sorted(set(range(2, numbers[-1])) - set(numbers))
        assert missing, "some are missing"
        assert len({value for _, value in got}) < 30
        if kind == "lose_notifications":
            with pytest.raises(uaerrors.BadMessageNotAvailable):
                await caller.republish(number, missing[0])
        else:
            found = [v for n in missing for v in caller.values(await caller.republish(number, n))]
            assert not set(found) & {value for _, value in got}


async def test_duplicates(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await begin(caller, bench)
        await bench.misbehave("duplicate_notifications", share=0.5)
        got = await stream(caller, bench, 20)
        counts = Counter(got)
        assert set(counts.values()) == {1, 2}
        assert sorted({value for _, value in counts}) == [float(v) for v in range(20)]


async def test_reordering(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        await begin(caller, bench)
        await bench.misbehave("reorder_notifications", share=0.3)
        numbers = [number for number, _ in await stream(caller, bench, 20)]
        assert numbers != sorted(numbers)
        assert len(set(numbers)) == len(numbers)
        assert set(range(2, max(numbers))) <= set(numbers)


async def test_wrong_sequence_numbers(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await begin(caller, bench)
        await bench.misbehave("skip_sequence", share=0.3)
        got = await stream(caller, bench, 20)
        assert len(got) == 20, "no value is missing"
        skipped = set(range(2, got[-1][0])) - {n for n, _ in got}
        assert skipped
        with pytest.raises(uaerrors.BadMessageNotAvailable):
            await caller.republish(number, min(skipped))


async def test_broken_data_on_demand(bench: Any, connected: Any) -> None:
    column = bench.plant.column_of["L1-001.voltage"]
    async with connected() as caller:
        await begin(caller, bench, interval_ms=200)
        for what in ("wrong_type", "bad_status", "year_1601", "infinity"):
            bench.server.spoil_next(column, what)
        bench.tell(4.0, [column])
        items = (await caller.publish()).NotificationMessage.NotificationData[0].MonitoredItems
        good, text, bad, old, endless = (item.Value for item in items)
        assert good.Value.Value == 4.0
        assert text.Value.Value == "4,05"
        assert bad.StatusCode.name == "BadSensorFailure"
        assert old.SourceTimestamp.year == 1601
        assert endless.Value.Value == np.inf
        bench.tell(5.0, [column])
        assert caller.values(await caller.publish()) == [5.0]


async def test_a_hostile_broker_there_is_not(pots: Any) -> None:
    with pytest.raises(ScenarioError, match="needs a source of kind opcua"):
        fault({"kind": "half_open", "source": "meters"}, pots, "test")
