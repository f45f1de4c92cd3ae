"""The live stream over real sockets: order, heartbeat, slow and stalled clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import httpx
import orjson
import pytest

import api.server
import api.stream
from api.server import Server, listen
from plant.batch import SECOND


@contextlib.asynccontextmanager
async def serving(house, small_buffers=False):
    """The application on a port of its own; yields (server, port)."""
    listener = listen("127.0.0.1", 0)
    if small_buffers:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    server = Server(house.app, house.live)
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 10)


class Client:
    """Reads server-sent events from a socket."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self):
        self._http = httpx.AsyncClient(timeout=10)
        address = f"http://127.0.0.1:{self._port}/api/v1/stream"
        self._stream = self._http.stream("GET", address)
        response = await self._stream.__aenter__()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        self._lines = response.aiter_lines()
        return self

    async def __aexit__(self, *error):
        await self._stream.__aexit__(None, None, None)
        await self._http.aclose()

    async def next(self):
        """(name, data) of the next event; (":", None) for a comment."""
        name = ""
        async for line in self._lines:
            if line.startswith(":"):
                return ":", None
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                return name, orjson.loads(line[6:])
        raise EOFError


async def test_snapshot_then_alarms_then_a_delta_each_beat(house):
    house.beat()
    async with serving(house) as (_, port), Client(port) as client:
        name, snapshot = await client.next()
        assert name == "snapshot"
        assert snapshot["figures"]["cell"]["voltage"][0] == 1.0
        assert await client.next() == ("alarms", {"alarms": []})
        for voltage in (4.0, 4.5):
            house.now += SECOND
            house.beat(cell__voltage=voltage)
            name, delta = await client.next()
            assert name == "delta"
            assert delta["figures"]["cell"] == {"voltage": {"i": [0], "v": [voltage]}}
            assert delta["time_ms"] == house.now // 1_000_000


async def test_silence_is_filled_with_comments(house, monkeypatch):
    monkeypatch.setattr(api.stream, "HEARTBEAT_S", 0.05)
    house.beat()
    async with serving(house) as (_, port), Client(port) as client:
        await client.next()
        await client.next()
        assert await client.next() == (":", None)


async def test_clients_are_told_of_staleness_without_a_beat(house, monkeypatch):
    monkeypatch.setattr(api.stream, "HEARTBEAT_S", 0.05)
    house.beat()
    async with serving(house) as (_, port), Client(port) as client:
        await client.next()
        await client.next()
        house.now += 6 * SECOND
        name, delta = await client.next()
        while name == ":":
            name, delta = await client.next()
        assert delta["stale"] is True


async def test_a_client_that_leaves_is_forgotten(house):
    house.beat()
    async with serving(house) as (_, port):
        async with Client(port) as client:
            await client.next()
            assert house.live.clients == 1
        await until(lambda: house.live.clients == 0)


async def test_too_many_clients_get_a_problem(house, monkeypatch):
    monkeypatch.setattr(api.stream, "MOST_CLIENTS", 1)
    async with serving(house) as (_, port), Client(port) as client:
        await client.next()
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{port}/api/v1/stream")
        assert answer.status_code == 503
        assert answer.json()["title"] == "Too many streams"


async def test_stalled_clients_neither_grow_memory_nor_delay_others(house):
    house.beat()
    async with (
        serving(house, small_buffers=True) as (server, port),
        Client(port) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        stalled = stack.enter_context(stalled_clients(port, 50))
        await until(lambda: house.live.clients == 51)
        await client.next()
        await client.next()
        slowest = 0.0
        for beat in range(100):
            house.now += SECOND
            house.beat(every=2.0 + beat)
            published = time.perf_counter()
            name, delta = await client.next()
            slowest = max(slowest, time.perf_counter() - published)
            assert name == "delta"
            assert delta["time_ms"] == house.now // 1_000_000
        biggest = len(house.live.beat.snapshot) + len(house.live.beat.delta)
        for connection in server.server_state.connections:
            assert connection.transport.get_write_buffer_size() < 65_536 + 2 * biggest
        assert slowest < 1.0
        assert house.live.clients == 51

        # One of them reads again: it gets the newest state, not the backlog.
        events = await asyncio.to_thread(drain, stalled[0], house.now // 1_000_000)
        assert events[0] == "snapshot"
        assert "snapshot" in events[1:]
        assert len(events) < 60


async def test_a_client_that_hangs_is_cut_off(house, monkeypatch):
    monkeypatch.setattr(api.server, "STALLED_MS", 500)
    house.beat()
    async with serving(house, small_buffers=True) as (server, port):
        with stalled_clients(port, 1):
            await until(lambda: house.live.clients == 1)
            for beat in range(20):
                house.now += SECOND
                house.beat(every=2.0 + beat)
                await asyncio.sleep(0.01)
            await until(lambda: house.live.clients == 0, seconds=20)
            await until(lambda: not server.server_state.connections)


async def test_streams_end_when_the_server_stops(house):
    house.beat()
    async with serving(house) as (server, port), Client(port) as client:
        await client.next()
        await client.next()
        server.should_exit = True
        with pytest.raises(EOFError):
            await client.next()


@contextlib.contextmanager
def stalled_clients(port: int, count: int):
    """Clients that ask for the stream and read nothing of it."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port))
            sock.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            clients.append(sock)
        yield clients


def drain(sock: socket.socket, newest_ms: int) -> list[str]:
    """Names of the events up to the one of the given time."""
    sock.settimeout(10)
    names = []
    with sock.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"event: ") and not line.startswith(b"event: alarms"):
                names.append(line[7:].strip().decode())
                if orjson.loads(next(lines)[6:])["time_ms"] == newest_ms:
                    return names
    raise EOFError


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
