"""When a beat is due: a pure rule over what each source has shown so far."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collector.carry import Move
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
    first of them has (by our clock: how old the samples are does not matter). With no source live,
    the wall clock takes that part. So one silent source delays nothing for longer than the
    lateness, and a plant whose clocks lie in the past is computed in its own time.
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

    def take_over(self, other: Watermarks, move: Move) -> None:
        """Go on from those of another plant file."""
        nothing = np.zeros(len(self.plant.sources), np.int64)
        self.newest = move.carried("source", other.newest, nothing)
        self.advanced_at = move.carried("source", other.advanced_at, nothing)
        past = ((seen, move.carried("source", newest, nothing)) for seen, newest in other._past)
        self._past = deque(past)

    def due(self, now: int) -> int:
        """Frames that end at or before this time may be closed. 0 before the first sample."""
        lateness = round(self.plant.time.lateness_s * SECOND)
        while len(self._past) > 1 and self._past[1][0] <= now - lateness:
            self._past.popleft()
        newest = int(self.newest.max(initial=0))
        if newest == 0:
            return 0
        live = now - self.advanced_at <= lateness
        if not live.any():
            return min(now - lateness, newest + IDLE_NS)
        settled, long_ago = self._as_of(now - SETTLE_NS), self._as_of(now - lateness)
        return max(int(settled[live].min()), int(long_ago[live].max()))

    def _as_of(self, time: int) -> NDArray[np.int64]:
        """The newest source times as they were known at `time`; zeros before anything was."""
        known = [newest for seen, newest in tuple(self._past) if seen <= time]
        return known[-1] if known else np.zeros_like(self.newest)
