"""The book beside the live calculation: told of midnights, late values, and entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from analytics.beat.windows import windows
from collector.bookkeeping import Bookkeeper
from plant.batch import SECOND, Batch
from plant.model import Plant
from store.contract import FigureBlock, StoreUnavailable
from store.entries import FILE, Entries
from store.history import History
from store.restatements import Restatements
from store.spool import Spool, SpoolFull

LOOK_NS = SECOND
"""So often it is asked whether something was entered, also by another process."""
CAUSE = "values entered late, or days computed again"


class Booking:
    """A sink of the pipeline; `step` by the same thread, after what the beats gave is durable."""

    def __init__(
        self,
        plant: Plant,
        history: History,
        spool: Spool,
        restatements: Restatements,
        cause: str = CAUSE,
    ) -> None:
        self.entries = Entries(Path(plant.store.path) / FILE)
        self._plant = plant
        self._spool = spool
        self._restatements = restatements
        self._cause = cause
        self._keeper = Bookkeeper(plant, history, self.entries, self._keep, self._supersede)
        self._midnight: int | None = None  # the next one
        self._ended: list[int] = []
        self._looked = 0

    def __call__(self, frame: Frame, assessment: Assessment) -> None:
        if self._midnight is None:
            # The last one may have passed just before a stop: a row that is there stays as it is.
            self._ended.append(self._day(frame.start)[0])
            self._midnight = self._day(frame.start)[1]
        if frame.end >= self._midnight:
            self._ended.append(self._midnight)
            self._midnight = self._day(frame.end)[1]

    def entered(self, batch: Batch) -> None:
        """Slow samples of any time: those of days that are over touch rows of the book."""
        late = batch.times < (self._midnight or 0)
        self._keeper.touched(batch.tags[late], batch.times[late])

    def restated(self, start: int, end: int) -> None:
        """Figures of [start, end) ns may be others than before."""
        self._keeper.restated(start, end)

    def take_over(self, before: Booking) -> None:
        """Go on from that of another plant file."""
        self._midnight, self._ended = before._midnight, before._ended
        self._keeper.take_over(before._keeper)

    def step(self, now: int) -> None:
        """Write what is due. While the store is away or the disk full it stays due."""
        if not self._ended and now - self._looked < LOOK_NS:
            return
        self._looked = now
        try:
            while self._ended:
                self._keeper.close_day(self._ended[0])
                del self._ended[0]
            self._keeper.refresh()
        except (StoreUnavailable, SpoolFull):
            return

    def write_from(self, start: int) -> None:
        """All rows that rest on what is kept from `start` ns on."""
        self._keeper.refresh(start)

    def close(self) -> None:
        self.entries.close()

    def _day(self, time: int) -> tuple[int, int]:
        """Start and end of the local day that holds a time."""
        edges = windows(time, self._plant.site.zone, ())[:, 3]
        return int(edges[0]), int(edges[1])

    def _keep(self, block: FigureBlock) -> None:
        self._spool.commit_beats([block], (), None)

    def _supersede(self, block: FigureBlock) -> None:
        changed = {
            f"{block.scope}.{name}": int(np.isfinite(values).sum())
            for name, values in zip(block.names, block.values[0], strict=True)
            if np.isfinite(values).any()
        }
        at = int(block.times[0])
        version = self._restatements.record(at, at + 1, self._cause, changed)
        self._restatements.supersede(version, block)
