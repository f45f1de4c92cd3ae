"""One server of a source: connects, reconnects for ever. Reads only."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

import structlog
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from collector.channel import Put
from collector.link import LinkState
from collector.opcua.certificates import ExpiryWatch, SecurityError
from collector.opcua.known import Known
from collector.opcua.secure_client import CONNECT_S, SecureClient, Ticket
from collector.opcua.service_level import ServiceLevel
from collector.opcua.session import OpcUaSession, Stalled
from collector.opcua.transport import TooLarge
from collector.opcua.trust import TrustList
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


class NotWanted(Exception):
    """Another server of the source is listened to, and this one is to be left alone."""


class Connection:
    """A fresh client for each connection; the session and its subscription go on over connections
    as long as the server has them.

    wanted: it connects only while this is set. active: its samples are wanted; else it stands by.
    level: what the server says of itself, by which one of several is chosen.
    """

    def __init__(self, source: Source, plant: Plant, known: Known) -> None:
        self.url: str = source.options["url"]
        self.wanted = asyncio.Event()
        self.active = False
        self.level = ServiceLevel()
        self._source = source
        self._plant = plant
        self._known = known
        self._link = LinkState(source.id, self.url)
        self.health = self._link.health
        self._trust = TrustList(plant)
        self._expiry = ExpiryWatch(source.id)
        self._refusal = ""

    async def run(self, put: Put) -> None:
        """Ends only by a bug."""
        session = OpcUaSession(
            self._source, self._plant, self.health, self._known, put, lambda: self.active
        )
        ticket: Ticket | None = None
        patience_s = CONNECT_S
        while True:
            await self.wanted.wait()
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
            except* NotWanted:
                self.health.link, self.health.last_error = "connecting", ""
                session.forget()
                ticket = None
            except* NETWORK_ERRORS as errors:
                self._refusal, keep = "", connected
                self._link.lost(_first(errors))
                if isinstance(_first(errors), TooLarge):
                    session.forget()
                    ticket, keep = None, False
                if not connected and time.monotonic() - began > patience_s:
                    patience_s = min(2 * patience_s, LONGEST_CONNECT_S)
            finally:
                self.level.unknown()
                await (client.leave() if keep else _close(client))
            await (self._decision() if self._refusal else asyncio.sleep(self._link.delay_s()))

    async def _hold(self, client: SecureClient, session: OpcUaSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_decisions(client))
            if len(self._source.servers()) > 1:
                tasks.create_task(self.level.watch(self._source.id, self.url, session.services))
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

    async def _watch_decisions(self, client: SecureClient) -> None:
        """What people reject ends the session, and so does another choice of server; what expires
        soon is told."""
        before, look = self._trust.stamp(), 0.0
        while True:
            if time.monotonic() >= look:
                self._expiry.look(client.certificates, datetime.now(UTC))
                look = time.monotonic() + EXPIRY_S
            await asyncio.sleep(1.0)
            if (now := self._trust.stamp()) != before:
                before = now
                client.check_server()
            if not self.wanted.is_set():
                raise NotWanted


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
