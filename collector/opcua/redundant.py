"""The redundant servers of one source (OPC 10000-4, 6.6.2): which one is listened to.

cold: only that one is connected, the others when it is not well. warm: the others have their items
made, but not sampled. hot: the others sample into their queues, and tell them when they take over.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields

import structlog

from collector.channel import Put
from collector.opcua.connection import Connection
from collector.opcua.service_level import HEALTHY
from collector.source import SourceHealth

TICK_S = 0.1
DWELL_S = 5.0
"""A server that answers is not left again before, however the levels go up and down."""

log = structlog.get_logger()


class Redundant:
    """`run` listens to the first server, and to a better one when that is lost or degraded."""

    def __init__(self, source: str, redundancy: str, servers: Sequence[Connection]) -> None:
        self._source = source
        self._all_connected = redundancy != "cold"
        self._servers = servers
        self._active = servers[0]
        self._switched = 0
        self._stays_until = 0.0  # monotonic s

    async def run(self, put: Put) -> None:
        self._active.active = True
        async with asyncio.TaskGroup() as tasks:
            for server in self._servers:
                tasks.create_task(server.run(put))
            self._want()
            while len(self._servers) > 1:
                self._choose()
                self._want()
                await asyncio.sleep(TICK_S)

    def _choose(self) -> None:
        """Whoever is lost is left at once, whoever is degraded for a better one."""
        best = max(self._servers, key=lambda s: -1 if s.level.value is None else s.level.value)
        level, current = best.level.value, self._active.level.value
        if level is None or best is self._active:
            return
        if current is None and self._active.health.link != "connecting":
            self._switch(best, self._active.health.last_error or "it does not answer")
        elif current is not None and self._degraded(current, level):
            self._switch(best, f"its service level is {current}, the other's {level}")

    def _degraded(self, level: int, other: int) -> bool:
        return level < min(HEALTHY, other) and time.monotonic() >= self._stays_until

    def _switch(self, to: Connection, why: str) -> None:
        log.warning(
            "switched over", source=self._source, left=self._active.url, to=to.url, reason=why
        )
        self._active.active, to.active = False, True
        self._active = to
        self._switched += 1
        self._stays_until = time.monotonic() + DWELL_S

    def _want(self) -> None:
        level = self._active.level.value
        fresh = level is None and self._active.health.link == "connecting"
        well = fresh or (level is not None and level >= HEALTHY)
        for server in self._servers:
            if self._all_connected or not well or server is self._active:
                server.wanted.set()
            else:
                server.wanted.clear()

    def health(self) -> SourceHealth:
        """Of the server that is listened to, with the counts of all."""
        if len(self._servers) == 1:
            return self._active.health
        health = SourceHealth(switched=self._switched)
        for field in fields(SourceHealth):
            values = [getattr(server.health, field.name) for server in self._servers]
            own = getattr(self._active.health, field.name)
            if isinstance(own, Counter):
                setattr(health, field.name, sum(values, Counter()))
            elif not isinstance(own, int) or field.name == "since":
                setattr(health, field.name, own)
            elif field.name != "switched":
                setattr(health, field.name, sum(values))
        health.last_error = health.last_error or next(
            (
                f"{server.url}, which stands by: {server.health.last_error}"
                for server in self._servers
                if server.wanted.is_set() and server.health.last_error
            ),
            "",
        )
        return health
