"""The OPC UA source against real asyncua servers, whole and failing."""

from __future__ import annotations

import ast
import asyncio
import signal
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from asyncua import Client, Server, ua
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription

from collector.opcua.reader import OpcUaReader
from plant.batch import SECOND, Quality
from plant.model import Source
from simulators.proxy import Network, Proxy

URI = "urn:test:plant"
OPCUA = Path(__file__).parents[3] / "collector" / "opcua"


def source(port: int, **options: object) -> Source:
    address = {"url": f"opc.tcp://127.0.0.1:{port}", "namespace": URI}
    return Source("o", "opcua", 3.0, {**address, "publishing_interval_s": 0.1, **options})


def rows(*names: str, **more: object) -> list[dict[str, object]]:
    return [{"signal": n, "address": {"node": f"s={n}"}, **more} for n in names]


@asynccontextmanager
async def serving(port: int, **values: object):
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(URI)
    nodes = {
        name: await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value)
        for name, value in values.items()
    }
    async with server:
        yield nodes


async def test_values_status_and_time_arrive_as_the_source_gave_them(
    plant_of, free_port, collecting, until
):
    port = free_port()
    plant = plant_of(source(port), rows("a", "b", "flag", "text", "absent"))
    at = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    async with serving(port, a=1.0, b=2, flag=True, text="on") as nodes:
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.batch) >= 3)
            await nodes["a"].write_value(ua.DataValue(ua.Variant(4.25), SourceTimestamp=at))
            await until(lambda: 4.25 in seen.values(0))
            uncertain = ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)
            await nodes["a"].write_value(
                ua.DataValue(ua.Variant(5.0), uncertain, at + timedelta(seconds=1))
            )
            bad = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
            await until(lambda: 5.0 in seen.values(0))
            await nodes["a"].write_value(
                ua.DataValue(ua.Variant(6.0), bad, at + timedelta(seconds=2))
            )
            await until(lambda: np.isnan(seen.values(0)[-1]))
    batch = seen.batch.take(seen.batch.tags == 0)
    assert batch.times[-3:].tolist() == [1772366400_123456000 + i * SECOND for i in range(3)]
    assert batch.quality[-3:].tolist() == [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]
    assert seen.values(1)[0] == 2.0
    assert seen.values(2)[0] == 1.0
    assert seen.refused("wrong_type") >= 1
    assert [d.resumed for d in seen.deliveries][:2] == [True, False]
    assert "BadNodeIdUnknown" in reader.health.unresolved["c.absent"]


async def test_a_quiet_tag_is_confirmed_and_stays_known(plant_of, free_port, collecting, until):
    port = free_port()
    plant = plant_of(source(port), rows("still", hold_s=2.0))
    reader = OpcUaReader(plant.sources[0], plant)
    async with serving(port, still=7.5), collecting(reader) as seen:
        await until(lambda: len(seen.batch) >= 3)
    assert seen.values(0)[:3] == [7.5, 7.5, 7.5]
    assert seen.batch.quality[:3].tolist() == [0, Quality.CONFIRMED, Quality.CONFIRMED]
    assert np.all(np.diff(seen.batch.times) > SECOND // 2)


async def test_what_stood_before_a_restart_is_confirmed_not_told_again(
    plant_of, free_port, collecting, until
):
    """A new process is told every value anew, with its old time; what is kept is no news."""
    port = free_port()
    plant = plant_of(source(port), rows("kept", "changed"))
    before = datetime.now(UTC) - timedelta(hours=2)
    newest = np.full(2, int((before + timedelta(hours=1)).timestamp()) * SECOND)
    async with serving(port, kept=1.0, changed=2.0) as nodes:
        await nodes["kept"].write_value(ua.DataValue(ua.Variant(1.0), SourceTimestamp=before))
        began = time.time_ns()
        reader = OpcUaReader(plant.sources[0], plant, newest)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.batch) >= 2)
    first = seen.batch.take(slice(0, 2))
    assert first.times[first.tags == 0][0] >= began - SECOND
    assert first.quality[first.tags == 0][0] == Quality.CONFIRMED
    assert first.times[first.tags == 1][0] > newest[1]
    assert first.quality[first.tags == 1][0] == Quality.GOOD


async def test_what_is_monitored_brings_values_while_the_rest_is_being_asked_for(
    plant_of, free_port, collecting, until
):
    port, names = free_port(), [f"v{i}" for i in range(400)]
    plant = plant_of(source(port, max_per_request=1), rows(*names))
    reader = OpcUaReader(plant.sources[0], plant)
    links = []
    async with serving(port, **dict.fromkeys(names, 1.0)), collecting(reader) as seen:
        await until(lambda: len(seen.batch))
        links.append(reader.health.link)
        await until(lambda: len(np.unique(seen.batch.tags)) == 400)
        await until(lambda: reader.health.link == "connected")
    assert links == ["connecting"]
    first = np.unique(seen.batch.tags, return_index=True)[1]
    assert (seen.batch.quality[first] == Quality.GOOD).all()
    assert [d.resumed for d in seen.deliveries].count(True) == 1


