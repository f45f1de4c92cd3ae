"""The proxy's faults, against an echo on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from simulators.proxy import Network, Proxy


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    async with echo() as port, Proxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            yield proxy, reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(data))


async def test_everything_passes() -> None:
    data = bytes(range(256)) * 4000
    async with proxied() as (proxy, reader, writer):
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert proxy.bytes == 2 * len(data)
        assert proxy.connections == 1


async def test_delay_is_each_way_and_does_not_throttle() -> None:
    async with proxied() as (proxy, reader, writer):
        proxy.network.delay_s = 0.2
        began = time.monotonic()
        writer.write(b"x" * 3_000_000)
        await reader.readexactly(3_000_000)
        took = time.monotonic() - began
        assert 0.4 <= took < 2.5, "forty chunks one after the other would take eight seconds"


async def test_bandwidth() -> None:
    async with proxied() as (proxy, reader, writer):
        proxy.network.bytes_per_s = 100_000
        began = time.monotonic()
        await ask(reader, writer, b"x" * 50_000)
        assert time.monotonic() - began >= 0.45


async def test_black_hole_swallows_and_the_connection_never_recovers() -> None:
    async with proxied() as (proxy, reader, writer):
        assert await ask(reader, writer, b"a") == b"a"
        proxy.network.black_hole = True
        writer.write(b"lost")
        late, there = await asyncio.open_connection("127.0.0.1", proxy.port)
        there.write(b"lost too")
        for silent in (reader, late):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await silent.read(1)
        proxy.network = Network()
        writer.write(b"still lost: a stream with a hole in it is worse than none")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        fresh, new = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ask(fresh, new, b"b") == b"b"
        for end in (there, new):
            end.close()


async def test_reset_reaches_the_client() -> None:
    async with proxied() as (proxy, reader, writer):
        await ask(reader, writer, b"a")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_refused_connections_are_reset() -> None:
    async with proxied() as (proxy, reader, writer):
        proxy.network.refuse = True
        late, there = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await late.read(1)
        assert await ask(reader, writer, b"those before go on") == b"those before go on"
        there.close()


async def test_closes_after_so_many_bytes() -> None:
    async with proxied() as (proxy, reader, writer):
        proxy.network.close_after = 1500
        writer.write(b"x" * 1000)
        assert len(await reader.read()) == 500, "1000 there, 500 of them back"


async def test_one_bit_of_one_byte_is_corrupted() -> None:
    async with proxied() as (proxy, reader, writer):
        proxy.network.corrupt = 1
        data = bytes(1000)
        answer = await ask(reader, writer, data)
        turned = [byte for byte in answer if byte]
        assert len(turned) == 1
        assert turned[0].bit_count() == 1
        assert await ask(reader, writer, data) == data


async def test_an_absent_server_closes_the_client() -> None:
    async with echo() as port:
        pass
    async with Proxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""
        writer.close()
