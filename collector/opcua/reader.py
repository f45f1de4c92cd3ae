"""OPC UA source: connects, reconnects for ever, and hands each session's samples on. Reads only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import numpy as np
import structlog
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from collector.channel import Put, channel
from collector.link import LinkState
from collector.opcua.certificates import ExpiryWatch, SecurityError
from collector.opcua.decode import warm
from collector.opcua.known import Known
from collector.opcua.secure_client import SecureClient
from collector.opcua.session import OpcUaSession
from collector.opcua.trust import TrustList
from collector.source import Delivery
from plant.model import Plant, Source

CLOSE_S = 2.0
REFUSED_S = 30.0
"""Between tries where a check failed: nothing but a decision of people mends that."""
EXPIRY_S = 3600.0
NETWORK_ERRORS = (OSError, TimeoutError, UaError)

# The library logs every failed try with its traceback; here one line tells of each edge.
logging.getLogger("asyncua.client").setLevel(logging.CRITICAL + 1)

log = structlog.get_logger()


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
        self._trust = TrustList(plant)
        self._expiry = ExpiryWatch(source.id)
        self._refusal = ""

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        await asyncio.to_thread(warm)
        while True:
            try:
                await self._one_session(put)
            except* SecurityError as errors:
                self._refused(_first(errors))
            except* NETWORK_ERRORS as errors:
                self._refusal = ""
                self._link.lost(_first(errors))
            await (self._decision() if self._refusal else asyncio.sleep(self._link.delay_s()))

    async def _one_session(self, put: Put) -> None:
        client = SecureClient(self._source, self._plant)
        try:
            await client.connect()
            session = OpcUaSession(client, self._source, self._plant, self.health, self._known, put)
            await session.open()
            self._link.connected()
            self._refusal = ""
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_trust(client))
                await session.run()
        finally:
            await _close(client)

    def _refused(self, error: BaseException) -> None:
        """A check failed: told once, whatever was wrong before."""
        self._link.lost(error)
        if str(error) != self._refusal:
            self._refusal = str(error)
            log.error("refused for security", source=self._source.id, reason=self._refusal)

    async def _decision(self) -> None:
        """Wait until somebody changes what is trusted, at most REFUSED_S."""
        before = self._trust.stamp()
        until = time.monotonic() + REFUSED_S
        while time.monotonic() < until and self._trust.stamp() == before:  # noqa: ASYNC110
            await asyncio.sleep(1.0)  # files give no signal

    async def _watch_trust(self, client: SecureClient) -> None:
        """What people reject ends the session; what expires soon is told."""
        before, look = self._trust.stamp(), 0.0
        while True:
            if time.monotonic() >= look:
                self._expiry.look(client.certificates, datetime.now(UTC))
                look = time.monotonic() + EXPIRY_S
            await asyncio.sleep(1.0)
            if (now := self._trust.stamp()) != before:
                before = now
                client.check_server()


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
