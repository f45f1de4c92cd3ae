"""The thread that carries segments from the spool to the store."""

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
from store.duplicates import among, known, order_once
from store.segments import EventSegment, FigureSegment, SampleSegment, Segment
from store.spool import BadLine, Spool, SpoolFull

INTERVAL_S = 1.0
BACK_OFF_S = 0.2, 5.0
MOST_SAMPLES = 100_000


def nobody(_: str) -> None: ...


class Writer:
    """Carries until it is stopped; retries for ever while the store is away.

    on_error is told, once each, that the store went away and why, and "" when it is back; it is
    also told of segments that were set aside. A bug ends the thread; `failure` has it, and `stop`
    and `drain` raise it.
    """

    def __init__(
        self, spool: Spool, store: Store, *, on_error: Callable[[str], None] = nobody
    ) -> None:
        self.written = 0  # samples that the store took
        self.retries = 0
        self.last_error = ""  # why the store is away, "" while it is not
        self.failure: BaseException | None = None
        self._spool = spool
        self._store = store
        self._plant: Plant = spool.plant
        self._on_error = on_error
        self._opened = False
        self._stopping = threading.Event()
        self._asked = 0  # for a round that begins later and finds the spool empty
        self._answered = 0
        self._answer = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def drain(self, within_s: float) -> bool:
        """Wait until the spool was found empty, at most so long; tells whether it was."""
        with self._answer:
            self._asked += 1
            asked = self._asked
            self._answer.wait_for(lambda: self._answered >= asked or self.failure, within_s)
        self._fail()
        return self._answered >= asked

    def stop(self, drain_s: float = 0.0) -> None:
        """End the thread, after what is in the spool was carried over if that takes no longer."""
        if drain_s and self._thread.is_alive():
            self.drain(drain_s)
        self._stopping.set()
        self._thread.join()
        self._fail()

    @property
    def lag_s(self) -> float:
        """Age of the oldest sample that the store has not; 0 when there is none."""
        extent = self._spool.extent()
        return max(0.0, time.time() - extent[0] / 1e9) if extent else 0.0

    def step(self) -> int:
        """Carry over one bounded lot; returns how many segments. StoreUnavailable: try again."""
        if not self._opened:
            self._store.open()
            self._opened = True
        segments = self._spool.pending(MOST_SAMPLES)
        while self._spool.corrupt:
            self._on_error(self._spool.corrupt.pop(0))
        if segments:
            self._carry(segments)
        return len(segments)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        wait = BACK_OFF_S[0]
        try:
            while not self._stopping.is_set():
                asked = self._asked
                try:
                    carried = self.step()
                except (StoreUnavailable, SpoolFull) as error:
                    self.retries += 1
                    self._edge(str(error))
                    self._stopping.wait(wait * random.uniform(0.5, 1.0))
                    wait = min(wait * 2, BACK_OFF_S[1])
                    continue
                wait = BACK_OFF_S[0]
                self._edge("")
                if not carried:
                    with self._answer:
                        self._answered = asked
                        self._answer.notify_all()
                    self._stopping.wait(INTERVAL_S)
        except BaseException as error:
            with self._answer:
                self.failure = error
                self._answer.notify_all()
            self._on_error(f"the writer has stopped: {type(error).__name__}: {error}")

    def _edge(self, error: str) -> None:
        was, self.last_error = self.last_error, error
        if bool(was) != bool(error):
            self._on_error(error)

    def _carry(self, segments: Sequence[Segment]) -> None:
        samples = [s for s in segments if isinstance(s, SampleSegment)]
        batch = Batch.concat(s.batch for s in samples)
        gone = batch.tags < 0
        duplicate = self._resolve(samples)
        rows = np.nonzero(~gone & ~duplicate)[0]
        refused = np.zeros(len(batch), np.bool_)
        bad = []
        if len(rows):
            done = self._store.write_samples(batch.take(rows))
            for row, reason in done.rejected:
                refused[rows[row]] = True
                bad.append(self._bad_line(batch, int(rows[row]), reason))
            self.written += done.stored
        for segment in segments:
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
            "refused_by_store": refused,
        }
        self._spool.delivered(segments, rejected, bad)

    def _resolve(self, samples: Sequence[SampleSegment]) -> NDArray[np.bool_]:
        """Which rows of all these are duplicates: of one in the store, or of an earlier row. Kept
        durably before any of them is written, and not asked again."""
        before = Batch.empty()
        found = []
        for segment in samples:
            duplicates = segment.duplicates
            if duplicates is None and segment.suspect.any():
                duplicates = self._duplicates(segment, before)
                self._spool.resolve(segment.id, duplicates)
            elif duplicates is None:
                duplicates = np.zeros(len(segment.batch), np.bool_)
            found.append(duplicates)
            before = Batch.concat([before, segment.batch])
        return np.concatenate(found or [np.zeros(0, np.bool_)])

    def _duplicates(self, segment: SampleSegment, before: Batch) -> NDArray[np.bool_]:
        batch = segment.batch
        again = np.ones(len(batch), np.bool_)
        again[order_once(batch)] = False
        rows = np.nonzero(segment.suspect & (batch.tags >= 0))[0]
        suspects = batch.take(rows)
        again[rows] |= among(suspects, before) | known(self._store.samples, suspects)
        return again

    def _bad_line(self, batch: Batch, row: int, reason: str) -> BadLine:
        tag = self._plant.tags[batch.tags[row]].id
        value, quality = float(batch.values[row]), int(batch.quality[row])
        return BadLine(tag, int(batch.times[row]), value, quality, reason)
