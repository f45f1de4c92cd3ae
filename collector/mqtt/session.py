"""What outlives a connection: the session that the broker keeps, and what waits for the spool."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

import structlog

from collector.channel import Put
from collector.source import Delivery
from plant.model import Source

DELIVERIES = 16
"""Not durable yet, at most: as many as the channel to the intake holds, so that none overtakes
another there."""
BEHIND_S = 5.0
PATIENCE_S, LONGEST_PATIENCE_S = 2.0, 45.0
"""For the answer to a PINGREQ. A dead connection is left soon; a broker that is only busy is given
twice as long each time, until it brings something."""

log = structlog.get_logger()


@dataclass(slots=True)
class Session:
    """The session of a source with its broker, and the window of messages not acknowledged."""

    source: str
    expiry_s: int
    receive_maximum: int
    unacknowledged: int = 0  # handed over, not durable yet
    lost: int = 0  # sessions that the broker did not keep
    patience_s: float = PATIENCE_S
    paused_s: float = 0.0  # for how long the socket was not read, because the spool was behind
    _known: bool = False
    _since: float = 0.0  # paused
    _told: bool = False

    @classmethod
    def of(cls, source: Source) -> Session:
        options = source.options
        return cls(
            source.id,
            options.get("session_expiry_s", 604_800),
            options.get("receive_maximum", 20_000),
        )

    def connected(self, present: bool, granted_s: int) -> None:
        """CONNACK came: is the session still there, and how long is it kept?"""
        if not present and self._known:
            self.lost += 1
            log.warning(
                "the broker has lost the session: what was published since the connection was "
                "lost will not come",
                source=self.source,
            )
        elif not present:
            log.info("new session: what was published before will not come", source=self.source)
        if granted_s < self.expiry_s and not self._known:
            log.warning(
                "the broker keeps the session for less than session_expiry_s",
                source=self.source,
                wanted_s=self.expiry_s,
                granted_s=granted_s,
            )
        self._known = True

    def window(self, paused: bool) -> None:
        """Told at each step whether reading waits for the spool; logs when it does for long."""
        now = time.monotonic()
        if paused:
            self._since = self._since or now
            if not self._told and now - self._since > BEHIND_S:
                self._told = True
                log.warning(
                    "samples wait for the spool, the rest is left to the broker",
                    source=self.source,
                    unacknowledged=self.unacknowledged,
                )
        elif self._since:
            self.paused_s += now - self._since
            self._since = 0.0
            if self._told:
                self._told = False
                log.info("reading from the broker again", source=self.source)


class HandOver:
    """Deliveries from the thread to the event loop, in their order."""

    def __init__(self, put: Put, loop: asyncio.AbstractEventLoop) -> None:
        self._put = put
        self._loop = loop
        self._handed = 0  # counted by the thread
        self._durable = 0  # counted by the event loop
        self._waiting: deque[Future[None]] = deque()

    @property
    def open(self) -> int:
        """Deliveries that are not durable yet."""
        return self._handed - self._durable

    def __call__(self, delivery: Delivery) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        counted = replace(delivery, durable=partial(self._made_durable, delivery.durable))
        self._handed += 1
        self._waiting.append(asyncio.run_coroutine_threadsafe(self._send(counted), self._loop))

    async def _send(self, delivery: Delivery) -> None:
        await self._put(delivery)

    def _made_durable(self, durable: Callable[[], None] | None) -> None:
        self._durable += 1
        if durable is not None:
            durable()

    def cancel(self) -> None:
        for waiting in self._waiting:
            waiting.cancel()
