"""MQTT packets as bytes, by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np
import pytest

from collector.mqtt.columns import PacketDecoder
from collector.mqtt.wire import FIRST, PUBLISH, PacketReader


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, byte = divmod(value, 128)
        out.append(byte | (128 if value else 0))
        if not value:
            return bytes(out)


def publish(
    topic: str | bytes,
    payload: bytes,
    *,
    qos: int = 1,
    message_id: int = 1,
    five: bool = True,
    alias: int = 0,
    properties: bytes = b"",
) -> bytes:
    name = topic.encode() if isinstance(topic, str) else topic
    if alias:
        properties += b"\x23" + alias.to_bytes(2)
    body = len(name).to_bytes(2) + name
    if qos:
        body += message_id.to_bytes(2)
    if five:
        body += varint(len(properties)) + properties
    body += payload
    return bytes([PUBLISH << 4 | qos << 1]) + varint(len(body)) + body


def feed(
    reader: PacketReader,
    decoder: PacketDecoder,
    wire: bytes,
    received: int,
    luck: random.Random | None = None,
) -> None:
    """All of the wire, in reads of random lengths where there is luck."""
    while wire:
        room = reader.room()
        count = min(len(room), len(wire), luck.randint(1, 400) if luck else len(wire))
        room[:count] = wire[:count]
        wire = wire[count:]
        reader.take(count)
        while len(packets := reader.packets()):
            of_topics = packets[packets[:, FIRST] >> 4 == PUBLISH]
            decoder.take(reader.bytes, reader.buffer, of_topics, received)
        reader.keep()


def same(ours: Iterable[np.ndarray], others: Iterable[np.ndarray]) -> bool:
    """Bit for bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(ours, others, strict=True))


class HostileBroker:
    """Speaks MQTT 5 as far as it must, then sends whatever a test wants."""

    def __init__(self) -> None:
        self.connections = 0
        self.came: list[bytes] = []  # whole packets of the collector
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> HostileBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self._writer is not None:
            self._writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                packet = await self._packet(reader)
                self.came.append(packet)
                answer = self._answer(packet)
                if answer:
                    writer.write(answer)
                if packet[0] >> 4 == 8:  # subscribed: now the test may send
                    self._writer = writer
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def _packet(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(2)
        while head[-1] & 128:
            head += await reader.readexactly(1)
        length = sum((byte & 127) << 7 * i for i, byte in enumerate(head[1:]))
        return head + await reader.readexactly(length)

    def _answer(self, packet: bytes) -> bytes:
        match packet[0] >> 4:
            case 1:
                return b"\x20\x03\x00\x00\x00"
            case 8:
                return b"\x90\x04" + packet[2:4] + b"\x00\x01"
            case 12:
                return b"\xd0\x00"
        return b""

    async def send(self, data: bytes) -> None:
        """To the newest connection, once it has subscribed."""
        while self._writer is None or self._writer.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._writer.write(data)
        await self._writer.drain()

    def answers(self, kind: int) -> list[int]:
        """Message ids of the PUBACK (4), PUBREC (5) or PUBCOMP (7) that came."""
        return [int.from_bytes(p[2:4]) for p in self.came if p[0] >> 4 == kind]


@pytest.fixture
def hostile() -> type[HostileBroker]:
    return HostileBroker


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """The kernels, so that no test waits for them."""
    PacketDecoder(SimpleNamespace(tags=()), "", 1).warm()


@pytest.fixture(scope="session")
def wire() -> SimpleNamespace:
    return SimpleNamespace(publish=publish, feed=feed, same=same, varint=varint)
