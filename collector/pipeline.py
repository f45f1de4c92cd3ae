"""From durable samples to figures, live and after a restart. What comes late is noted here and
worked in by `collector.restating`, a slice at a time; both run the same `forward`."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import structlog
from numpy.typing import NDArray

from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from analytics.table.figures import beat_figures
from collector.beats import Watermarks
from collector.carry import Move
from collector.forward import Run
from collector.restating import MINUTE_NS, Restating
from plant.batch import SECOND, Batch
from plant.model import Plant
from store.contract import StoreUnavailable
from store.history import History
from store.restatements import Restatements
from store.spool import Checkpoint, Spool

Sink = Callable[[Frame, Assessment], None]
Note = tuple[int, int, str, Sequence[str]]

AFRESH_NS = 600 * SECOND
"""Longer than until a first checkpoint, and no more than can be held at once."""

log = structlog.get_logger()


@dataclass(slots=True)
class Pipeline:
    """The live calculation of one plant.

    `feed` takes durable samples from the event loop; `resume`, `advance` and `restate` run in one
    other thread at a time. The sinks get each live beat in order, `keep_checkpoint` follows them at
    each checkpoint. Samples of slow tags go to `entered`: no beat's figures depend on them.
    """

    plant: Plant
    history: History
    spool: Spool
    restatements: Restatements
    restating: Restating
    sinks: Sequence[Sink] = ()
    keep_checkpoint: Callable[[Checkpoint], None] = lambda _: None
    entered: Callable[[Batch], None] = lambda _: None
    run: Run | None = None
    watermarks: Watermarks = field(init=False)
    _inbox: deque[Batch] = field(init=False, default_factory=deque)
    _slow: NDArray[np.bool_] = field(init=False)
    _notes: deque[Note] = field(init=False, default_factory=deque)  # the disk did not take them

    def __post_init__(self) -> None:
        self.watermarks = Watermarks(self.plant)
        self._slow = np.array([t.signal.pace == "slow" for t in self.plant.tags], np.bool_)

    def resume(self, now: int) -> None:
        """Go on from the newest checkpoint, or afresh, with all that was kept since."""
        checkpoint = self.spool.checkpoints(None)
        if checkpoint is not None:
            self.run = Run.restored(self.plant, checkpoint)
            if self.run is None:
                log.warning("the calendar or potline has changed: running windows start afresh")
                return
            recent = self.spool.recent_from()
            if recent is not None and recent < checkpoint.beat:
                # some of them may have been late, and not been noted before the stop
                self.note(recent, checkpoint.beat, "samples around a stop")
        forever = np.iinfo(np.int64).max
        try:
            begin = checkpoint.beat if checkpoint else self._begin_afresh()
            since = self.history.samples(None, begin, forever)
        except StoreUnavailable as error:
            log.warning("the store is away: going on from the spool alone", reason=str(error))
            begin = checkpoint.beat if checkpoint else now - AFRESH_NS
            since = self.history.spooled(None, begin, forever)
            if checkpoint:
                self.note(begin, now, "the store was away at a restart")
        self.feed(since, now)

    def _begin_afresh(self) -> int:
        """From when on samples are read where no checkpoint is kept: what is live comes first. What
        was before and has no figures yet is computed beside it."""
        extent = self.history.extent()
        if extent is None or extent[1] - extent[0] < AFRESH_NS:
            return 0
        begin = extent[1] - AFRESH_NS
        log.warning(
            "samples but no checkpoint are kept: running windows start afresh",
            samples_since=datetime.fromtimestamp(extent[0] // SECOND, UTC).isoformat(),
        )
        names = [figure.name for figure in beat_figures()["line"]]
        if not len(self.history.figures("line", names, None, begin - AFRESH_NS, begin).times):
            self.note(extent[0], begin, "samples from before the first checkpoint")
        return begin

    def note(self, start: int, end: int, cause: str, tags: Sequence[str] = ()) -> None:
        """Figures of [start, end) must be computed again; noted as soon as the disk takes it."""
        self._notes.append((start, end, cause, tags))
        with contextlib.suppress(StoreUnavailable):
            self._write_notes()

    def _write_notes(self) -> None:
        while self._notes:
            note = self._notes.popleft()
            try:
                self.restatements.note(*note)
            except StoreUnavailable:
                self._notes.append(note)
                raise

    def take_over(self, before: Pipeline, move: Move) -> None:
        """Go on where the pipeline of another plant file stands; both are at rest. A restatement
        under way there begins anew."""
        self.run = None if before.run is None else before.run.moved(self.plant, move)
        self.watermarks.take_over(before.watermarks, move)
        self._inbox = deque(move.batch(batch) for batch in before._inbox)
        self._notes = before._notes

    def feed(self, batch: Batch, now: int) -> None:
        """Take samples that are in the spool. `now`: when they arrived, ns."""
        self.watermarks.see(batch, now)
        self._inbox.append(batch)

    def advance(self, now: int, most: int = 600) -> int:
        """Close the beats that are due at wall time `now`, at most so many; returns how many."""
        due = self.watermarks.due(now)
        batch = Batch.concat(self._inbox.popleft() for _ in range(len(self._inbox)))
        slow = self._slow[batch.tags]
        if slow.any():
            self.entered(batch.take(slow))
        if self.run is None:
            if not len(batch):
                return 0
            self.run = Run.fresh(self.plant, int(batch.times.min()))
        self._take(self.run, batch)
        closed = 0
        for frame, assessment in self.run.beats(due):
            for sink in self.sinks:
                sink(frame, assessment)
            if frame.end % MINUTE_NS == 0:
                self.keep_checkpoint(self.run.checkpoint())
            closed += 1
            if closed == most:
                break
        return closed

    def restate(self, now: int, budget_s: float) -> None:
        """Work for about so long at what came late, was corrected, or is to be computed again."""
        if self.run is not None:
            with contextlib.suppress(StoreUnavailable):  # it is tried again
                self._write_notes()
                self.run = self.restating.step(self.run, now, budget_s)

    def _take(self, run: Run, batch: Batch) -> None:
        builder = run.builder
        late = builder.add(batch) & ~self._slow[batch.tags]
        if not late.any():
            return
        # A reading that is held already (a server repeats it at each new subscription) is no news.
        news = late & (builder.held.times[batch.tags] != batch.times)
        sources = self.plant.source_of_tag[batch.tags]
        for source in np.unique(sources[news]).tolist():
            rows = np.flatnonzero(news & (sources == source))
            times = batch.times[rows]
            self.note(
                int(times.min()),
                int(times.max()) + 1,
                f"late samples of {self.plant.sources[source].id}",
                [self.plant.tags[c].id for c in np.unique(batch.tags[rows]).tolist()],
            )