async def test_a_server_that_starts_again_is_subscribed_to_once(
    plant_of, free_port, collecting, until
):
    """It counts its subscriptions from the same number as before."""
    port = free_port()
    plant = plant_of(source(port), rows("a"))
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        async with serving(port, a=1.0):
            await until(lambda: 1.0 in seen.values(0))
        async with serving(port, a=2.0) as nodes:
            await until(lambda: 2.0 in seen.values(0))
            await asyncio.sleep(1.0)
            await nodes["a"].write_value(3.0)
            await until(lambda: 3.0 in seen.values(0))
            assert reader.health.reconnects == 1
            assert reader.health.resubscribes == 0


async def test_a_subscription_that_is_anothers_now_is_not_taken(
    plant_of, free_port, collecting, until
):
    """After the server's start another client has the number that ours had."""
    port = free_port()
    address = f"opc.tcp://127.0.0.1:{port}"
    async with Proxy("127.0.0.1", port) as proxy:
        plant = plant_of(source(proxy.port), rows("a"))
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            async with serving(port, a=1.0, b=-1.0):
                await until(lambda: 1.0 in seen.values(0))
                proxy.network = Network(refuse=True)
                proxy.reset()
            heard: list[float] = []
            async with serving(port, a=2.0, b=-2.0) as nodes, Client(address) as other:
                listener = SimpleNamespace(
                    datachange_notification=lambda node, value, data: heard.append(value)
                )
                subscription = await other.create_subscription(100, listener)
                await subscription.subscribe_data_change(nodes["b"])
                proxy.network = Network()
                await until(lambda: 2.0 in seen.values(0))
                await nodes["b"].write_value(-3.0)
                await until(lambda: -3.0 in heard)
    assert all(value > 0 for value in seen.values(0))


async def test_a_server_that_faults_on_history_is_left_in_peace(
    plant_of, free_port, collecting, until, monkeypatch
):
    asked = []

    async def fault(self, params):
        asked.append(params)
        raise ua.UaStatusCodeError(ua.StatusCodes.BadServiceUnsupported)

    monkeypatch.setattr(InternalSession, "history_read", fault)
    port = free_port()
    plant = plant_of(source(port, history=True), rows("a", interval_s=0.1))
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        async with serving(port, a=1.0):
            await until(lambda: 1.0 in seen.values(0))
        await asyncio.sleep(0.5)
        async with serving(port, a=2.0) as nodes:
            await until(lambda: asked)
            await asyncio.sleep(1.0)
            await nodes["a"].write_value(3.0)
            await until(lambda: 3.0 in seen.values(0))
            assert reader.health.reconnects == 1
    assert len(asked) == 1


async def test_connected_but_not_flowing_is_mended(
    plant_of, free_port, collecting, until, monkeypatch
):
    """The server goes on with keep-alives, but its subscription brings no data any more."""
    port = free_port()
    plant = plant_of(source(port), rows("a", hold_s=2.0))
    enqueue = InternalSubscription.enqueue_datachange_event
    dead: set[int] = set()

    async def lossy(self, mid, *arguments):
        if self.data.SubscriptionId not in dead:
            await enqueue(self, mid, *arguments)

    monkeypatch.setattr(InternalSubscription, "enqueue_datachange_event", lossy)
    async with serving(port, a=0.0) as nodes:

        async def count() -> None:
            for i in range(1, 1000):
                await nodes["a"].write_value(float(i))
                await asyncio.sleep(0.1)

        counting = asyncio.create_task(count())
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.batch) >= 5)
            service = nodes["a"].session.subscription_service
            dead.update(service.subscriptions)
            await until(lambda: reader.health.resubscribes == 1)
            before = len(seen.batch)
            await until(lambda: len(seen.batch) >= before + 10)
        counting.cancel()
    assert reader.health.reconnects == 0


@pytest.mark.slow
async def test_starts_without_its_server_and_survives_kill_and_permuted_namespaces(
    plant_of, opcua_child, collecting, until
):
    plant = plant_of(source(opcua_child.port), rows("count", "still"))
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "disconnected")
        assert reader.health.last_error
        await asyncio.to_thread(opcua_child.start)
        await until(lambda: len(seen.values(0)) > 5)
        opcua_child.end(signal.SIGKILL)
        await until(lambda: reader.health.link == "disconnected")
        before = len(seen.deliveries)
        await asyncio.to_thread(opcua_child.start, "--first", "urn:test:other")
        assert await until(lambda: len(seen.deliveries) > before + 3) < 5.0
    assert reader.health.reconnects == 1
    assert seen.deliveries[before].resumed
    assert -1.0 not in seen.values(0)  # the node of the same name in the other namespace
    assert 7.5 in seen.values(1)


