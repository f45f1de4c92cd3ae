"""The threads that carry segments from the spool to the store."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from plant.batch import Batch
from plant.model import Plant
from store.contract import Store, StoreUnavailable
from store.duplicates import known, order_once
from store.segments import EventSegment, FigureSegment, SampleSegment, Segment
from store.shared import BY_PEER, Shared
from store.spool import BadLine, Spool, SpoolFull

INTERVAL_S = 0.5
"""Without a backlog a lot is begun so often: what arrives meanwhile shares lines and requests."""
SOON_S = 0.05
BACK_OFF_S = 0.2, 5.0
LONGEST_S = 300.0
"""A store that asks to be left alone is left alone for so long at most."""
LEAST_SAMPLES, MOST_SAMPLES = 1_000, 200_000
QUICK_S, SLOW_S = 0.5, 2.0
"""A lot that took less lets the next one be larger, one that took more makes it smaller."""


def nobody(_: str) -> None: ...


class Writer:
    """Carries until it is stopped; retries for ever while the store is away.

    A lot grows while the store is quick and shrinks when it is slow or away. Several threads carry
    a lot each when the store is faster with that (`store.lanes`): while one waits for its answer
    another reads and encodes the next.

    shared: of a store that another collector writes too; it says what is left to that one.

    on_error is told, once each, that the store went away and why, and "" when it is back; on_notice
    what the spool gives notice of. A bug ends the threads; `failure` has it, and `stop`
    and `drain` raise it.
    """

    def __init__(
        self,
        spool: Spool,
        store: Store,
        *,
        on_error: Callable[[str], None] = nobody,
        on_notice: Callable[[str], None] = nobody,
        shared: Shared | None = None,
    ) -> None:
        self.written = 0  # samples that the store took
        self.retries = 0
        self.last_error = ""  # why the store is away, "" while it is not
        self.failure: BaseException | None = None
        self.lot_samples = MOST_SAMPLES // 10
        self._spool = spool
        self._store = store
        self._plant: Plant = spool.plant
        self._on_error = on_error
        self._on_notice = on_notice
        self._shared = shared
        self._opened = False
        self._stopping = threading.Event()
        self._turn = threading.Lock()  # one lane at a time chooses a lot
        self._flying: set[int] = set()  # segments that some lane carries
        self._asked = 0  # for a round that begins later and finds the spool empty
        self._answered = 0
        self._answer = threading.Condition()  # and for what the lanes count
        self._backlog = False  # more than half a lot was waiting
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"writer-{lane}", daemon=True)
            for lane in range(getattr(store, "lanes", 1))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def drain(self, within_s: float) -> bool:
        """Wait until the spool was found empty, at most so long; tells whether it was."""
        with self._answer:
            self._asked += 1
            asked = self._asked
            self._answer.wait_for(lambda: self._answered >= asked or self.failure, within_s)
        self._fail()
        return self._answered >= asked

    def stop(self, drain_s: float = 0.0) -> None:
        """End the threads, after what is in the spool was carried over if that takes no longer."""
        if drain_s and any(thread.is_alive() for thread in self._threads):
            self.drain(drain_s)
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._fail()

    @property
    def lag_s(self) -> float:
        """Age of the oldest sample that the store has not; 0 when there is none."""
        extent = self._spool.extent()
        return max(0.0, time.time() - extent[0] / 1e9) if extent else 0.0

    def step(self) -> int:
        """Carry over one bounded lot; returns how many segments. StoreUnavailable: try again."""
        with self._turn:
            if not self._opened:
                self._store.open()
                self._opened = True
            segments = self._choose()
            ids = {segment.id for segment in segments}
            self._flying |= ids
            self._backlog = sum(_size(s) for s in segments) > self.lot_samples // 2
        delivered = False
        try:
            if segments:
                self._carry(segments)
                delivered = True
        finally:
            if self._shared is not None:
                self._shared.done(segments, delivered)
            with self._turn:
                self._flying -= ids
        return len(segments)

    def _choose(self) -> list[Segment]:
        limit = self.lot_samples
        if self._shared is None:
            return self._spool.pending(limit, self._flying)
        return self._shared.choose(lambda but: self._spool.pending(limit, but), self._flying, limit)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _run(self, lane: int) -> None:
        wait = BACK_OFF_S[0]
        try:
            while not self._stopping.is_set():
                if lane and not self._backlog:  # one lane is enough
                    self._stopping.wait(SOON_S)
                    continue
                asked = self._asked
                began = time.monotonic()
                try:
                    carried = self.step()
                except (StoreUnavailable, SpoolFull) as error:
                    self._tell(str(error))
                    self._resize(0.5)
                    pause = max(wait * random.uniform(0.5, 1.0), getattr(error, "after_s", 0.0))
                    self._stopping.wait(min(pause, LONGEST_S))
                    wait = min(wait * 2, BACK_OFF_S[1])
                    continue
                wait = BACK_OFF_S[0]
                self._tell("")
                self._pace(bool(carried), time.monotonic() - began, asked)
        except BaseException as error:
            with self._answer:
                self.failure = error
                self._answer.notify_all()
            self._stopping.set()
            self._on_error(f"the writer has stopped: {type(error).__name__}: {error}")

    def _pace(self, carried: bool, took: float, asked: int) -> None:
        """Answer who waits for an empty spool, suit the next lot to the store, wait for more."""
        with self._turn, self._answer:
            if not carried and not self._flying:
                self._answered = max(asked, self._answered)
                self._answer.notify_all()
            hurry = self._answered < self._asked
        if carried and self._backlog:
            if took < QUICK_S:
                self._resize(2.0)
            elif took > SLOW_S:
                self._resize(0.5)
        elif not (carried and hurry):
            self._stopping.wait(SOON_S if hurry else max(SOON_S, INTERVAL_S - took))

    def _resize(self, by: float) -> None:
        self.lot_samples = min(max(int(self.lot_samples * by), LEAST_SAMPLES), MOST_SAMPLES)

    def _tell(self, error: str) -> None:
        with self._answer:
            self.retries += bool(error)
            was, self.last_error = self.last_error, error
            notices = [self._spool.notices.pop(0) for _ in range(len(self._spool.notices))]
        for notice in notices:
            self._on_notice(notice)
        if bool(was) != bool(error):
            self._on_error(error)

    def _carry(self, segments: Sequence[Segment]) -> None:
        samples = [s for s in segments if isinstance(s, SampleSegment)]
        batch = Batch.concat(s.batch for s in samples)
        gone = batch.tags < 0
        duplicate = self._resolve(samples)
        theirs = self._theirs(batch, gone | duplicate)
        rows = np.nonzero(~gone & ~duplicate & ~theirs)[0]
        refused = np.zeros(len(batch), np.bool_)
        bad = []
        if len(rows):
            done = self._store.write_samples(batch if len(rows) == len(batch) else batch.take(rows))
            for row, reason in done.rejected:
                refused[rows[row]] = True
                bad.append(self._bad_line(batch, int(rows[row]), reason))
            with self._answer:
                self.written += done.stored
        for segment in segments:
            if self._of_other(segment):
                continue
            if isinstance(segment, FigureSegment):
                self._store.write_figures(segment.block)
            elif isinstance(segment, EventSegment):
                for kind in {e.kind for e in segment.events}:
                    self._store.write_events(
                        kind, [e.row for e in segment.events if e.kind == kind]
                    )
        rejected = {
            "duplicate": duplicate & ~gone,
            "tag_removed": gone,
            BY_PEER: theirs,
            "refused_by_store": refused,
        }
        self._spool.delivered(segments, rejected, bad)
        if self._shared is not None and len(rows):
            self._shared.stored(batch.take(rows[~refused[rows]]))

    def _theirs(self, batch: Batch, but: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows the other collector has written, apart from those of `but`. Of what it has not
        told of the store is asked."""
        if self._shared is None or not len(batch):
            return np.zeros(len(batch), np.bool_)
        theirs = self._shared.has(batch) & ~but
        rows = np.flatnonzero(~theirs & ~but)
        if len(rows) and not self._shared.active:
            theirs[rows] = known(self._store.samples, batch.take(rows))
        return theirs

    def _of_other(self, segment: Segment) -> bool:
        if self._shared is None or isinstance(segment, SampleSegment):
            return False
        return self._shared.computed(segment.at)

    def _resolve(self, samples: Sequence[SampleSegment]) -> NDArray[np.bool_]:
        """Which rows of all these are duplicates: of one in the store, of one in an older segment,
        or of an earlier row. Kept durably before any of them is written, and not asked again."""
        found = []
        for segment in samples:
            duplicates = segment.duplicates
            if duplicates is None and segment.suspect.any():
                duplicates = self._duplicates(segment)
                self._spool.resolve(segment.id, duplicates)
            elif duplicates is None:
                duplicates = np.zeros(len(segment.batch), np.bool_)
            found.append(duplicates)
        return np.concatenate(found or [np.zeros(0, np.bool_)])

    def _duplicates(self, segment: SampleSegment) -> NDArray[np.bool_]:
        batch = segment.batch
        again = np.ones(len(batch), np.bool_)
        again[order_once(batch)] = False
        rows = np.nonzero(segment.suspect & (batch.tags >= 0))[0]

        def older(tags: Sequence[int], start: int, end: int) -> Batch:
            # The spool first: what is delivered meanwhile is then seen twice, not never.
            waiting = self._spool.samples(tags, start, end, before=segment.id)
            return Batch.concat([waiting, self._store.samples(tags, start, end)])

        again[rows] |= known(older, batch.take(rows))
        return again

    def _bad_line(self, batch: Batch, row: int, reason: str) -> BadLine:
        tag = self._plant.tags[batch.tags[row]].id
        value, quality = float(batch.values[row]), int(batch.quality[row])
        return BadLine(tag, int(batch.times[row]), value, quality, reason)


def _size(segment: Segment) -> int:
    """How many samples or values it counts for in a lot."""
    if isinstance(segment, SampleSegment):
        return len(segment.batch)
    return segment.block.values.size if isinstance(segment, FigureSegment) else len(segment.events)
