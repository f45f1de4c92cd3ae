"""The state of a source's connection: its edges logged once each, and when to try again."""

from __future__ import annotations

import random
import time

import structlog

from collector.source import Link, SourceHealth

_FIRST_S = 0.2
_LONGEST_S = 1.0

log = structlog.get_logger()


class LinkState:
    """Keeps a SourceHealth; says how long to wait before the next try."""

    def __init__(self, source: str, peer: str) -> None:
        self.health = SourceHealth(since=time.time_ns())
        self._source = source
        self._peer = peer
        self._attempt = 0

    def connected(self) -> None:
        self._attempt = 0
        self._edge("connected")
        self.health.last_error = ""
        log.info(
            "connected",
            source=self._source,
            peer=self._peer,
            unresolved=len(self.health.unresolved),
        )

    def lost(self, error: BaseException) -> None:
        """A connection was lost or could not be made."""
        reason = str(error) or type(error).__name__
        if self.health.link != "disconnected":
            self.health.reconnects += self.health.link == "connected"
            self._edge("disconnected")
            log.warning(
                "no connection, trying on", source=self._source, peer=self._peer, reason=reason
            )
        self.health.last_error = reason

    def delay_s(self) -> float:
        """Seconds to wait before the next try: doubling, capped, full jitter."""
        longest = min(_LONGEST_S, _FIRST_S * 2.0 ** min(self._attempt, 10))
        self._attempt += 1
        return random.uniform(0.05, longest)

    def _edge(self, link: Link) -> None:
        self.health.link = link
        self.health.since = time.time_ns()
