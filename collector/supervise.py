"""All sources of a plant beside one another: a network error ends none, a bug ends all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from collector.carry import Move
from collector.feed import Feed, Reads
from collector.in_turn import InTurn, Turn
from collector.intake import Intake
from collector.source import Link, SourceReader
from plant.batch import SECOND
from plant.model import Plant, Source

DRAIN_S = 10.0
BESIDE = {"opcua"}
"""Kinds of sources that may be connected to twice at a time."""
BESIDE_S = 60.0
"""A connection that was changed ends after so long, whether or not the new one brings anything."""
PUBLISHINGS = 3
"""So many publishing intervals after the new one brought its first samples."""

log = structlog.get_logger()


def _of(module: str, name: str) -> Any:
    """A reader's class; a plant without such a source starts without its libraries."""
    return getattr(import_module(f"collector.{module}"), name)


# Each is made with the newest kept time of each tag, int64[tags].
READERS: dict[str, Callable[[Source, Plant, NDArray[np.int64]], SourceReader]] = {
    "opcua": lambda *given: _of("opcua.reader", "OpcUaReader")(*given),
    "sparkplug": lambda source, plant, _: _of("sparkplug.reader", "SparkplugReader")(source, plant),
    "mqtt": lambda source, plant, _: _of("mqtt.reader", "MqttReader")(source, plant),
    "modbus": lambda source, plant, _: _of("modbus.reader", "ModbusReader")(source, plant),
    "file": lambda source, plant, _: _of("file", "FileReader")(source, plant),
    "folder": lambda source, plant, _: _of("folder", "FolderReader")(source, plant),
    "replay": lambda source, plant, _: _of("replay", "ReplayReader")(source, plant),
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
    revised: dict[str, str]  # what an OPC UA server made of what was asked


class Supervisor:
    """`run` collects from every source until cancelled, then commits what is still waiting.

    Under another plant file a reader whose source and tags are the same goes on untouched. One that
    can have two connections gets a successor, and ends when that brings samples. Any other makes
    way first: what it has not acknowledged its broker or folder keeps for the successor.
    """

    def __init__(self, plant: Plant, intake: Intake, turn: Turn | None = None) -> None:
        """turn: of a pair of collectors, whose it is to read what gives its samples once."""
        self._plant = plant
        self._intake = intake
        self._turn = turn
        self._tasks: asyncio.TaskGroup | None = None
        self._parting: set[Feed] = set()
        newest = intake.newest_times()
        self._feeds = {s.id: self._feed(s, newest) for s in plant.sources}

    @property
    def readers(self) -> dict[str, SourceReader]:
        return {id_: feed.reader for id_, feed in self._feeds.items()}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            committer = tasks.create_task(self._intake.run())
            try:
                async with asyncio.TaskGroup() as self._tasks:
                    for feed in self._feeds.values():
                        self._start(feed)
                    await asyncio.Event().wait()  # others may begin later
            finally:
                drained = asyncio.ensure_future(self._intake.drain())
                await asyncio.wait(
                    (drained, committer), timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED
                )
                drained.cancel()
                committer.cancel()

    async def make_way(self, plant: Plant) -> None:
        """End the readers of sources that this plant file has no more, or that it reads otherwise
        over the only connection they can have. Their sources wait until `adopt`."""
        kinds, reads = {s.id: s.kind for s in plant.sources}, Reads.of(plant)
        for feed in (*self._feeds.values(), *self._parting):
            id_ = feed.source.id
            beside = {kinds.get(id_), feed.source.kind} <= BESIDE
            if not beside and reads.get(id_) != feed.reads:
                await feed.leave()

    def adopt(self, plant: Plant, move: Move | None) -> None:
        """Read what this plant file says, after `make_way` and the intake. No move: it is the one
        before, and who made way begins again."""
        self._plant = plant
        before, self._feeds = self._feeds, {}
        if move is not None:
            for feed in (*before.values(), *self._parting):
                feed.columns.move(move)
        newest = self._intake.newest_times()
        for source in plant.sources:
            old = before.get(source.id)
            goes_on = old is not None and old.task is not None
            if old is not None and goes_on and old.reads == Reads.of(plant)[source.id]:
                self._feeds[source.id] = old
                continue
            feed = self._feeds[source.id] = self._feed(source, newest)
            if old is not None and goes_on:
                feed.before, feed.came = old, old.came
                self._parting.add(old)
            self._start(feed)

    def _feed(self, source: Source, newest: NDArray[np.int64]) -> Feed:
        reader = READERS[source.kind](source, self._plant, newest)
        if self._turn is not None and source.taken_once:
            reader = InTurn(reader, self._turn)
        return Feed(source, reader, Reads.of(self._plant)[source.id])

    def _start(self, feed: Feed) -> None:
        if self._tasks is not None:
            feed.task = self._tasks.create_task(self._collect(feed), name=feed.source.id)
            if feed.before is not None:
                self._tasks.create_task(self._part(feed, feed.before))

    async def _collect(self, feed: Feed) -> None:
        async with aclosing(feed.reader.deliveries()) as deliveries:
            async for delivery in deliveries:
                if feed.leaving:
                    await asyncio.Event().wait()  # it is not acknowledged, so it comes again
                await self._intake.put(feed.take(delivery, time.time_ns()), feed.columns)

    async def _part(self, feed: Feed, before: Feed) -> None:
        """End the reader before, once its successor brings samples and what was sampled until then
        has had time to come."""
        until, came = time.monotonic() + BESIDE_S, 0
        while not (feed.brings or feed.leaving) and time.monotonic() < until:
            if feed.came.received != came:  # of some tags, while the rest is being asked for
                until, came = time.monotonic() + BESIDE_S, feed.came.received
            await asyncio.sleep(0.1)  # deliveries give no signal
        if not (feed.brings or feed.leaving):
            log.warning(
                "nothing comes over the new connection, and the one before ends",
                source=feed.source.id,
                after_s=BESIDE_S,
            )
        interval_s = before.source.options.get("publishing_interval_s", 1.0)
        await asyncio.sleep(PUBLISHINGS * interval_s)
        await before.leave()
        self._parting.discard(before)
        feed.before = None

    def statuses(self) -> Sequence[SourceStatus]:
        """One for each source, in the plant's order."""
        now = time.time_ns()
        return [self._status(source, now) for source in self._plant.sources]

    def _status(self, source: Source, now: int) -> SourceStatus:
        health, came = self._feeds[source.id].reader.health, self._feeds[source.id].came
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
            revised=dict(health.revised),
        )
