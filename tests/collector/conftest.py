"""A small plant, servers of other makers, and the ways they fail; everything on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from collector.source import Delivery, SourceReader
from plant.batch import Batch
from plant.model import Plant, Signal, Site, Source, StoreSettings, Tag, TimeSettings

PEERS = Path(__file__).parents[1] / "peers"


def _tag(column: int, source: str, row: Mapping[str, Any]) -> Tag:
    signal_ = Signal(row["signal"], "cell", "V", row.get("kind", "gauge"), -1e9, 1e9, 10.0, "", "")
    return Tag(
        column=column,
        id=f"{row.get('entity', 'c')}.{row['signal']}",
        entity=row.get("entity", "c"),
        signal=signal_,
        source=row.get("source", source),
        address=row.get("address", {}),
        unit="V",
        scale=row.get("scale", 1.0),
        offset=row.get("offset", 0.0),
        low=row.get("low", -1e6),
        high=row.get("high", 1e6),
        interval_s=row.get("interval_s", 1.0),
        hold_s=row.get("hold_s", 10.0),
    )


@pytest.fixture
def plant_of() -> Callable[..., Plant]:
    """plant_of(source, rows): a plant of one source whose tags are `rows` (signal, address, …)."""

    def build(source: Source, rows: list[Mapping[str, Any]]) -> Plant:
        tags = tuple(_tag(i, source.id, row) for i, row in enumerate(rows))
        return Plant(
            path="test",
            site=Site("s", "S", "S", "Asia/Shanghai", "CN-SD", 2022, "AR5", ("00:00",)),
            lines=(),
            cells=(),
            rectifiers=(),
            meters=(),
            boilers=(),
            sources=(source,),
            signals={tag.signal.name: tag.signal for tag in tags},
            tags=tags,
            alarms=(),
            factors={},
            store=StoreSettings("embedded", "var", "", "", "", "", "p", 0, 0, 0),
            time=TimeSettings(),
        )

    return build


@pytest.fixture
def free_port() -> Callable[[], int]:
    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


class Child:
    """A server in a process of its own: started, stopped and killed by its pid."""

    def __init__(self, command: list[str], port: int, **options: Any) -> None:
        self.command = command
        self.port = port
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *extra: str) -> None:
        self.process = subprocess.Popen(
            [*self.command, *extra],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.options,
        )
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"{self.command[0]} ended: {self.process.poll()}"
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.05)
        pytest.fail(f"{self.command[0]} does not listen")

    def end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(15)
            self.process = None


@pytest.fixture
def opcua_child(free_port: Callable[[], int]) -> Iterator[Child]:
    """An asyncua server in a process of its own, not started yet."""
    port = free_port()
    child = Child([sys.executable, str(PEERS / "opcua_server.py"), str(port)], port)
    yield child
    child.end(signal.SIGKILL)


@pytest.fixture
def node_opcua(free_port: Callable[[], int], tmp_path: Path) -> Iterator[Child]:
    """node-opcua's server, not started yet; its certificate is kept for the next run."""
    node, folder = shutil.which("node"), PEERS / "node_opcua"
    if node is None or not (folder / "node_modules").exists():
        pytest.skip("no node-opcua on this machine: `make provision` installs it")
    port = free_port()
    home = folder / "node_modules" / ".home"
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    child = Child([node, str(folder / "server.js"), str(port)], port, env=environment)
    yield child
    child.end(signal.SIGKILL)


@dataclass
class Seen:
    """All that a reader has delivered so far."""

    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def batch(self) -> Batch:
        return Batch.concat(d.batch for d in self.deliveries)

    def values(self, column: int) -> list[float]:
        batch = self.batch
        return batch.values[batch.tags == column].tolist()

    def refused(self, reason: str) -> int:
        return sum(d.refused.get(reason, 0) for d in self.deliveries)


@pytest.fixture
def collecting() -> Callable[..., Any]:
    """async with collecting(reader) as seen: its deliveries, each made durable at once."""

    @contextlib.asynccontextmanager
    async def collect(reader: SourceReader, durable: bool = True) -> AsyncIterator[Seen]:
        seen = Seen()

        async def run() -> None:
            async with contextlib.aclosing(reader.deliveries()) as deliveries:
                async for delivery in deliveries:
                    seen.deliveries.append(delivery)
                    if durable and delivery.durable is not None:
                        delivery.durable()

        task = asyncio.create_task(run())
        try:
            yield seen
        finally:
            if not task.done():
                task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.result()

    return collect


@pytest.fixture
def until() -> Callable[..., Any]:
    """await until(condition, within_s)"""

    async def wait(condition: Callable[[], object], within_s: float = 20.0) -> float:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within_s, "waited in vain"
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    return wait


class Proxy:
    """A TCP proxy whose wire can be cut in the middle: bytes go nowhere, nothing is closed."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.open = True
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, back))
                both.create_task(self._pump(there, writer))
        except* OSError:
            pass
        finally:
            writer.close()
            back.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self.open:
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
def proxy_to() -> type[Proxy]:
    return Proxy
