"""A server that sends without end: the connection is left, and little of it is kept."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest
from asyncua import Server, ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.ua.ua_binary import uatcp_to_binary
from wait_for2 import CancelledWithResultError

from collector.opcua import transport
from collector.opcua.reader import OpcUaReader
from plant.model import Plant, Source

URI = "urn:test:plant"
TOO_MUCH = "64 MB in a message, or more than 1 MB in a chunk"


@pytest.fixture
def plant_at(plant_of):
    def build(port: int) -> Plant:
        options = {"url": f"opc.tcp://127.0.0.1:{port}", "namespace": URI, "anonymous": True}
        source = Source("o", "opcua", 3.0, {**options, "publishing_interval_s": 0.1})
        rows = [{"signal": name, "address": {"node": f"s={name}"}} for name in ("a", "octets")]
        return plant_of(source, rows)

    return build


@asynccontextmanager
async def flooding():
    """Takes the Hello, and answers what comes next with a chunk of 200 MB."""
    sent = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65_535)
            writer.write(uatcp_to_binary(ua.MessageType.Acknowledge, ua.Acknowledge()))
            await reader.read(65_535)
            writer.write(struct.pack("<3scII", b"OPN", b"F", 200 << 20, 0))
            while sent[0] < 200 << 20:
                writer.write(bytes(1 << 16))
                sent[0] += 1 << 16
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], sent


async def test_a_chunk_without_end(plant_at, collecting, until):
    async with flooding() as (port, sent):
        plant = plant_at(port)
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: reader.health.last_error, within_s=20)
            assert TOO_MUCH in reader.health.last_error
            assert not seen.deliveries
            assert sent[0] < transport.MOST_IN_A_CHUNK + (16 << 20)  # with what was on its way


async def test_a_message_that_is_too_large(plant_at, free_port, collecting, until, monkeypatch):
    monkeypatch.setattr(transport, "MOST_BYTES", 8 << 20)
    server = Server()
    await server.init()
    plant = plant_at(port := free_port())
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(URI)
    objects = server.nodes.objects
    await objects.add_variable(ua.NodeId("a", index), "a", 1.5)
    octets = await objects.add_variable(ua.NodeId("octets", index), "octets", b"")
    reader = OpcUaReader(plant.sources[0], plant)
    async with server, collecting(reader) as seen:
        await until(lambda: 1.5 in seen.values(0))
        await octets.write_value(bytes(12 << 20))
        await until(lambda: reader.health.last_error, within_s=20)
        assert "more than 8 MB in a message" in reader.health.last_error
        await octets.write_value(b"")
        await until(lambda: reader.health.link == "connected")


async def test_a_cancellation_at_the_moment_of_the_answer_is_one(monkeypatch):
    """Task groups and timeouts look at its exact type."""

    async def both(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise CancelledWithResultError(b"", False)

    monkeypatch.setattr(UASocketProtocol, "send_request", both)
    protocol = transport.BoundedProtocol()
    with pytest.raises(asyncio.CancelledError) as raised:
        await protocol.send_request(ua.ReadRequest(), 1.0)
    assert type(raised.value) is asyncio.CancelledError
