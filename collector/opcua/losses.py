"""What a server says, or shows, that it did not bring: counted, and one line when it begins."""

from __future__ import annotations

import numpy as np
import structlog

from collector.opcua.decode import Publication
from collector.source import SourceHealth
from plant.model import Plant

_NUMBERS = 2**32 - 1
"""Sequence numbers go from 1 to this, and then from 1 again (OPC 10000-4, 7.8)."""

log = structlog.get_logger()


class Losses:
    """Of one session, into its source's health. To be told of publications in their order."""

    def __init__(self, source: str, plant: Plant, health: SourceHealth) -> None:
        self._source = source
        self._plant = plant
        self._health = health
        self._next: dict[int, int] = {}  # sequence number by subscription

    def count(self, publication: Publication) -> None:
        self._count_overflows(publication)
        missing = self._missing_before(publication)
        if missing and not self._health.missed_notifications:
            log.warning(
                "sequence numbers jump: notifications of the server never came",
                source=self._source,
                notifications=missing,
            )
        self._health.missed_notifications += missing

    def _count_overflows(self, publication: Publication) -> None:
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

    def _missing_before(self, publication: Publication) -> int:
        """How many messages of its subscription lie between the newest one and this."""
        number, expected = publication.sequence, self._next.get(publication.subscription)
        missing = 0 if expected is None else (number - expected) % _NUMBERS
        if missing > _NUMBERS // 2:
            return 0  # an old one again
        self._next[publication.subscription] = number % _NUMBERS + 1
        return missing
