"""All sources of a plant beside one another: a network error ends none, a bug ends all."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collector.file import FileReader
from collector.folder import FolderReader
from collector.intake import Intake
from collector.modbus.reader import ModbusReader
from collector.mqtt.reader import MqttReader
from collector.opcua.reader import OpcUaReader
from collector.replay import ReplayReader
from collector.source import Delivery, Link, SourceReader
from collector.sparkplug.reader import SparkplugReader
from plant.batch import SECOND
from plant.model import Plant, Source

DRAIN_S = 10.0
SKEW_OVER_S = 60.0

# Each is made with the newest kept time of each tag, int64[tags].
READERS: dict[str, Callable[[Source, Plant, NDArray[np.int64]], SourceReader]] = {
    "opcua": OpcUaReader,
    "sparkplug": lambda source, plant, _: SparkplugReader(source, plant),
    "mqtt": lambda source, plant, _: MqttReader(source, plant),
    "modbus": lambda source, plant, _: ModbusReader(source, plant),
    "file": lambda source, plant, _: FileReader(source, plant),
    "folder": lambda source, plant, _: FolderReader(source, plant),
    "replay": lambda source, plant, _: ReplayReader(source, plant),
}


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is doing, seen from outside."""

    id: str
    kind: str
    link: Link
    since: int  # ns, of the link
    flowing: bool  # a sample came within stale_after_s
    age_s: float  # since the newest sample came; inf: none yet
    lag_s: float  # from its source time to its arrival; NaN: none yet
    skew_s: float  # the source's clock ahead of ours, at least; NaN: nothing came for a minute
    received: int
    reconnects: int
    resubscribes: int
    last_error: str
    unresolved: dict[str, str]


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


class Supervisor:
    """`run` collects from every source until cancelled, then commits what is still waiting."""

    def __init__(self, plant: Plant, intake: Intake) -> None:
        self._plant = plant
        self._intake = intake
        newest = intake.newest_times()
        self.readers = {s.id: READERS[s.kind](s, plant, newest) for s in plant.sources}
        self._arrivals = {s.id: Arrivals() for s in plant.sources}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            committer = tasks.create_task(self._intake.run())
            try:
                async with asyncio.TaskGroup() as readers:
                    for source, reader in self.readers.items():
                        readers.create_task(self._collect(source, reader), name=source)
            finally:
                drained = asyncio.ensure_future(self._intake.drain())
                await asyncio.wait(
                    (drained, committer), timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED
                )
                drained.cancel()
                committer.cancel()

    async def _collect(self, source: str, reader: SourceReader) -> None:
        async with aclosing(reader.deliveries()) as deliveries:
            async for delivery in deliveries:
                self._arrivals[source].see(delivery, time.time_ns())
                await self._intake.put(delivery)

    def statuses(self) -> Sequence[SourceStatus]:
        """One for each source, in the plant's order."""
        now = time.time_ns()
        return [self._status(source, now) for source in self._plant.sources]

    def _status(self, source: Source, now: int) -> SourceStatus:
        health = self.readers[source.id].health
        came = self._arrivals[source.id]
        age_s = (now - came.last) / SECOND if came.last else float("inf")
        return SourceStatus(
            id=source.id,
            kind=source.kind,
            link=health.link,
            since=health.since,
            flowing=age_s <= source.stale_after_s,
            age_s=age_s,
            lag_s=came.lag_s,
            skew_s=came.skew_s(now),
            received=came.received,
            reconnects=health.reconnects,
            resubscribes=health.resubscribes,
            last_error=health.last_error,
            unresolved=dict(health.unresolved),
        )