@pytest.mark.slow
async def test_a_black_hole_is_noticed_and_left_behind(
    plant_of, opcua_child, collecting, until, proxy_to, monkeypatch
):
    monkeypatch.setattr("collector.opcua.silence.GONE_S", 3.0)
    await asyncio.to_thread(opcua_child.start)
    async with proxy_to(opcua_child.port) as proxy:
        plant = plant_of(source(proxy.port), rows("count"))
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.values(0)) > 5)
            proxy.open = False
            await until(lambda: reader.health.link == "disconnected", within_s=12)
            proxy.open = True
            before = len(seen.deliveries)
            await until(lambda: len(seen.deliveries) > before + 3, within_s=10)
    assert reader.health.reconnects == 1


async def test_a_node_that_comes_later_is_found(
    plant_of, free_port, collecting, until, monkeypatch
):
    monkeypatch.setattr("collector.opcua.session.RETRY_UNRESOLVED_S", 1.0)
    port = free_port()
    plant = plant_of(source(port), rows("a", "late"))
    async with serving(port, a=1.0) as nodes:
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: list(reader.health.unresolved) == ["c.late"] and seen.values(0))
            parent = await nodes["a"].get_parent()
            index = nodes["a"].nodeid.NamespaceIndex
            await parent.add_variable(ua.NodeId("late", index), "late", 3.0)
            await until(lambda: seen.values(1) == [3.0])
        assert not reader.health.unresolved


async def test_publish_responses_are_acknowledged_only_when_durable(
    plant_of, free_port, collecting, until
):
    port = free_port()
    plant = plant_of(source(port), rows("a"))
    async with serving(port, a=0.0) as nodes:
        service = nodes["a"].session.subscription_service
        async with collecting(OpcUaReader(plant.sources[0], plant), durable=False) as seen:
            for i in range(1, 4):
                await nodes["a"].write_value(float(i))
                await asyncio.sleep(0.25)
            await until(lambda: 3.0 in seen.values(0))
            (subscription,) = service.subscriptions.values()
            assert len(subscription._not_acknowledged_results) >= 3
            for delivery in seen.deliveries:
                delivery.durable()
            await nodes["a"].write_value(4.0)
            await until(lambda: len(subscription._not_acknowledged_results) <= 2)


async def test_tags_of_one_array_node_and_a_notification_of_several_chunks(
    plant_of, free_port, collecting, until
):
    """9,000 anode currents of one node: 72 kB, where a chunk holds 64."""
    port, size = free_port(), 9000
    anodes = [
        {"signal": f"a{i}", "address": {"node": "s=anodes", "index": str(i)}} for i in range(size)
    ]
    plant = plant_of(source(port), [*anodes, *rows("v")])
    async with serving(port, anodes=[i / 8 for i in range(size)], v=5.5) as nodes:
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.batch) >= size + 1)
            await nodes["anodes"].write_value([i / 4 for i in range(size)])
            await until(lambda: len(seen.batch) >= 2 * size + 1)
    batch = seen.batch
    first, second = batch.take(slice(0, size + 1)), batch.take(slice(size + 1, None))
    expected = [*(i / 8 for i in range(size)), 5.5]
    assert first.values[np.argsort(first.tags)].tolist() == expected
    assert second.values.tolist() == [i / 4 for i in range(size)]
    assert len(set(second.times.tolist())) == 1


async def test_an_overflow_of_the_servers_queue_is_counted(plant_of, free_port, collecting, until):
    port = free_port()
    plant = plant_of(source(port, queue_size=1), rows("a", "b"))
    overflow = ua.StatusCode(0x480)
    async with serving(port, a=0.0, b=0.0) as nodes:
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.batch) >= 2)
            await nodes["b"].write_value(ua.DataValue(ua.Variant(1.0), overflow))
            await until(lambda: 1.0 in seen.values(1))
    assert reader.health.overflows == {"c.b": 1}
    assert reader.health.missed_notifications == 0


@pytest.mark.parametrize("file", sorted(OPCUA.glob("*.py")), ids=lambda file: file.stem)
def test_no_code_path_writes_to_a_controller(file):
    """Only these requests are ever built; Write, Call and the like have no place."""
    text = file.read_text("utf-8")
    used = {n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}
    requests = {n for n in used if n.endswith("Request")}
    assert requests <= {
        "CreateSubscriptionRequest",
        "DeleteSubscriptionsRequest",
        "TransferSubscriptionsRequest",
        "CreateMonitoredItemsRequest",
        "MonitoredItemCreateRequest",
        "DeleteMonitoredItemsRequest",
        "SetMonitoringModeRequest",
        "SetPublishingModeRequest",
        "PublishRequest",
        "RepublishRequest",
        "BrowseRequest",
        "BrowseNextRequest",
        "HistoryReadRequest",
        "ReadRequest",
    }
    forbidden = (
        "write_value",
        "write_attribute",
        "write_params",
        "call_method",
        "set_value",
        "history_update",
        "add_nodes",
        "delete_nodes",
    )
    assert not {n for n in used if n.startswith(forbidden)}
