"""The MQTT source against Mosquitto, whole and failing, and a broker that knows no MQTT 5."""

from __future__ import annotations

import asyncio
import threading
import time

import orjson
import pytest
from amqtt.broker import Broker
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs

from collector.intake import Intake
from collector.mqtt.reader import MqttReader
from collector.mqtt.subscriptions import topic_filters
from plant.model import Source
from simulators.proxy import Network, Proxy
from store.spool import Spool

pytestmark = pytest.mark.servers
BASE_MS = int(time.time() * 1000) - 3_600_000


def source(port: int, **options: object) -> Source:
    address = {"host": "127.0.0.1", "port": port, "client_id": "potline-test"}
    return Source("m", "mqtt", 10.0, {**address, "keepalive_s": 2, **options})


def row(signal_: str, topic: str) -> dict[str, object]:
    address = {"topic": topic, "pointer": "/v", "time": "/t", "time_format": "unix_ms"}
    return {"signal": signal_, "address": address}


class Publisher:
    """A peer that publishes at QoS 1 and knows what the broker has taken."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="peer")
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, topic: str, value: object, *, n: int | None = None) -> None:
        """Value and a time of its own; returns when the broker has taken it."""
        self.sent += 1
        at = BASE_MS + (self.sent if n is None else n)
        self.raw(topic, orjson.dumps({"v": value, "t": at}))

    def raw(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def publisher(mosquitto):
    publisher = Publisher(mosquitto.port)
    yield publisher
    publisher.close()


async def test_starts_without_a_broker_and_collects_when_there_is_one(
    plant_of, mosquitto, collecting, until
):
    mosquitto.stop()
    plant = plant_of(source(mosquitto.port), [row("a", "p/a"), row("b", "p/b")])
    reader = MqttReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "disconnected")
        assert reader.health.last_error
        await asyncio.to_thread(mosquitto.start)
        await until(lambda: reader.health.link == "connected")
        publisher = await asyncio.to_thread(Publisher, mosquitto.port)
        await asyncio.to_thread(publisher.send, "p/a", 1.5)
        await asyncio.to_thread(publisher.send, "p/b", 2)
        await until(lambda: len(seen.batch) == 2)
        await asyncio.to_thread(publisher.close)
    assert (seen.values(0), seen.values(1)) == ([1.5], [2.0])
    assert seen.batch.times.tolist() == [(BASE_MS + i) * 1_000_000 for i in (1, 2)]
    assert seen.deliveries[0].resumed


async def test_bad_messages_are_counted_and_acknowledged_and_stop_nothing(
    plant_of, mosquitto, publisher, collecting, until
):
    plant = plant_of(source(mosquitto.port), [row("a", "p/a")])
    reader = MqttReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "connected")
        await asyncio.to_thread(publisher.send, "p/a", 1)
        await until(lambda: seen.values(0) == [1.0])
        for payload in (b'{"v": 1', b"x" * (10 << 20), b"\x00", b'{"v": "1", "t": 1}'):
            await asyncio.to_thread(publisher.raw, "p/a", payload)
        await asyncio.to_thread(publisher.send, "p/a", 2)
        await until(lambda: seen.values(0) == [1.0, 2.0])
        await asyncio.sleep(1.0)  # the broker, saving 10 MB, comes to read the acknowledgements
    assert [seen.refused(r) for r in ("bad_json", "too_large", "not_a_number")] == [2, 1, 1]
    async with collecting(MqttReader(plant.sources[0], plant)) as again:
        await asyncio.to_thread(publisher.send, "p/a", 3)
        await until(lambda: again.values(0) == [3.0])  # none of the bad ones came again


async def test_what_was_not_durable_comes_again(plant_of, mosquitto, publisher, collecting, until):
    plant = plant_of(source(mosquitto.port), [row("a", "p/a")])
    reader = MqttReader(plant.sources[0], plant)
    async with collecting(reader, durable=False) as seen:
        await until(lambda: reader.health.link == "connected")
        await asyncio.to_thread(publisher.send, "p/a", 0)
        await until(lambda: seen.values(0))
        for i in range(1, 50):
            await asyncio.to_thread(publisher.send, "p/a", i)
        await until(lambda: len(seen.batch) == 50)
    await asyncio.to_thread(publisher.send, "p/a", 50)  # while nobody listens
    async with collecting(MqttReader(plant.sources[0], plant)) as again:
        await until(lambda: len(again.batch) == 51)
    assert sorted(again.values(0)) == [float(i) for i in range(51)]


async def test_the_broker_waits_for_an_intake_that_is_behind(
    plant_of, mosquitto, publisher, collecting, until
):
    plant = plant_of(source(mosquitto.port, receive_maximum=5), [row("a", "p/a")])
    reader = MqttReader(plant.sources[0], plant)
    async with collecting(reader, durable=False) as seen:
        await until(lambda: reader.health.link == "connected")
        for i in range(20):
            await asyncio.to_thread(publisher.send, "p/a", i)
        await until(lambda: len(seen.batch) == 5)
        await asyncio.sleep(0.3)
        assert len(seen.batch) == 5
        for delivery in list(seen.deliveries):
            delivery.durable()
        await until(lambda: len(seen.batch) >= 10)


@pytest.mark.parametrize("fault", ["stop", "kill", "cut"])
async def test_what_the_broker_took_is_there_once_whatever_ends_the_connection(
    plant_of, mosquitto, publisher, until, tmp_path, request, proxy_to, fault
):
    """Through the intake into a spool; the broker stopped, killed, the connection cut ten times."""
    proxy = await proxy_to(mosquitto.port).__aenter__()
    plant = plant_of(source(proxy.port), [row("a", "p/a")])
    spool = Spool(tmp_path / "spool.sqlite", plant)
    request.addfinalizer(spool.close)
    intake = Intake(plant, spool, lambda _: None)
    committing = asyncio.create_task(intake.run())
    reader = MqttReader(plant.sources[0], plant)

    async def collect() -> None:
        async for delivery in reader.deliveries():
            await intake.put(delivery)

    collecting = asyncio.create_task(collect())
    await until(lambda: reader.health.link == "connected")
    taken: list[int] = []
    stop = threading.Event()

    def publish() -> None:
        for n in range(1_000_000):
            if stop.is_set():
                return
            try:
                publisher.send("p/a", n, n=n)
            except (RuntimeError, ValueError):
                time.sleep(0.05)
                continue
            taken.append(n)

    publishing = asyncio.create_task(asyncio.to_thread(publish))
    await until(lambda: len(taken) > 100)
    for _ in range(10 if fault == "cut" else 1):
        began = reader.health.reconnects
        if fault == "cut":
            for link in proxy._tasks:
                link.cancel()
        else:
            await asyncio.to_thread(mosquitto.stop if fault == "stop" else mosquitto.kill)
            await asyncio.to_thread(mosquitto.start)
        await until(lambda n=began: reader.health.reconnects > n, within_s=5)
        assert await until(lambda: reader.health.link == "connected") < 5
    after = len(taken)
    await until(lambda: len(taken) > after + 100, within_s=15)
    stop.set()
    await publishing
    wanted = {(BASE_MS + n) * 1_000_000 for n in taken}
    await until(lambda: wanted <= _times(spool), within_s=10)
    collecting.cancel()
    await asyncio.wait((collecting,))
    await intake.drain()
    committing.cancel()
    assert spool.ledger()["m"].balance == 0
    await proxy.__aexit__()


def _times(spool: Spool) -> set[int]:
    return set(spool.samples(None, 0, 2**62).times.tolist())


async def test_a_half_open_connection_is_left_behind(
    plant_of, mosquitto, publisher, collecting, until, proxy_to
):
    async with proxy_to(mosquitto.port) as proxy:
        plant = plant_of(source(proxy.port, keepalive_s=1), [row("a", "p/a")])
        reader = MqttReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: reader.health.link == "connected")
            proxy.open = False
            await until(lambda: reader.health.link == "disconnected")
            await asyncio.to_thread(publisher.send, "p/a", 2)
            proxy.open = True
            await until(lambda: 2.0 in seen.values(0))


async def test_topics_that_left_the_plant_file_are_left_by_the_session_too(
    plant_of, mosquitto, publisher, collecting, until
):
    both = plant_of(
        source(mosquitto.port, subscribe="topics"), [row("a", "p/a"), row("old", "p/old")]
    )
    reader = MqttReader(both.sources[0], both)
    async with collecting(reader):
        await until(lambda: reader.health.link == "connected")
    plant = plant_of(source(mosquitto.port, subscribe="topics"), [row("a", "p/a")])
    async with collecting(MqttReader(plant.sources[0], plant)) as seen:
        await asyncio.to_thread(publisher.send, "p/old", 2)
        await until(lambda: seen.refused("unknown_topic") >= 1)
        await asyncio.sleep(0.2)
        before = seen.refused("unknown_topic")
        await asyncio.to_thread(publisher.send, "p/old", 3)
        await asyncio.to_thread(publisher.send, "p/a", 4)
        await until(lambda: 4.0 in seen.values(0))
        assert seen.refused("unknown_topic") == before


async def test_what_nobody_asked_for_is_counted(plant_of, mosquitto, publisher, collecting, until):
    plant = plant_of(source(mosquitto.port), [row("a", "site/p/a")])
    async with collecting(MqttReader(plant.sources[0], plant)) as seen:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(publisher.send, "site/p/unknown", 2)
        await asyncio.to_thread(publisher.send, "site/p/a", 4)
        await until(lambda: 4.0 in seen.values(0))
        await until(lambda: seen.refused("unknown_topic") == 1)


async def test_a_filter_that_left_the_plant_file_is_left_by_the_session_too(
    plant_of, mosquitto, publisher, collecting, until
):
    old = plant_of(source(mosquitto.port), [row("a", "east/p/a"), row("b", "east/q/b")])
    reader = MqttReader(old.sources[0], old)
    async with collecting(reader):
        await until(lambda: reader.health.link == "connected")  # subscribed to east/#
    plant = plant_of(source(mosquitto.port), [row("a", "west/p/a")])
    async with collecting(MqttReader(plant.sources[0], plant)) as seen:
        await asyncio.to_thread(publisher.send, "east/x", 2)
        await until(lambda: seen.refused("unknown_topic") == 1)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(publisher.send, "east/y/z", 3)
        await asyncio.to_thread(publisher.send, "west/p/a", 4)
        await until(lambda: seen.values(0) == [4.0])
        assert seen.refused("unknown_topic") == 1


async def test_while_the_spool_is_behind_the_broker_keeps_the_rest_and_the_connection_stays(
    plant_of, mosquitto, publisher, collecting, until, monkeypatch
):
    monkeypatch.setattr("collector.mqtt.connection.MOST_MESSAGES", 5)
    monkeypatch.setattr("collector.mqtt.connection.DELIVERIES", 4)
    plant = plant_of(source(mosquitto.port, keepalive_s=1), [row("a", "p/a")])
    reader = MqttReader(plant.sources[0], plant)
    async with collecting(reader, durable=False) as seen:
        await until(lambda: reader.health.link == "connected")
        for i in range(200):
            await asyncio.to_thread(publisher.send, "p/a", i)
        await asyncio.sleep(4)  # four times the keep-alive
        assert len(seen.deliveries) == 4
        assert len(seen.batch) < 200
        assert reader.session.unacknowledged == len(seen.batch)
        given = 0
        while len(seen.batch) < 200:
            for delivery in seen.deliveries[given:]:
                delivery.durable()
                given += 1
            await asyncio.sleep(0.02)
        assert seen.values(0) == [float(i) for i in range(200)]
        assert reader.health.reconnects == 0
        assert reader.session.paused_s > 3


async def test_a_session_that_the_broker_lost_is_told(plant_of, mosquitto, collecting, until):
    plant = plant_of(source(mosquitto.port), [row("a", "p/a")])
    reader = MqttReader(plant.sources[0], plant)
    with capture_logs() as logs:
        async with collecting(reader):
            await until(lambda: reader.health.link == "connected")
            mosquitto.kill()
            await until(lambda: reader.health.link == "disconnected")
            await asyncio.to_thread(mosquitto.start)
            await until(lambda: reader.health.link == "connected")
            assert reader.session.lost == 0
            mosquitto.kill()
            (mosquitto.folder / "mosquitto.db").unlink()
            await until(lambda: reader.health.link == "disconnected")
            await asyncio.to_thread(mosquitto.start)
            await until(lambda: reader.session.lost == 1)
    assert any("lost the session" in line["event"] for line in logs)


async def test_two_of_a_group_share_what_comes(plant_of, mosquitto, publisher, collecting, until):
    def member(client_id: str) -> MqttReader:
        shared = source(mosquitto.port, share="pair", client_id=client_id)
        plant = plant_of(shared, [row("a", "p/a"), row("b", "p/b")])
        return MqttReader(plant.sources[0], plant)

    one, other = member("one"), member("other")
    async with collecting(one) as left, collecting(other) as right:
        await until(lambda: {one.health.link, other.health.link} == {"connected"})
        for i in range(40):
            await asyncio.to_thread(publisher.send, "p/a", i)
        await until(lambda: len(left.batch) + len(right.batch) == 40)
        assert 0 < len(left.batch) < 40
        assert sorted(left.values(0) + right.values(0)) == [float(i) for i in range(40)]


async def test_a_broker_that_knows_only_mqtt_3_is_spoken_to_in_it(
    plant_of, free_port, collecting, until
):
    port = free_port()
    listener = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": listener, "plugins": plugins})
    await broker.start()
    try:
        plant = plant_of(source(port, protocol="3.1.1"), [row("a", "p/a")])
        reader = MqttReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: reader.health.link == "connected")
            publisher = await asyncio.to_thread(Publisher, port)
            await asyncio.to_thread(publisher.send, "p/a", 1)
            await until(lambda: seen.values(0) == [1.0])
            await asyncio.to_thread(publisher.close)
        assert reader.health.reconnects == 0
    finally:
        await broker.shutdown()


def test_few_topics_are_named_and_many_are_covered():
    assert topic_filters(["b/x", "a"], "topics") == ["a", "b/x"]
    lines = [f"site/line/{i}/p" for i in range(3)]
    assert topic_filters(lines, "prefix") == ["site/line/#"]
    assert topic_filters(lines[:1], "prefix") == ["site/line/0/#"]
    assert topic_filters([*lines, "other/x", "a"], "prefix") == ["a", "other/#", "site/#"]


async def test_a_broker_that_swallows_everything_is_left_soon_whatever_the_keep_alive(
    plant_of, mosquitto, publisher, collecting, until
):
    async with Proxy("127.0.0.1", mosquitto.port) as proxy:
        plant = plant_of(source(proxy.port, keepalive_s=60), [row("a", "p/a")])
        reader = MqttReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: reader.health.link == "connected")
            proxy.network.black_hole = True
            began = time.monotonic()
            await until(lambda: reader.health.link == "disconnected")
            assert "silent" in reader.health.last_error
            assert time.monotonic() - began < 6
            proxy.network = Network()
            await until(lambda: reader.health.link == "connected")
            await asyncio.to_thread(publisher.send, "p/a", 2.5)
            await until(lambda: len(seen.batch))


async def test_a_quiet_broker_is_asked_and_kept(plant_of, mosquitto, collecting, until):
    plant = plant_of(source(mosquitto.port, keepalive_s=60), [row("a", "p/a")])
    reader = MqttReader(plant.sources[0], plant)
    async with collecting(reader):
        await until(lambda: reader.health.link == "connected")
        await asyncio.sleep(5)
        assert reader.health.link == "connected"
        assert reader.health.reconnects == 0
