"""The disk that the collector writes to: full, not writable, with bits that turned."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from potline.chaos.faults.kind import fault
from simulators.proxy import Network

if TYPE_CHECKING:
    from potline.chaos.storm import Storm

SPOOL = "spool.sqlite"
BACKLOG_S = 2.0


@fault("disk", (2, 10), "no room on the collector's disk")
async def full_disk(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    storm.disk.fill(storm.collector.pid)
    yield
    storm.disk.free(storm.collector.pid)


@fault("disk", (2, 6), "collector killed; its disk is not writable when it starts")
async def read_only_disk(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    async with storm.without_collector():
        storm.disk.protect(True)
        storm.collector.spawn()
        yield
        storm.collector.kill()
        storm.disk.protect(False)


@fault("disk", (0.5, 2), "collector killed, bits of spooled segments turned, then started again")
async def damage_spool(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
    async with _backlog(storm), storm.without_collector():
        storm.disk.damage(SPOOL, luck)
        yield


@fault("disk", (1, 3), "bits of spooled segments turned under the running collector")
async def damage_spool_in_use(
    storm: Storm, target: str, luck: random.Random
) -> AsyncIterator[None]:
    async with _backlog(storm):
        storm.disk.damage(SPOOL, luck)
        yield


@contextlib.asynccontextmanager
async def _backlog(storm: Storm) -> AsyncIterator[None]:
    """While a database is out of reach segments wait in the spool."""
    if storm.influxd is not None:
        storm.proxies["store"].network = Network(black_hole=True)
        await asyncio.sleep(BACKLOG_S)
    try:
        yield
    finally:
        if storm.influxd is not None:
            storm.proxies["store"].network = Network()
            storm.proxies["store"].reset()
