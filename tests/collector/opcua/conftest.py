"""The simulator's fast and hostile server, whose values go on by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from peers.opcua_space import fill_once

from plant.model import Plant, Source
from simulators.scale.server import ScaleServer
from simulators.scenario import Fault

URI = "urn:test:plant"

fill_once()


class Hostile:
    """Serves the plant's only source; every tag counts up, every `step_s`."""

    def __init__(self, plant: Plant, server: ScaleServer, step_s: float) -> None:
        self.plant, self.server, self.step_s = plant, server, step_s
        self.told: list[float] = []
        self.active: list[Fault] = []
        self.counting = True

    @property
    def sessions(self) -> int:
        return len(self.server._inside._external_sessions)

    @property
    def subscriptions(self) -> int:
        return len(self.server._service.subscriptions)

    async def misbehave(self, kind: str, amount: float = 0.0) -> None:
        fault = Fault(kind, "o", 0, amount, "", 0.0, float("inf"))
        self.active.append(fault)
        await self.server.misbehave([fault], self.active)

    async def behave(self) -> None:
        self.active.clear()
        await self.server.misbehave([], [])

    async def count(self) -> None:
        columns = self.server.tags.columns
        due = time.monotonic()
        while True:
            if self.counting:
                value = float(len(self.told))
                self.told.append(value)
                now = time.time_ns() // 1000 * 1000
                self.server.send(columns, np.full(len(columns), value), np.full(len(columns), now))
            due += self.step_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def _plant(port: int, plant_of: Any, tags: int, step_s: float, options: dict[str, Any]) -> Plant:
    address = {"url": f"opc.tcp://127.0.0.1:{port}", "namespace": URI}
    options = {"publishing_interval_s": 0.2, "anonymous": True, **options}
    rows = [
        {"signal": f"v{i}", "address": {"node": f"s=v{i}"}, "interval_s": step_s}
        for i in range(tags)
    ]
    return plant_of(Source("o", "opcua", 3.0, {**address, **options}), rows)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers_of() -> AsyncIterator[dict[tuple[int, float], ScaleServer]]:
    """One for each number of tags and step: the library takes two seconds to make one."""
    servers: dict[tuple[int, float], ScaleServer] = {}
    yield servers
    for server in servers.values():
        await server.__aexit__()


@pytest.fixture
def hostile(plant_of: Any, free_port: Any, servers_of: dict[tuple[int, float], ScaleServer]) -> Any:
    """async with hostile(tags=10, step_s=0.1, publishing_interval_s=0.2) as server: as it was when
    it began."""

    @contextlib.asynccontextmanager
    async def serve(tags: int = 10, step_s: float = 0.1, **options: Any) -> AsyncIterator[Hostile]:
        if (tags, step_s) not in servers_of:
            plant = _plant(free_port(), plant_of, tags, step_s, {})
            server = ScaleServer(plant, plant.sources[0])
            await server.__aenter__()
            servers_of[tags, step_s] = server
        server = servers_of[tags, step_s]
        server.tags.forget()
        port = int(server.source.options["url"].rpartition(":")[2])
        one = Hostile(_plant(port, plant_of, tags, step_s, options), server, step_s)
        counting = asyncio.create_task(one.count())
        try:
            yield one
        finally:
            counting.cancel()
            await one.behave()
            await server._forget()

    return serve
