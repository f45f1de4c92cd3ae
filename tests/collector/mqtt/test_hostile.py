"""A broker that sends what it should not: nobody is hurt, nothing else is lost."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from collector.mqtt.reader import MqttReader
from plant.model import Source

ROWS = [{"signal": "a", "address": {"topic": "p/a", "pointer": "/v"}}]


def reader_of(plant_of, port: int, **options: object) -> MqttReader:
    address = {"host": "127.0.0.1", "port": port, "client_id": "potline-test"}
    plant = plant_of(Source("m", "mqtt", 10.0, {**address, "keepalive_s": 2, **options}), ROWS)
    return MqttReader(plant.sources[0], plant)


async def test_a_payload_of_100_MB_is_counted_as_it_streams_by(
    plant_of, hostile, collecting, until, wire
):
    async with hostile() as broker, collecting(reader_of(plant_of, broker.port)) as seen:
        await broker.send(wire.publish("p/a", b'{"v": 1}', message_id=1))
        await until(lambda: broker.answers(4) == [1])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await broker.send(head(wire, 100 << 20, 2))
        piece = bytes(1 << 20)
        for _ in range(99):
            await broker.send(piece)
        await until(lambda: seen.refused("too_large") == 1)
        assert broker.answers(4) == [1]
        await broker.send(piece + wire.publish("p/a", b'{"v": 3}', message_id=3))
        await until(lambda: seen.values(0) == [1.0, 3.0])
        await until(lambda: broker.answers(4) == [1, 2, 3])
        grown_kB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown_kB < 30_000
        assert broker.connections == 1


def head(wire, payload_bytes: int, message_id: int) -> bytes:
    """A PUBLISH up to where its payload begins."""
    rest = b"\x00\x03p/a" + message_id.to_bytes(2) + b"\x00"
    return b"\x32" + wire.varint(len(rest) + payload_bytes) + rest


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x32\xff\xff\xff\xff\x01", "remaining length"),
        (b"\x32\x03\x00\x09p", "beyond its end"),
        (b"\x36\x08\x00\x03p/a\x00\x01\x00", "QoS 3"),
        (b"\x32\x08\x00\x03p/a\x00\x00\x00", "message id 0"),
        (b"\x32\x0a\x00\x03p/a\x00\x01\x02\x7f\x00", "property"),
        (b"\x32\x0a\x00\x00\x00\x01\x03\x23\x00\x09{}", "alias"),
        (b"\x90\xff\xff\xff\x7f", "more than a megabyte"),
        (b"\xe0\x01\x8e", "same client_id"),
        (b"\xf0\x02\x00\x00" * 9, "type 15"),
        (b"\x90\x00", "type 9"),
        (b"GET / HTTP/1.1\r\nHost: plant\r\n\r\n" * 4, "type 4"),
    ],
)
async def test_what_is_no_mqtt_ends_the_connection_and_the_next_one_goes_on(
    plant_of, hostile, collecting, until, wire, data, reason
):
    async with hostile() as broker:
        reader = reader_of(plant_of, broker.port)
        async with collecting(reader) as seen:
            await broker.send(wire.publish("p/a", b'{"v": 1}', message_id=1) + data)
            await until(lambda: reader.health.link == "disconnected")
            assert reason in reader.health.last_error
            await until(lambda: broker.connections == 2)
            await broker.send(wire.publish("p/a", b'{"v": 2}', message_id=2))
            await until(lambda: 2 in broker.answers(4))
            assert seen.values(0) == [1.0, 2.0]


async def test_topics_that_are_no_utf_8_and_payloads_that_are_garbage_are_counted_and_acknowledged(
    plant_of, hostile, collecting, until, wire
):
    luck = random.Random(1)
    async with hostile() as broker, collecting(reader_of(plant_of, broker.port)) as seen:
        for n in range(1, 1001, 2):
            await broker.send(wire.publish(b"p/\xff\xfe", b"{}", message_id=n))
            await broker.send(wire.publish("p/a", b"\xff" + luck.randbytes(99), message_id=n + 1))
        await until(lambda: broker.answers(4) == list(range(1, 1001)))
        assert (seen.refused("unknown_topic"), seen.refused("bad_json")) == (500, 500)
        assert broker.connections == 1


async def test_a_message_at_qos_2_is_durable_before_it_is_answered(
    plant_of, hostile, collecting, until, wire
):
    async with hostile() as broker:
        reader = reader_of(plant_of, broker.port)
        async with collecting(reader, durable=False) as seen:
            await broker.send(wire.publish("p/a", b'{"v": 7}', qos=2, message_id=300))
            await until(lambda: seen.values(0) == [7.0])
            assert broker.answers(5) == []
            seen.deliveries[0].durable()
            await until(lambda: broker.answers(5) == [300])
            await broker.send(b"\x62\x02" + (300).to_bytes(2))
            await until(lambda: broker.answers(7) == [300])


async def test_a_broker_that_names_a_topic_once_and_then_by_its_alias(
    plant_of, hostile, collecting, until, wire
):
    content_type = b"\x03\x00\x04json" + b"\x26\x00\x01k\x00\x01v" + b"\x0b\x81\x01" + b"\x01\x01"
    async with hostile() as broker, collecting(reader_of(plant_of, broker.port)) as seen:
        await broker.send(wire.publish("p/a", b'{"v": 1}', alias=65_535, properties=content_type))
        for _ in range(3):
            await broker.send(wire.publish("", b'{"v": 2}', alias=65_535, message_id=2))
        await until(lambda: seen.values(0) == [1.0, 2.0, 2.0, 2.0])
        connect = broker.came[0]
        assert b"\x22\xff\xff" in connect  # topic alias maximum
        assert b"\x21\x4e\x20" in connect  # receive maximum 20,000


def test_no_byte_beyond_the_wire_is_read():
    """The kernels as plain Python, where an index beyond its array is an error, on broken bytes."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz.py")), "7", "600"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
