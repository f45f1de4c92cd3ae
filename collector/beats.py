"""When a beat is due: a pure rule over what each source has shown so far."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant

SETTLE_NS = SECOND // 4
"""After a source's watermark has passed a beat, its other messages of that beat get this long."""

IDLE_NS = 60 * SECOND
"""Beats later than this after the newest sample wait for a newer one, and are then skipped."""


@dataclass(slots=True)
class Watermarks:
    """The newest source time of each source, and when it was seen. Times in ns.

    A beat is due when every live source has passed its end, at the latest `lateness_s` after the
    most advanced live source has. With no source live, the wall clock takes that part. So one
    silent source delays nothing for longer than the lateness, and a plant whose clocks lie in the
    past is computed in its own time.
    """

    plant: Plant
    newest: NDArray[np.int64] = field(init=False)
    advanced_at: NDArray[np.int64] = field(init=False)
    _past: deque[tuple[int, NDArray[np.int64]]] = field(init=False, default_factory=deque)

    def __post_init__(self) -> None:
        self.newest = np.zeros(len(self.plant.sources), np.int64)
        self.advanced_at = np.zeros(len(self.plant.sources), np.int64)

    def see(self, batch: Batch, now: int) -> None:
        """Take note of samples that arrived at `now`."""
        if not len(batch):
            return
        newest = self.newest.copy()
        np.maximum.at(newest, self.plant.source_of_tag[batch.tags], np.minimum(batch.times, now))
        self.advanced_at[newest > self.newest] = now
        self.newest = newest
        self._past.append((now, newest))

    def due(self, now: int) -> int:
        """Frames that end at or before this time may be closed. 0 before the first sample."""
        while len(self._past) > 1 and self._past[1][0] <= now - SETTLE_NS:
            self._past.popleft()
        newest = int(self.newest.max(initial=0))
        if newest == 0:
            return 0
        lateness = round(self.plant.time.lateness_s * SECOND)
        live = now - self.advanced_at <= lateness
        if not live.any():
            return min(now - lateness, newest + IDLE_NS)
        since, settled = self._past[0]
        all_passed = int(settled[live].min()) if since <= now - SETTLE_NS else 0
        return max(all_passed, int(self.newest[live].max()) - lateness)
