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
from collector.opcua.secure_client import CONNECT_S, SecureClient, Ticket
from collector.opcua.session import OpcUaSession, Stalled
from collector.opcua.trust import TrustList
from collector.source import Delivery
from plant.model import Plant, Source

CLOSE_S = 2.0
LONGEST_CONNECT_S = 16.0
REFUSED_S = 30.0
"""Between tries where a check failed: nothing but a decision of people mends that."""
EXPIRY_S = 3600.0
NETWORK_ERRORS = (OSError, TimeoutError, UaError)

# The library logs every failed try with its traceback; here one line tells of each edge.
logging.getLogger("asyncua.client").setLevel(logging.CRITICAL + 1)

log = structlog.get_logger()


class OpcUaReader:
    """Samples of one OPC UA server. A fresh client for each connection; the session and its
    subscription go on over connections as long as the server has them."""

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
        session = OpcUaSession(self._source, self._plant, self.health, self._known, put)
        ticket: Ticket | None = None
        patience_s = CONNECT_S
        while True:
            client = SecureClient(self._source, self._plant, ticket, patience_s)
            connected = keep = False
            began = time.monotonic()
            try:
                await client.connect()
                connected, ticket, patience_s = True, client.ticket(), CONNECT_S
                await self._hold(client, session)
            except* SecurityError as errors:
                self._refused(_first(errors))
                ticket = None
            except* Stalled as errors:  # told by the session, as long as it lasts once
                self.health.reconnects += 1
                self.health.last_error = str(_first(errors))
                session.forget()
                ticket = None
            except* NETWORK_ERRORS as errors:
                self._refusal, keep = "", connected
                self._link.lost(_first(errors))
                if not connected and time.monotonic() - began > patience_s:
                    patience_s = min(2 * patience_s, LONGEST_CONNECT_S)
            finally:
                await (client.leave() if keep else _close(client))
            await (self._decision() if self._refusal else asyncio.sleep(self._link.delay_s()))

    async def _hold(self, client: SecureClient, session: OpcUaSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_trust(client))
            await session.run(client, self._connected)

    def _connected(self) -> None:
        if self.health.link != "connected":
            self._link.connected()
        self._refusal = ""

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
