"""From deliveries to durable samples: validated, counted, committed, then acknowledged and fed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from collector.carry import Columns, Move
from collector.screen import CAUSES, Gaps, Track, screen
from collector.source import Delivery
from plant.batch import Batch, Quality
from plant.model import Plant
from store.spool import Gap, Spool, SpoolFull

WAITING = 64
"""Deliveries that may wait for a commit; then `put` waits, and so the sources do."""
ROWS = 100_000
"""Rows in one commit at most, unless a single delivery has more."""
RETRY_S = 1.0

log = structlog.get_logger()


Waiting = tuple[Delivery, int, Columns]
"""What came, when [ns], and where the columns of its reader are."""


@dataclass(slots=True)
class Counts:
    """Since the process began. received = kept + refused; by source, and (source, reason)."""

    received: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    flagged: Counter[tuple[str, str]] = field(default_factory=Counter)
    commits: int = 0
    commit_seconds: float = 0.0


class Intake:
    """`put` deliveries while `run` commits them. One writer to the spool, in one thread."""

    def __init__(
        self,
        plant: Plant,
        spool: Spool,
        feed: Callable[[Batch], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.counts = Counts()
        self.blocked = ""  # why nothing can be committed now
        self._plant = plant
        self._spool = spool
        self._feed = feed
        self._clock = clock
        self._began = clock()
        self._track = Track.of(spool.last_times())
        self._heard = spool.heard()  # source -> when a sample of it came last, by our clock [ns]
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(WAITING)
        self._thread = ThreadPoolExecutor(1, "spool")
        self._tags_of = _tags_of(plant)
        self.still = asyncio.Lock()  # whoever holds it knows that nothing is being committed

    def adopt(self, plant: Plant, spool: Spool, move: Move) -> None:
        """Go on with another plant file and its spool. Call it while holding `still`: what waits
        and was not committed is then of the new one."""
        fresh = Track.of(spool.last_times())
        self._track = Track(
            fresh.newest,
            fresh.told,
            move.carried("tag", self._track.values, fresh.values),
            move.carried("tag", self._track.awaiting, fresh.awaiting),
        )
        self._plant, self._spool, self._tags_of = plant, spool, _tags_of(plant)

    @property
    def waiting(self) -> int:
        """Deliveries that are not being committed yet."""
        return self._queue.qsize()

    def newest_times(self) -> NDArray[np.int64]:
        """int64[tags]: the newest time of each tag that was ever kept."""
        return self._track.newest.copy()

    async def put(self, delivery: Delivery, columns: Columns | None = None) -> None:
        """Hand in a delivery; returns when there is room for it. `durable` comes later. columns: of
        its reader, where that may be of an earlier plant file."""
        await self._queue.put((delivery, self._clock(), columns or Columns()))

    async def run(self) -> None:
        """Commit what is put, for ever."""
        while True:
            waiting = [await self._queue.get()]
            rows = len(waiting[0][0].batch)
            while rows < ROWS and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
                rows += len(waiting[-1][0].batch)
            async with self.still:
                await self._commit(waiting)
            for _ in waiting:
                self._queue.task_done()

    async def drain(self) -> None:
        """Return when all that was put is durable."""
        await self._queue.join()

    async def _commit(self, waiting: Sequence[Waiting]) -> None:
        received: Counter[str] = Counter()
        refused: Counter[tuple[str, str]] = Counter()
        kept: list[Batch] = []
        suspects: list[NDArray[np.bool_]] = []
        gaps: list[Gap] = []
        for delivery, now, columns in waiting:
            source = delivery.source
            placed, gone = columns.place(delivery.batch)
            accepted, faults = screen(self._plant, placed, now)
            if gone:
                faults["tag_removed"] = gone
            again = accepted.times == self._track.newest[accepted.tags]
            if again.any():  # others that are not newer are looked for in the store
                faults["duplicate"] = int(again.sum())
                accepted = accepted.take(~again)
            for reason, count in (*delivery.refused.items(), *faults.items()):
                refused[source, reason] += count
                received[source] += count
            if delivery.resumed:
                self._track.resume(self._tags_of[source], self._began, self._heard.get(source, now))
            for cause, tags in delivery.missing.items():
                here = columns.of(tags)
                self._track.miss(here[here >= 0], cause)
            suspect, accepted, found = self._track.follow(self._plant, accepted, now)
            if len(accepted):
                self._heard[source] = now
            kept.append(accepted)
            suspects.append(suspect)
            gaps += [*self._gaps(found), *delivery.gaps]
            backwards = int((accepted.quality & Quality.COUNTER_BACKWARDS > 0).sum())
            if backwards:
                self.counts.flagged[source, "counter_backwards"] += backwards
        batch = Batch.concat(kept)
        for i, count in enumerate(np.bincount(self._plant.source_of_tag[batch.tags])):
            received[self._plant.sources[i].id] += int(count)
        suspect = np.concatenate(suspects)
        segment = 0
        if received.total():
            append = partial(
                self._spool.append, batch, received, refused, gaps, suspect, self._heard.copy()
            )
            segment = await self._append(append)
        self.counts.received += received
        self.counts.refused += refused
        for delivery, _, _ in waiting:
            if delivery.durable is not None:
                delivery.durable()
        if segment:  # what the spool had to give up is not computed either
            self._feed(batch)

    async def _append(self, append: Callable[[], int]) -> int:
        """Make it durable, however long the disk stays full; nothing is acknowledged before."""
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        while True:
            try:
                segment = await loop.run_in_executor(self._thread, append)
                break
            except SpoolFull as error:
                if not self.blocked:
                    log.error(
                        "samples cannot be made durable, sources wait: free space on the disk, "
                        "or bring the store back",
                        reason=str(error),
                    )
                self.blocked = str(error)
                await asyncio.sleep(RETRY_S)
        if self.blocked:
            log.info("samples are durable again")
            self.blocked = ""
        self.counts.commits += 1
        self.counts.commit_seconds += time.perf_counter() - began
        return segment

    def _gaps(self, found: Gaps) -> list[Gap]:
        rows = zip(found.tags, found.starts, found.ends, found.causes, strict=True)
        tags = self._plant.tags
        return [Gap(tags[t].id, int(s), int(e), CAUSES[int(c)]) for t, s, e, c in rows]


def _tags_of(plant: Plant) -> dict[str, NDArray[np.bool_]]:
    """bool[tags] by source."""
    return {source.id: plant.source_of_tag == i for i, source in enumerate(plant.sources)}
