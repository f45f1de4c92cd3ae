"""The fast server as its clients see it: plain OPC UA."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.ua import uaerrors

from plant.batch import SECOND
from simulators.scale.samples import BOOLEAN, DOUBLE, FLOAT, INT32

pytestmark = pytest.mark.asyncio(loop_scope="session")
URI = "urn:test:pots"


class Seen:
    def __init__(self) -> None:
        self.rows: list[tuple[str, ua.DataValue]] = []

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.rows.append((node.nodeid.Identifier, data.monitored_item.Value))


async def until(condition: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for comes over the wire
            await asyncio.sleep(0.02)


def ns(moment: Any) -> int:
    return round(moment.replace(tzinfo=UTC).timestamp() * 1e6) * 1000


async def test_the_stock_client_gets_values_types_status_and_times(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "001.voltage": (DOUBLE, 3.9517, ua.VariantType.Double, 3.9517),
        "002.voltage": (FLOAT, 3.9517, ua.VariantType.Float, float(np.float32(3.9517))),
        "003.feed_mode": (INT32, 3.0, ua.VariantType.Int32, 3),
        "004.feed_mode": (BOOLEAN, 1.0, ua.VariantType.Boolean, True),
    }
    column = {bench.plant.tags[c].address["node"][2:]: c for c in bench.columns.tolist()}
    kinds = bench.server.tags.kinds.copy()
    for name, (kind, *_) in told.items():
        kinds[column[name]] = kind
    monkeypatch.setattr(bench.server.tags, "kinds", kinds)
    async with Client(bench.url) as client:
        index = await client.get_namespace_index(URI)
        seen = Seen()
        subscription = await client.create_subscription(20, seen)
        nodes = [client.get_node(ua.NodeId(name, index)) for name in told]
        await subscription.subscribe_data_change(nodes)
        await until(lambda: len(seen.rows) == len(told))
        assert {v.StatusCode.name for _, v in seen.rows} == {"BadWaitingForInitialData"}
        seen.rows.clear()
        before = time.time_ns()
        times = {name: bench.tell(value, [column[name]]) for name, (_, value, *_) in told.items()}
        await until(lambda: len(seen.rows) == len(told))
        for name, value in seen.rows:
            _, _, kind, number = told[name]
            assert value.Value.VariantType == kind
            assert value.Value.Value == number
            assert value.StatusCode.is_good()
            assert ns(value.SourceTimestamp) == times[name]
            assert before - 1000 <= ns(value.ServerTimestamp) <= time.time_ns()
        for node in nodes:
            read = await node.read_data_value()
            _, _, kind, number = told[node.nodeid.Identifier]
            assert (read.Value.VariantType, read.Value.Value) == (kind, number)
            assert ns(read.SourceTimestamp) == times[node.nodeid.Identifier]


async def test_it_can_be_browsed_and_not_written(bench: Any) -> None:
    async with Client(bench.url) as client:
        index = await client.get_namespace_index(URI)
        children = await client.nodes.objects.get_children()
        folders = {(await child.read_browse_name()).Name: child for child in children}
        assert {"L1-001", "L1-002", "L1-003", "L1-004", "L1", "Server"} <= set(folders)
        tags = await folders["L1-001"].get_children()
        assert {t.nodeid.Identifier for t in tags} == {"001.voltage", "001.feed_mode"}
        voltage = client.get_node(ua.NodeId("001.voltage", index))
        assert (await voltage.get_parent()).nodeid == folders["L1-001"].nodeid
        assert await voltage.read_data_type_as_variant_type() == ua.VariantType.Double
        found = await client.nodes.objects.get_child([f"{index}:L1-001", f"{index}:voltage"])
        assert found.nodeid == voltage.nodeid
        with pytest.raises(uaerrors.BadNotWritable):
            await voltage.write_value(1.0)
        with pytest.raises(uaerrors.BadNodeIdUnknown):
            await client.get_node(ua.NodeId("no.such", index)).read_value()


async def test_sequence_acknowledgement_and_republish(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await caller.subscribe()
        await caller.monitor(number, ["001.voltage"])
        first = await caller.publish()
        assert first.NotificationMessage.SequenceNumber == 1
        bench.tell(1.0)
        second = await caller.publish((number, 1))
        assert second.Results[0].is_good()
        assert second.NotificationMessage.SequenceNumber == 2
        assert second.AvailableSequenceNumbers == [2]
        bench.tell(2.0)
        third = await caller.publish((number, 1), (number + 1, 1))
        assert [code.name for code in third.Results] == [
            "BadSequenceNumberUnknown",
            "BadSubscriptionIdInvalid",
        ]
        assert third.AvailableSequenceNumbers == [2, 3]
        for _ in range(2):  # until it is acknowledged, as often as one likes
            again = await caller.republish(number, 2)
            assert (again.SequenceNumber, caller.values(again)) == (2, [1.0])
        with pytest.raises(uaerrors.BadMessageNotAvailable):
            await caller.republish(number, 1)
        with pytest.raises(uaerrors.BadSubscriptionIdInvalid):
            await caller.republish(number + 1, 1)


async def test_no_more_values_in_a_message_than_asked_for(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await caller.subscribe(most=4)
        await caller.monitor(number, [bench.plant.tags[c].address["node"][2:]
                                      for c in bench.columns.tolist()])  # fmt: skip
        sizes, more = [], True
        while more:
            result = await caller.publish()
            sizes.append(len(caller.values(result)))
            more = result.MoreNotifications
        assert sizes == [4, 4, 1]


async def test_queue_and_overflow(bench: Any, connected: Any) -> None:
    column = bench.plant.column_of["L1-001.voltage"]
    async with connected() as caller:
        number = await caller.subscribe(interval_ms=300)
        (item,) = await caller.monitor(number, ["001.voltage"], queue=3)
        assert item.RevisedQueueSize == 3
        assert item.RevisedSamplingInterval == 500
        await caller.publish()
        for value in range(5):
            bench.tell(float(value), [column])
        result = await caller.publish()
        assert caller.values(result) == [2.0, 3.0, 4.0]
        items = result.NotificationMessage.NotificationData[0].MonitoredItems
        assert [i.Value.StatusCode.value for i in items] == [0x480, 0, 0]


async def test_keep_alive_then_expiry(bench: Any, connected: Any) -> None:
    async with connected() as caller:
        number = await caller.subscribe(keep_alive=5, lifetime=15)
        began = time.monotonic()
        at_once = await caller.publish()  # the first message comes even with nothing to tell
        assert not at_once.NotificationMessage.NotificationData
        keep_alive = await caller.publish()
        assert not keep_alive.NotificationMessage.NotificationData
        assert keep_alive.NotificationMessage.SequenceNumber == 1, "the next one to be used"
        assert time.monotonic() - began >= 0.08
        assert bench.server._service.subscriptions
        await until(lambda: not bench.server._service.subscriptions, 5)  # nobody asks any more
        with pytest.raises(uaerrors.BadNoSubscription):
            await caller.publish()
        with pytest.raises(uaerrors.BadSubscriptionIdInvalid):
            await caller.monitor(number, ["001.voltage"])


async def test_what_a_broken_connection_lost_is_told_again(bench: Any, connected: Any) -> None:
    column = bench.plant.column_of["L1-001.voltage"]
    async with connected() as caller:
        number = await caller.subscribe()
        await caller.monitor(number, ["001.voltage"])
        await caller.publish()
        bench.tell(1.0, [column])
        assert caller.values(await caller.publish()) == [1.0]  # and never acknowledged
        for link in bench.server._server.bserver.clients:
            link.transport.abort()
        bench.tell(2.0, [column])
        async with connected() as other:
            transferred = await other.transfer(number)
            assert transferred.StatusCode.is_good()
            assert transferred.AvailableSequenceNumbers[:2] == [1, 2]
            assert other.values(await other.republish(number, 2)) == [1.0]
            result = await other.publish((number, 1), (number, 2))
            assert result.NotificationMessage.SequenceNumber == 3, "no gap"
            assert other.values(result) == [2.0]


async def test_clients_and_subscriptions_do_not_disturb_each_other(
    bench: Any, connected: Any
) -> None:
    async with connected() as one, connected() as two:
        numbers = [await one.subscribe(), await one.subscribe(), await two.subscribe()]
        for caller, number in zip((one, one, two), numbers, strict=True):
            await caller.monitor(number, ["001.voltage", "L1.current"])
        got: dict[int, list[float]] = {number: [] for number in numbers}

        async def loop(caller: Any) -> None:
            acks: list[tuple[int, int]] = []
            while True:
                result = await caller.publish(*acks)
                acks = [(result.SubscriptionId, result.NotificationMessage.SequenceNumber)]
                got[result.SubscriptionId] += caller.values(result)

        loops = [asyncio.create_task(loop(caller)) for caller in (one, one, one, two)]
        await until(lambda: all(len(values) == 2 for values in got.values()))
        for value in range(20):
            bench.tell(float(value))
            await asyncio.sleep(0.01)
        await until(lambda: all(len(values) == 42 for values in got.values()))
        for values in got.values():
            assert sorted(values[2:]) == sorted([float(v) for v in range(20)] * 2)
        for task in loops:
            task.cancel()


async def test_a_filter_that_cannot_be_is_refused(bench: Any, connected: Any) -> None:
    percent = ua.DataChangeFilter(
        ua.DataChangeTrigger.StatusValue, ua.DeadbandType.Percent, DeadbandValue=1.0
    )
    by_time = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    async with connected() as caller:
        number = await caller.subscribe()
        (refused,) = await caller.monitor(number, ["001.voltage"], filter=percent)
        assert refused.StatusCode.name == "BadMonitoredItemFilterUnsupported"
        (taken,) = await caller.monitor(number, ["001.voltage"], filter=by_time)
        assert taken.StatusCode.is_good()
        await caller.publish()
        for _ in range(3):
            bench.tell(1.0)
            assert caller.values(await caller.publish()) == [1.0], "its time alone is news"


async def test_the_server_itself_can_be_monitored_too(bench: Any) -> None:
    async with Client(bench.url) as client:
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        clock = client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime))
        index = await client.get_namespace_index(URI)
        await subscription.subscribe_data_change(
            [clock, client.get_node(ua.NodeId("L1.current", index))]
        )
        bench.tell(399.0)
        await until(lambda: {name for name, _ in seen.rows} == {2258, "L1.current"})
        assert abs(ns(next(v.Value.Value for n, v in seen.rows if n == 2258)) - time.time_ns()) < (
            5 * SECOND
        )
