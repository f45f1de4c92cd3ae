"""The wire between two collectors: who knows the secret is heard, and nobody else."""

from __future__ import annotations

import asyncio
from socket import create_server

import pytest

from collector import peer
from collector.peer import GREETING, NotThePeer, answering, ask

SECRET = b"a secret of two collectors"


class Server:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.refused: list[str] = []

    async def answer(self, body: bytes) -> bytes:
        self.heard.append(body)
        return body[::-1]

    def listening(self, port: int):
        refused = lambda _, why: self.refused.append(why)  # noqa: E731
        return answering(create_server(("127.0.0.1", port)), SECRET, self.answer, refused)


@pytest.fixture
def server() -> Server:
    return Server()


async def test_frames_go_there_and_answers_come_back(server, free_port):
    port = free_port()
    async with server.listening(port):
        channel = await ask("127.0.0.1", port, SECRET, 1.0)
        for body in (b"", b"abc", bytes(range(256)) * 4000):
            await channel.send(body)
            assert await channel.receive() == body[::-1]
        await channel.close()
    assert not server.refused


async def test_another_secret_is_refused_and_not_answered(server, free_port):
    port = free_port()
    async with server.listening(port):
        channel = await ask("127.0.0.1", port, b"another secret", 1.0)
        await channel.send(b"let me in")
        with pytest.raises(EOFError):
            await channel.receive()
        await channel.close()
    assert server.heard == []
    assert server.refused == ["the secrets differ; give both collectors the same"]


async def test_who_only_plays_the_answerer_is_not_believed(server, free_port):
    """A server without the secret that sends back what it was sent."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(echo, "127.0.0.1", port):
        channel = await ask("127.0.0.1", port, SECRET, 1.0)
        await channel.send(b"are you there")
        with pytest.raises(NotThePeer, match="secrets differ"):
            await channel.receive()
        await channel.close()


async def test_a_recorded_conversation_cannot_be_played_back(server, free_port):
    """Nor a frame sent twice in its own connection."""
    port = free_port()
    async with server.listening(port):
        channel = await ask("127.0.0.1", port, SECRET, 1.0)
        await channel.send(b"once")
        await channel.receive()
        frame = peer._tag(channel._key, b"ask", 0, b"once")
        recorded = len(b"once").to_bytes(4, "big") + b"once" + frame
        channel._writer.write(recorded)
        with pytest.raises(EOFError):
            await channel.receive()
        await channel.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GREETING + bytes(32) + recorded)
        await reader.readexactly(len(GREETING) + 32)
        assert await reader.read() == b""
        await peer._closed(writer)
    assert server.heard == [b"once"]


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + bytes(99), GREETING + bytes(32) + b"\xff" * 9],
)
async def test_garbage_is_refused(server, free_port, garbage):
    port = free_port()
    async with server.listening(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        async with asyncio.timeout(2):
            await reader.read()
            await reader.read()
        await peer._closed(writer)
        channel = await ask("127.0.0.1", port, SECRET, 1.0)
        await channel.send(b"me")
        assert await channel.receive() == b"em"
        await channel.close()
    assert len(server.refused) == 1


async def test_many_who_say_nothing_leave_no_connection_behind(server, free_port, monkeypatch):
    monkeypatch.setattr(peer, "HELLO_S", 0.3)
    port = free_port()
    async with server.listening(port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await asyncio.sleep(0.6)
        channel = await ask("127.0.0.1", port, SECRET, 1.0)
        await channel.send(b"me")
        assert await channel.receive() == b"em"
        await channel.close()
        for reader, writer in silent:
            assert await reader.read() == b""
            await peer._closed(writer)
