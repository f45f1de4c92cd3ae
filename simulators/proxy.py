"""A TCP proxy on loopback with the faults of a network, for OPC UA, MQTT and HTTP alike.

async with Proxy("127.0.0.1", 4840) as proxy:      # clients connect to proxy.port
    proxy.network.delay_s = 0.3                    # from now on, for all connections
    proxy.network.black_hole = True                # bytes go nowhere, nobody is told
    proxy.reset()                                  # every connection, at once
    proxy.network = Network()                      # all is well again
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 1 << 16
_IN_FLIGHT = 256  # chunks of a connection and direction, then the sender has to wait
_SLICES_PER_S = 20  # of a limited bandwidth


@dataclass(slots=True)
class Network:
    """What the network does to every byte from now on; at its defaults nothing."""

    refuse: bool = False  # new connections are reset
    black_hole: bool = False  # takes bytes and connections, and that is the last of them
    delay_s: float = 0.0  # each way
    bytes_per_s: float = 0.0  # of a connection, each way; 0: as fast as it goes
    close_after: int = -1  # so many more bytes through a connection and it is closed; -1: never
    corrupt: int = 0  # so many bytes that pass next have one bit turned


class _Dead(Exception):
    """The connection is over for a reason of the proxy's."""


class _Link:
    """One client's connection."""

    def __init__(self, proxy: Proxy, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.ends = [writer]
        self._swallows = False  # once something is lost, nothing after it may arrive
        self._passed = 0

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        network = self._proxy.network
        if network.refuse:
            return
        self._swallows = network.black_hole
        if self._swallows:
            await self._swallow(reader)
            return
        there, back = await asyncio.open_connection(*self._proxy.target)
        self.ends.append(back)
        async with asyncio.TaskGroup() as tasks:
            for source, sink in ((reader, back), (there, writer)):
                waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)
                tasks.create_task(self._take(source, waiting))
                tasks.create_task(self._give(waiting, sink))

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(_CHUNK):
            pass

    async def _take(
        self, source: asyncio.StreamReader, waiting: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        now = asyncio.get_running_loop().time
        while data := await source.read(_CHUNK):
            self._swallows |= self._proxy.network.black_hole
            if not self._swallows:
                await waiting.put((now() + self._proxy.network.delay_s, data))
        await waiting.put((now() + self._proxy.network.delay_s, b""))

    async def _give(
        self, waiting: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - now()))
            if not data:
                raise _Dead
            await self._send(self._proxy._spoiled(data), sink)

    async def _send(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        while data:
            network = self._proxy.network
            size = len(data)
            if network.bytes_per_s:
                size = max(1, min(size, int(network.bytes_per_s / _SLICES_PER_S)))
            if network.close_after >= 0:
                size = min(size, max(0, network.close_after - self._passed))
            if self._swallows or network.black_hole:
                self._swallows = True
                return
            sink.write(data[:size])
            await sink.drain()
            self._proxy.bytes += size
            if network.close_after >= 0:
                self._passed += size
                if self._passed >= network.close_after:
                    raise _Dead
            data = data[size:]
            if network.bytes_per_s:
                await asyncio.sleep(size / network.bytes_per_s)


class Proxy:
    """Listens while the context is entered. `bytes`, `connections`: how many so far."""

    def __init__(self, host: str, port: int, listen: int = 0, seed: int = 1) -> None:
        """To host:port. listen: the proxy's own port, 0 for any; then `port` tells which."""
        self.target = (host, port)
        self.port = listen
        self.network = Network()
        self.connections = self.bytes = 0
        self._links: set[_Link] = set()
        self._luck = random.Random(seed)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.reset()
        while self._links:  # noqa: ASYNC110  each goes when its tasks have
            await asyncio.sleep(0.01)

    def reset(self) -> None:
        """Every connection, both ends, with RST."""
        for link in self._links:
            for end in link.ends:
                _reset(end)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, writer)
        self._links.add(link)
        self.connections += 1
        try:
            await link.run(reader, writer)
        except* (OSError, _Dead):  # either end has gone, or the fault has ended it
            pass
        finally:
            for end in link.ends:
                if self.network.refuse:
                    _reset(end)
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            self._links.discard(link)

    def _spoiled(self, data: bytes) -> bytes:
        if not self.network.corrupt:
            return data
        spoiled = bytearray(data)
        count = min(self.network.corrupt, len(data))
        for at in self._luck.sample(range(len(data)), count):
            spoiled[at] ^= 1 << self._luck.randrange(8)
        self.network.corrupt -= count
        return bytes(spoiled)


def _reset(end: asyncio.StreamWriter) -> None:
    connection = end.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()
