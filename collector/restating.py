"""The past computed again, a slice at a time, beside the live calculation.

From the newest checkpoint before what changed, forward over the kept samples, until the state is
again the one that was kept at a later checkpoint: from there on nothing can differ. If it never is,
the run catches up with the live one and takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import structlog

from analytics.beat.assessment import Assessment, State
from analytics.beat.frame import Frame
from collector.forward import Run, forward
from collector.revising import Reviser
from plant.batch import SECOND
from plant.model import Plant
from store.contract import StoreUnavailable
from store.history import History
from store.restatements import Restatement, Restatements
from store.spool import Checkpoint, Spool

MINUTE_NS = 60 * SECOND
DAY_NS = 86400 * SECOND
QUIET_NS = SECOND
"""What is late comes in bursts: work begins when nothing was noted for this long."""
RETRY_NS = 10 * SECOND
FOREVER = np.iinfo(np.int64).max
NOT_COMPARED = ("newest", "first")

log = structlog.get_logger()

Reconcile = Callable[[State, State, int], None]
"""reconcile(old, new, time): the state that a restatement replaced, at `time` ns."""


@dataclass(slots=True)
class Work:
    """A restatement under way."""

    order: Restatement
    run: Run
    begun: int  # ns, where the run began
    frames: Iterator[tuple[Frame, Assessment]]
    beats: int = 0


class Restating:
    """Called by one thread, the one that runs the live calculation. on_done(start, end): figures of
    [start, end) may have changed."""

    def __init__(
        self,
        plant: Plant,
        history: History,
        spool: Spool,
        restatements: Restatements,
        *,
        reconcile: Reconcile = lambda _old, _new, _time: None,
        on_done: Callable[[int, int], None] = lambda _start, _end: None,
    ) -> None:
        self._plant = plant
        self._history = history
        self._spool = spool
        self._restatements = restatements
        self._reviser = Reviser(plant, history, spool, restatements)
        self._reconcile = reconcile
        self._on_done = on_done
        self._slow = np.array([t.signal.pace == "slow" for t in plant.tags], np.bool_)
        self._work: Work | None = None
        self._waits_until = 0
        self.done = 0
        self.not_done = 0

    @property
    def under_way(self) -> bool:
        return self._work is not None

    def progress(self, until: int) -> float:
        """How far the work under way has come on its way to `until` ns, 0 to 1."""
        if self._work is None:
            return 1.0
        stands, begun = self._work.run.builder.start, self._work.begun
        return (stands - begun) / max(until - begun, 1)

    def step(self, live: Run, now: int, budget_s: float) -> Run:
        """Work for about so long at what is due. -> the run that is live from now on

        StoreUnavailable: it begins afresh another time.
        """
        if now < self._waits_until:
            return live
        try:
            if self._work is None and not self._begin(live, now):
                self._waits_until = now + QUIET_NS
                return live
            return self._go_on(live, budget_s)
        except StoreUnavailable:
            self._work = None
            self._waits_until = now + RETRY_NS
            raise

    def _begin(self, live: Run, now: int) -> bool:
        order = self._restatements.due()
        if order is None or now - order.noted < QUIET_NS:
            return False
        order = self._restatements.begin(order.version)
        if order.start >= live.builder.start:
            self._restatements.finish(order.version, 0, {})
            return True
        run = self._run_before(order.start, now)
        if run is None:
            remark = "not done: the samples of that time are no longer kept"
            self._restatements.finish(order.version, 0, {}, remark)
            self.not_done += 1
            log.warning("figures not restated", cause=order.cause, reason=remark)
            return True
        self._reviser.begin(order.version)
        frames = forward(run, self._history, live.builder.start)
        self._work = Work(order, run, run.builder.start, frames)
        return True

    def _run_before(self, start: int, now: int) -> Run | None:
        keep_days = self._plant.store.raw_days
        if keep_days and start < now - keep_days * DAY_NS:
            return None
        checkpoint = self._spool.checkpoints(start)
        if checkpoint is not None:
            return Run.restored(self._plant, checkpoint)
        extent = self._history.extent()
        return None if extent is None else Run.fresh(self._plant, extent[0])

    def _go_on(self, live: Run, budget_s: float) -> Run:
        work = self._work
        if work is None:
            return live
        until = time.monotonic() + budget_s
        while time.monotonic() < until:
            found = next(work.frames, None)
            if found is None:
                if work.run.builder.start < live.builder.start and self._more(work, live):
                    continue
                return self._catch_up(work, live)
            frame, assessment = found
            work.beats += 1
            self._reviser(frame, assessment)
            if frame.end % MINUTE_NS == 0 and self._stands(work, frame.end):
                self._finish(work, frame.end)
                break
        return live

    def _more(self, work: Work, live: Run) -> bool:
        """The live run has gone on meanwhile. False: it has left out all that is between."""
        before = work.run.builder.start
        work.frames = forward(work.run, self._history, live.builder.start)
        found = next(work.frames, None)
        if found is None:
            return work.run.builder.start > before
        work.frames = _first(found, work.frames)
        return True

    def _stands(self, work: Work, beat: int) -> bool:
        """Is the state at this beat the one that was kept? Otherwise it is kept now."""
        beats = self._spool.checkpoint_beats(beat, FOREVER)
        if beats and beat not in beats:
            return False
        kept = self._spool.checkpoint(beat) if beats else None
        checkpoint = work.run.checkpoint()
        if kept is not None and beat >= work.order.end and self._same(kept, checkpoint):
            return True
        self._restatements.reached(work.order.version, beat)
        self._reviser.flush(checkpoint)
        return False

    def _same(self, kept: Checkpoint, again: Checkpoint) -> bool:
        if kept.blob == again.blob:
            return True
        old, new = State.from_bytes(kept.blob).arrays, State.from_bytes(again.blob).arrays
        if old.keys() != new.keys() or old["labels"].tobytes() != new["labels"].tobytes():
            return False  # of another plant file
        for name, array in new.items():
            if name.startswith("alarm_") or name in NOT_COMPARED:
                continue
            was = old[name]
            if name.startswith("held_"):
                array, was = array[~self._slow], was[~self._slow]
            if was.shape != array.shape or was.tobytes() != array.tobytes():
                return False
        return True

    def _catch_up(self, work: Work, live: Run) -> Run:
        run = work.run
        stands = live.builder.start
        run.builder.skip_to(stands)
        run.builder.take_over(live.builder)
        self._reconcile(live.state, run.state, stands)
        self._finish(work, stands)
        return run

    def _finish(self, work: Work, end: int) -> None:
        order = work.order
        self._reviser.finish(work.begun, end)
        self._restatements.finish(order.version, work.beats, dict(self._reviser.changed))
        self._work = None
        self.done += 1
        log.info(
            "figures restated",
            version=order.version,
            cause=order.cause,
            beats=work.beats,
            changed=sum(self._reviser.changed.values()),
        )
        self._on_done(work.begun, end)


def _first(
    one: tuple[Frame, Assessment], rest: Iterator[tuple[Frame, Assessment]]
) -> Iterator[tuple[Frame, Assessment]]:
    yield one
    yield from rest
