"""What a server says, or shows, that it did not bring: counted, and one line when it begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import structlog

from collector.opcua.decode import Publication
from collector.source import SourceHealth
from plant.model import Plant

MOST_OWED = 1000
"""Of a jump, the newest so many are asked for; no server keeps more."""
_NUMBERS = 2**32 - 1
"""Sequence numbers go from 1 to this, and then from 1 again (OPC 10000-4, 7.8)."""

log = structlog.get_logger()


class Losses:
    """The notifications of each subscription by their numbers: what is owed, and what is lost."""

    def __init__(self, source: str, plant: Plant, health: SourceHealth) -> None:
        self._source = source
        self._plant = plant
        self._health = health
        self._next: dict[int, int] = {}  # sequence number by subscription
        self._owed: dict[int, dict[int, None]] = {}  # numbers in their order

    def missing_before(self, subscription: int, number: int) -> tuple[list[int], int]:
        """A notification of this number has come: those before it that have not, and how many more
        it jumped over. It is owed itself until it is settled."""
        expected = self._next.get(subscription)
        jump = 0 if expected is None else (number - expected) % _NUMBERS
        if jump > _NUMBERS // 2:
            return [], 0  # an old one again
        first = max(0, jump - MOST_OWED)
        missing = [_plus(number, i - jump) for i in range(first, jump)]
        self._next[subscription] = _plus(number, 1)
        self._owed.setdefault(subscription, {}).update(dict.fromkeys([*missing, number]))
        return missing, first

    def before_keep_alive(self, subscription: int, number: int) -> list[int]:
        """The numbers that should have come when the server names the next one; nothing is noted,
        for some servers name another."""
        expected = self._next.get(subscription)
        jump = 0 if expected is None else (number - expected) % _NUMBERS
        return [_plus(number, i - jump) for i in range(jump)] if jump <= MOST_OWED else []

    def settled(self, subscription: int, number: int) -> None:
        """It is handed on, or lost."""
        self._owed.get(subscription, {}).pop(number, None)

    def owed(self, subscription: int) -> list[int]:
        return list(self._owed.get(subscription, ()))

    def next(self, subscription: int) -> int:
        """The number of the next notification; 1 when none came yet."""
        return self._next.get(subscription, 1)

    def forget(self, subscription: int) -> None:
        self._next.pop(subscription, None)
        self._owed.pop(subscription, None)

    def lost(self, notifications: int) -> None:
        if notifications and not self._health.missed_notifications:
            log.warning(
                "notifications of the server never came, and it has them no more",
                source=self._source,
                notifications=notifications,
            )
        self._health.missed_notifications += notifications

    def overflows(self, publication: Publication) -> Sequence[int]:
        """The columns whose queue at the server overflowed."""
        columns, times = np.unique(publication.overflowed, return_counts=True)
        overflowed = {self._plant.tags[c].id: int(n) for c, n in zip(columns, times, strict=True)}
        if overflowed and not self._health.overflows:
            log.warning(
                "a queue of the server overflowed and samples were lost; raise queue_size or "
                "shorten publishing_interval_s",
                source=self._source,
                tag=next(iter(overflowed)),
            )
        self._health.overflows.update(overflowed)
        return [int(column) for column in columns]


def _plus(number: int, more: int) -> int:
    return (number - 1 + more) % _NUMBERS + 1
