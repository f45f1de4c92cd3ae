"""Frames from samples: what came is sorted into beats, each frozen once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.frame import Frame, Held, freeze
from plant.batch import Batch
from plant.model import Plant


class FrameBuilder:
    """Collects the samples of open beats and freezes them, one beat after the other.

    `start` is the start of the next frame; it lies on the beat grid. `held` are the readings as
    of `start`.
    """

    def __init__(self, plant: Plant, start: int, held: Held | None = None) -> None:
        self.beat_ns = plant.beat_ns
        self.start = start - start % self.beat_ns
        self.held = Held.nothing(len(plant.tags)) if held is None else held
        self._hold_ns = plant.hold_ns
        self._pending: list[Batch] = []

    def add(self, batch: Batch) -> NDArray[np.bool_]:
        """Take samples of any beat; returns which rows came after their beat was closed."""
        late = batch.times < self.start
        self._pending.append(batch.take(~late) if late.any() else batch)
        return late

    def next_sample(self) -> int | None:
        """Time of the oldest sample waiting. None when none waits."""
        times = [int(b.times.min()) for b in self._pending if len(b)]
        return min(times, default=None)

    def close(self) -> Frame:
        """Freeze [start, start + beat) and go on to the next beat."""
        end = self.start + self.beat_ns
        waiting = Batch.concat(self._pending)
        due = waiting.times < end
        frame, self.held = freeze(self._hold_ns, self.start, end, self.held, waiting.take(due))
        self._pending = [waiting.take(~due)]
        self.start = end
        return frame

    def skip_to(self, time: int) -> None:
        """Leave out the beats before the one that holds `time`."""
        self.start = max(self.start, time - time % self.beat_ns)

    def take_over(self, other: FrameBuilder) -> None:
        """Take the waiting samples of a builder that stands at the same beat."""
        self._pending = other._pending
