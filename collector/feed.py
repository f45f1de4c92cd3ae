"""A reader at work: what came of it, and how it ends without losing what it brought."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from analytics.beat.layout import once
from collector.carry import Columns
from collector.source import Delivery, SourceReader
from plant.batch import SECOND
from plant.model import Plant, Source

SKEW_OVER_S = 60.0


@dataclass(slots=True)
class Arrivals:
    """What came of one source, and when."""

    received: int = 0
    last: int = 0  # ns, ours
    lag_s: float = float("nan")
    _lags: deque[tuple[int, float]] = field(default_factory=deque)  # of the last minute

    def see(self, delivery: Delivery, now: int) -> None:
        self.received += len(delivery.batch) + sum(delivery.refused.values())
        if not len(delivery.batch):
            return
        self.last = now
        self.lag_s = (now - int(delivery.batch.times.max())) / SECOND
        self._lags.append((now, self.lag_s))
        while self._lags[0][0] < now - SKEW_OVER_S * SECOND:
            self._lags.popleft()

    def skew_s(self, now: int) -> float:
        """The smallest lag is what the transport allows: what it lacks to zero is the clocks'."""
        recent = [lag for seen, lag in list(self._lags) if seen >= now - SKEW_OVER_S * SECOND]
        return -min(recent, default=float("nan"))


@dataclass(slots=True, eq=False)
class Feed:
    """reads: all that its reader was made from. before: the reader of an earlier plant file that it
    is about to replace."""

    source: Source
    reader: SourceReader
    reads: object
    came: Arrivals = field(default_factory=Arrivals)
    columns: Columns = field(default_factory=Columns)
    before: Feed | None = None
    task: asyncio.Task[None] | None = None
    brings: bool = False  # samples came of it since all of it is read
    leaving: bool = False
    _open: int = 0  # deliveries that are not durable yet
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._settled.set()

    def take(self, delivery: Delivery, now: int) -> Delivery:
        """Note a delivery; as it is handed on. While another connection still brings the same,
        nothing was interrupted."""
        self.came.see(delivery, now)
        whole = self.reader.health.link == "connected"  # until then, of some tags only
        self.brings |= whole and len(delivery.batch) > 0
        self._open += 1
        self._settled.clear()
        flows = self.before is not None and self.before.reader.health.link == "connected"
        resumed = delivery.resumed and not flows
        return replace(delivery, resumed=resumed, durable=partial(self._durable, delivery.durable))

    def _durable(self, durable: Callable[[], None] | None) -> None:
        self._open -= 1
        if not self._open:
            self._settled.set()
        if durable is not None:
            durable()

    async def leave(self) -> None:
        """End, once all that was taken of it is durable and acknowledged."""
        self.leaving = True
        await self._settled.wait()
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            self.task = None


class Reads(dict[str, object]):
    """By source: all that its reader is made from."""

    @classmethod
    def of(cls, plant: Plant) -> Reads:
        return once(plant, Reads, _reads)


def _reads(plant: Plant) -> Reads:
    tags: dict[str, list[object]] = {source.id: [] for source in plant.sources}
    for t in plant.tags:
        tags[t.source].append(
            (t.id, t.address, t.unit, t.scale, t.offset, t.interval_s, t.hold_s, t.signal.kind)
        )
    return Reads({source.id: (source, tags[source.id]) for source in plant.sources})
