"""OPC UA source: the samples of its server, or of its redundant servers. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from collector.channel import Put, channel
from collector.opcua.connection import Connection
from collector.opcua.decode import warm
from collector.opcua.known import Known
from collector.opcua.redundant import Redundant
from collector.source import Delivery, SourceHealth
from plant.model import Plant, Source


class OpcUaReader:
    """What is known of the tags is shared by the servers: to each, the others' samples are old."""

    def __init__(
        self, source: Source, plant: Plant, newest: NDArray[np.int64] | None = None
    ) -> None:
        """newest: int64[tags], the newest time of each tag that is kept already."""
        never = np.full(len(plant.tags), np.iinfo(np.int64).min)
        known = Known.since(never if newest is None else newest)
        servers = [Connection(server, plant, known) for server in source.servers()]
        self._servers = Redundant(source.id, source.options.get("redundancy", ""), servers)

    @property
    def health(self) -> SourceHealth:
        return self._servers.health()

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        await asyncio.to_thread(warm)
        await self._servers.run(put)
