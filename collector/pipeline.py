"""From durable samples to figures: live, after a restart, and again when a late sample changes the
past. All three run the same `forward` from a checkpoint."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from analytics.assess import assess, new_state
from analytics.assessment import Assessment, State
from analytics.frame import Frame, Held
from collector.beats import IDLE_NS, Watermarks
from collector.frames import FrameBuilder
from plant.batch import SECOND, Batch
from plant.model import Plant
from store.contract import StoreUnavailable
from store.history import History
from store.spool import Checkpoint

CHUNK_NS = 60 * SECOND
CHECKPOINT_NS = 60 * SECOND
RESTATE_QUIET_NS = SECOND
"""Late samples come in bursts: the past is computed again when none has come for this long."""
RETRY_NS = 10 * SECOND
RESTATE_MOST_NS = 24 * 3600 * SECOND
"""A sample later than this is kept, and counted as not restated."""

Sink = Callable[[Frame, Assessment, bool], None]
"""sink(frame, assessment, restated)"""

log = structlog.get_logger()


def fingerprint(plant: Plant) -> str:
    """What a saved state depends on: the order of tags, cells and rules."""
    rows = (
        [t.id for t in plant.tags] + [c.id for c in plant.cells] + [repr(a) for a in plant.alarms]
    )
    rows += [repr(plant.lines), repr(plant.boilers), repr(plant.site), repr(plant.time)]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Run:
    """Where the calculation stands: the frames still open and the state so far."""

    plant: Plant
    builder: FrameBuilder
    state: State

    @classmethod
    def fresh(cls, plant: Plant, start: int) -> Run:
        return cls(plant, FrameBuilder(plant, start), new_state(plant))

    @classmethod
    def restored(cls, plant: Plant, checkpoint: Checkpoint) -> Run | None:
        """The run of a checkpoint, None when it belongs to another plant file."""
        arrays = dict(State.from_bytes(checkpoint.blob).arrays)
        if str(arrays.pop("fingerprint")) != fingerprint(plant):
            return None
        held = Held(arrays.pop("held_times"), arrays.pop("held_values"), arrays.pop("held_quality"))
        return cls(plant, FrameBuilder(plant, checkpoint.beat, held), State(arrays))

    def checkpoint(self) -> Checkpoint:
        held = self.builder.held
        state = State(
            {
                **self.state.arrays,
                "held_times": held.times,
                "held_values": held.values,
                "held_quality": held.quality,
                "fingerprint": np.array(fingerprint(self.plant)),
            }
        )
        return Checkpoint(self.builder.start, state.to_bytes())

    def beats(self, until: int) -> Iterator[tuple[Frame, Assessment]]:
        """Close every frame that ends at or before `until`.

        Where no tag of the plant has said anything for IDLE_NS the beats are left out up to the
        next sample: a rule of the data alone, so that replay does the same.
        """
        builder = self.builder
        while builder.start + builder.beat_ns <= until:
            if builder.start >= int(builder.held.times.max(initial=0)) + IDLE_NS:
                upcoming = builder.next_sample()
                if upcoming is None:
                    return
                builder.skip_to(upcoming)
                if builder.start + builder.beat_ns > until:
                    return
            frame = builder.close()
            self.state, assessment = assess(self.plant, self.state, frame)
            yield frame, assessment


def forward(run: Run, history: History, until: int) -> Iterator[tuple[Frame, Assessment]]:
    """Run over the kept samples from where `run` stands up to `until`, a minute at a time."""
    for start in range(run.builder.start, until, CHUNK_NS):
        end = min(start + CHUNK_NS, until)
        run.builder.add(history.samples(None, start, end))
        yield from run.beats(end)


@dataclass(slots=True)
class Pipeline:
    """The live calculation of one plant.

    `feed` takes durable samples from the event loop; `resume`, `advance` and `restate` run in one
    other thread at a time. The sinks get each beat in order, `keep_checkpoint` follows them at
    each checkpoint. `reconcile(old, new, time)` tells of the state that a restatement replaced.
    """

    plant: Plant
    history: History
    find_checkpoint: Callable[[int | None], Checkpoint | None]
    sinks: Sequence[Sink] = ()
    keep_checkpoint: Callable[[Checkpoint], None] = lambda _: None
    reconcile: Callable[[State, State, int], None] = lambda _old, _new, _time: None
    run: Run | None = None
    watermarks: Watermarks = field(init=False)
    restatements: int = 0
    not_restated: int = 0
    _inbox: deque[Batch] = field(init=False, default_factory=deque)
    _late_from: int | None = field(init=False, default=None)
    _late_seen: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.watermarks = Watermarks(self.plant)

    def resume(self, now: int) -> None:
        """Go on from the newest checkpoint, or from the beginning, with all that was kept since."""
        checkpoint = self.find_checkpoint(None)
        if checkpoint is not None:
            self.run = Run.restored(self.plant, checkpoint)
            if self.run is None:
                log.warning("the plant file has changed: running windows start afresh")
                return
        begin, forever = checkpoint.beat if checkpoint else 0, np.iinfo(np.int64).max
        try:
            since = self.history.samples(None, begin, forever)
        except StoreUnavailable as error:
            log.warning("the store is away: going on from the spool alone", reason=str(error))
            since = self.history.spooled(None, begin, forever)
            if checkpoint:
                self._late_from, self._late_seen = begin, now
        self.feed(since, now)

    def feed(self, batch: Batch, now: int) -> None:
        """Take samples that are in the spool. `now`: when they arrived, ns."""
        self.watermarks.see(batch, now)
        self._inbox.append(batch)

    def advance(self, now: int, most: int = 600) -> int:
        """Close the beats that are due at wall time `now`, at most so many; returns how many."""
        due = self.watermarks.due(now)
        batch = Batch.concat(self._inbox.popleft() for _ in range(len(self._inbox)))
        if self.run is None:
            if not len(batch):
                return 0
            self.run = Run.fresh(self.plant, int(batch.times.min()))
        self._take(self.run, batch, now)
        closed = 0
        for frame, assessment in self.run.beats(due):
            self._emit(self.run, frame, assessment, restated=False)
            closed += 1
            if closed == most:
                break
        return closed

    def restate_due(self, now: int) -> bool:
        return self._late_from is not None and now - self._late_seen >= RESTATE_QUIET_NS

    def restate(self) -> int:
        """Compute again from the newest checkpoint before the earliest late sample. -> beats"""
        late, self._late_from = self._late_from, None
        if self.run is None or late is None:
            return 0
        try:
            return self._restate_from(self.run, late)
        except StoreUnavailable:
            self._late_from, self._late_seen = late, self._late_seen + RETRY_NS
            return 0

    def _restate_from(self, run: Run, late: int) -> int:
        stands = run.builder.start
        again = self._run_before(run, late)
        if again is None:
            self.not_restated += 1
            log.warning("late samples kept, figures of their time not restated", since=late)
            return 0
        beats = 0
        for frame, assessment in forward(again, self.history, stands):
            self._emit(again, frame, assessment, restated=True)
            beats += 1
        again.builder.skip_to(stands)
        again.builder.take_over(run.builder)
        self.reconcile(run.state, again.state, stands)
        self.run = again
        self.restatements += 1
        return beats

    def _take(self, run: Run, batch: Batch, now: int) -> None:
        builder = run.builder
        late = builder.add(batch)
        if not late.any():
            return
        # A reading that is held already (a server repeats it at each new subscription) is no news.
        known = builder.held.times[batch.tags[late]] == batch.times[late]
        news = batch.times[late][~known]
        if not len(news):
            return
        earliest = int(news.min())
        self._late_seen = now
        self._late_from = earliest if self._late_from is None else min(self._late_from, earliest)

    def _run_before(self, run: Run, late: int) -> Run | None:
        if run.builder.start - late > RESTATE_MOST_NS:
            return None
        checkpoint = self.find_checkpoint(late)
        if checkpoint is not None:
            return Run.restored(self.plant, checkpoint)
        extent = self.history.extent()
        return None if extent is None else Run.fresh(self.plant, extent[0])

    def _emit(self, run: Run, frame: Frame, assessment: Assessment, restated: bool) -> None:
        for sink in self.sinks:
            sink(frame, assessment, restated)
        if frame.end % CHECKPOINT_NS == 0:
            self.keep_checkpoint(run.checkpoint())
