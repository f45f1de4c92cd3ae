"""The host application against Mosquitto: STATE, births asked for, deaths; nothing else is said."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from sparkplug import PAYLOAD, metric, payload, tag

from collector.sparkplug.reader import SparkplugReader
from plant.batch import Quality
from plant.model import Source

pytestmark = pytest.mark.servers
STATE = "spBv1.0/STATE/H"


class Peer:
    """An edge node of the test, and a witness of all that is published."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="peer")
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("#", qos=1)
        self.client.loop_start()

    def _on_message(self, client: object, data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload, message.retain))

    def say(self, topic: str, content: bytes) -> None:
        self.client.publish(f"spBv1.0/{topic}", content).wait_for_publish(5)

    def birth(self, value: float = 1.0, death: int = 0) -> None:
        now_ms = time.time_ns() // 1_000_000
        born = [metric("bdSeq", death, datatype=4), metric("x", value, alias=1)]
        self.say("G/NBIRTH/N", payload(born, 0, now_ms))

    def data(self, seq: int, value: float) -> None:
        now_ms = time.time_ns() // 1_000_000
        self.say("G/NDATA/N", payload([metric(value=value, alias=1, told=False)], seq, now_ms))

    def commands(self) -> list[tuple[str, bytes]]:
        return [(topic, content) for topic, content, _ in self.heard if "CMD" in topic]

    def states(self) -> list[dict[str, object]]:
        return [json.loads(content) for topic, content, _ in self.heard if topic == STATE]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def peer(mosquitto):
    peer = Peer(mosquitto.port)
    yield peer
    peer.close()


def reader_of(plant_of, port: int, **options: object) -> SparkplugReader:
    own = {
        "host": "127.0.0.1", "port": port, "client_id": "host", "host_id": "H", "keepalive_s": 2,
        "reorder_s": 0.3, **options,
    }  # fmt: skip
    plant = plant_of(Source("s", "sparkplug", 10.0, own), [tag("a", "x")])
    return SparkplugReader(plant.sources[0], plant)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_state_births_data_and_a_leave(
    plant_of, mosquitto, peer, collecting, until, protocol
):
    reader = reader_of(plant_of, mosquitto.port, protocol=protocol, rebirth=True)
    async with collecting(reader) as seen:
        await until(lambda: peer.states())
        online = peer.states()[0]
        assert online["online"] is True
        await until(lambda: peer.commands())  # nobody was born yet
        topic, content = peer.commands()[0]
        asked = PAYLOAD.FromString(content)
        assert topic == "spBv1.0/G/NCMD/N"
        assert [(m.name, m.boolean_value) for m in asked.metrics] == [
            ("Node Control/Rebirth", True)
        ]
        assert not asked.HasField("seq")
        await until(lambda: reader.health.unresolved == {"c.a": "no birth of G/N yet"})
        await asyncio.to_thread(peer.birth)
        await asyncio.to_thread(peer.data, 1, 2.0)
        await until(lambda: seen.values(0) == [1.0, 2.0])
        await until(lambda: not reader.health.unresolved)
        assert seen.deliveries[0].resumed
        await asyncio.to_thread(peer.say, "STATE/H", b'{"online": false, "timestamp": 1}')
        await until(lambda: len(peer.states()) == 3)
        assert peer.states()[2] == online
    await until(lambda: len(peer.states()) == 4)
    left = peer.states()[3]
    assert left["online"] is False
    assert left["timestamp"] >= online["timestamp"]
    await asyncio.sleep(0.3)
    assert len(peer.states()) == 4  # no will


async def test_it_says_nothing_else_and_without_leave_asks_nobody(
    plant_of, mosquitto, peer, collecting, until
):
    reader = reader_of(plant_of, mosquitto.port)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "connected")
        await asyncio.to_thread(peer.data, 1, 2.0)
        await until(lambda: seen.refused("no_birth") == 1)
        await asyncio.to_thread(peer.birth)
        await asyncio.to_thread(peer.data, 7, 3.0)  # six are lost
        await until(lambda: seen.values(0) == [1.0, 3.0])
        await until(lambda: reader.health.missed_notifications == 6)
        await asyncio.sleep(0.5)
    await asyncio.sleep(0.2)
    ours = {topic for topic, _, _ in peer.heard} - {"spBv1.0/G/NDATA/N", "spBv1.0/G/NBIRTH/N"}
    assert ours == {STATE}


async def test_a_lost_message_leads_to_one_request(plant_of, mosquitto, peer, collecting, until):
    reader = reader_of(plant_of, mosquitto.port, rebirth=True, reorder_s=0.2)
    async with collecting(reader) as seen:
        await until(lambda: len(peer.commands()) == 1)
        await asyncio.to_thread(peer.birth)
        await until(lambda: seen.values(0) == [1.0])
        reader._decoder.nodes.nodes[0].ask_at = 0.0
        for seq in range(3, 60):
            await asyncio.to_thread(peer.data, seq, float(seq))
        await until(lambda: len(seen.values(0)) == 58)
        await until(lambda: len(peer.commands()) == 2)
        await asyncio.sleep(1.0)
        assert len(peer.commands()) == 2


async def test_a_node_that_dies_and_comes_back(plant_of, mosquitto, peer, collecting, until):
    reader = reader_of(plant_of, mosquitto.port)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "connected")
        await asyncio.to_thread(peer.birth, 1.0, 4)
        await asyncio.to_thread(peer.say, "G/NDEATH/N", payload([metric("bdSeq", 4, datatype=4)]))
        await until(lambda: len(seen.batch) == 2)
        assert seen.batch.quality.tolist() == [Quality.GOOD, Quality.BAD]
        await until(lambda: reader.health.unresolved == {"c.a": "G/N is offline"})
        await asyncio.to_thread(peer.birth, 2.0, 5)
        await until(lambda: seen.values(0)[2:] == [2.0])


async def test_a_broker_that_is_killed_tells_our_death_and_births_come_again(
    plant_of, mosquitto, collecting, until
):
    reader = reader_of(plant_of, mosquitto.port, rebirth=True)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "connected")
        peer = await asyncio.to_thread(Peer, mosquitto.port)
        await asyncio.to_thread(peer.birth)
        await until(lambda: seen.values(0) == [1.0])
        await asyncio.to_thread(peer.close)
        await asyncio.to_thread(mosquitto.kill)
        await until(lambda: reader.health.link == "disconnected")
        await asyncio.to_thread(mosquitto.start)
        await until(lambda: reader.health.link == "connected")
        peer = await asyncio.to_thread(Peer, mosquitto.port)
        await until(lambda: peer.commands())
        await asyncio.to_thread(peer.birth, 3.0)
        await until(lambda: seen.values(0) == [1.0, 3.0])
        assert sum(d.resumed for d in seen.deliveries) == 2
        assert peer.states()[0]["online"] is True
        await asyncio.to_thread(peer.close)


async def test_our_will_tells_that_we_are_gone(
    plant_of, mosquitto, peer, collecting, until, proxy_to
):
    async with proxy_to(mosquitto.port) as proxy:
        reader = reader_of(plant_of, proxy.port, keepalive_s=1)
        async with collecting(reader):
            await until(lambda: peer.states())
            proxy.open = False
            await until(lambda: peer.states()[-1]["online"] is False)
            assert peer.states()[-1]["timestamp"] == peer.states()[0]["timestamp"]
            proxy.open = True
            await until(lambda: peer.states()[-1]["online"] is True)
