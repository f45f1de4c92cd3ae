"""OPC UA source: connects, reconnects for ever, and hands each session's samples on. Reads only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from collector.channel import Put, channel
from collector.link import LinkState
from collector.opcua.known import Known
from collector.opcua.session import OpcUaSession
from collector.secrets import password
from collector.source import Delivery
from plant.model import Plant, Source

CONNECT_S = 4.0
CLOSE_S = 2.0
PROBE_S = 5.0
NETWORK_ERRORS = (OSError, TimeoutError, UaError)

# The library logs every failed try with its traceback; here one line tells of each edge.
logging.getLogger("asyncua.client").setLevel(logging.CRITICAL + 1)


class OpcUaReader:
    """Samples of one OPC UA server. A fresh client for each session."""

    def __init__(
        self, source: Source, plant: Plant, newest: NDArray[np.int64] | None = None
    ) -> None:
        """newest: int64[tags], the newest time of each tag that is kept already."""
        self._source = source
        self._plant = plant
        self._link = LinkState(source.id, source.options["url"])
        self.health = self._link.health
        never = np.full(len(plant.tags), np.iinfo(np.int64).min)
        self._known = Known.since(never if newest is None else newest)

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        while True:
            try:
                await self._one_session(put)
            except* NETWORK_ERRORS as errors:
                self._link.lost(_first(errors))
            await asyncio.sleep(self._link.delay_s())

    async def _one_session(self, put: Put) -> None:
        client = self._client()
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect()
            session = OpcUaSession(client, self._source, self._plant, self.health, self._known, put)
            await session.open()
            self._link.connected()
            await session.run()
        finally:
            await _close(client)

    def _client(self) -> Client:
        options = self._source.options
        client = Client(options["url"], timeout=CONNECT_S, watchdog_intervall=PROBE_S)
        client.name = client.description = "potline"
        client.application_uri = client.product_uri = "urn:potline:collector"
        client.session_timeout = 60_000
        if options.get("username"):
            client.set_user(options["username"])
            client.set_password(password(options))
        return client


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _close(client: Client) -> None:
    """Give the session back if the server still answers; in any case drop the socket."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await client.disconnect()
    except NETWORK_ERRORS:
        pass  # the link is gone: nothing to give back
    finally:
        client.disconnect_socket()
