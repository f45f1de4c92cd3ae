"""Frames from samples: what came is sorted into beats, each frozen once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analytics.beat.chunk import Chunk, as_batch
from analytics.beat.frame import Frame, Held, frame_of, freeze
from plant.batch import Batch
from plant.model import Plant


class Unsorted:
    """Samples as they came, which reach from `first` to `last` [ns]."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.first, self.last = int(batch.times.min()), int(batch.times.max())


class FrameBuilder:
    """Collects the samples of open beats and freezes them, one frame after the other.

    `start` is the start of the next frame; it lies on the beat grid. `held` are the readings as
    of `start`.
    """

    def __init__(self, plant: Plant, start: int, held: Held | None = None) -> None:
        self.beat_ns = plant.beat_ns
        self.start = start - start % self.beat_ns
        self.held = Held.nothing(len(plant.tags)) if held is None else held
        self._hold_ns = plant.hold_ns
        self._pending: list[Unsorted | Chunk] = []  # in the order in which they came

    def add(self, batch: Batch) -> NDArray[np.bool_]:
        """Take samples of any beat; returns which rows came after their beat was closed."""
        late = batch.times < self.start
        fresh = batch.take(~late) if late.any() else batch
        if len(fresh):
            self._pending.append(self._sorted(Unsorted(fresh)))
        return late

    def _sorted(self, part: Unsorted) -> Unsorted | Chunk:
        """Only what reaches beyond one beat is worth keeping in order."""
        if part.last - part.first < self.beat_ns:
            return part
        return Chunk.of(part.batch, len(self._hold_ns)) or part

    def next_sample(self) -> int | None:
        """Time of the oldest sample waiting. None when none waits."""
        firsts = [p.first() if isinstance(p, Chunk) else p.first for p in self._pending]
        return min(firsts, default=None)

    def close(self, beats: int = 1) -> Frame:
        """Freeze the next beats, [start, start + beats · beat), and go on behind them."""
        start, end = self.start, self.start + beats * self.beat_ns
        if len(self._pending) == 1 and isinstance(chunk := self._pending[0], Chunk):
            frame, self.held = frame_of(self._hold_ns, start, end, self.held, chunk.cut(end), beats)
            self._pending = [chunk] if chunk.left else []
        else:
            due = Batch.concat(self._before(end))
            frame, self.held = freeze(self._hold_ns, start, end, self.held, due, beats)
        self.start = end
        return frame

    def skip_to(self, time: int) -> None:
        """Leave out the beats before the one that holds `time`."""
        self.start = max(self.start, time - time % self.beat_ns)

    def take_over(self, other: FrameBuilder, moved: Callable[[Batch], Batch] | None = None) -> None:
        """Take the waiting samples of a builder that stands at the same beat; `moved` into the
        columns of this one where its plant file is another."""
        if moved is None:
            self._pending = other._pending
            return
        for part in other._before(np.iinfo(np.int64).max):
            self.add(moved(part))

    def _before(self, end: int) -> list[Batch]:
        """Take the waiting samples before `end`."""
        taken: list[Batch] = []
        left: list[Unsorted | Chunk] = []
        for part in self._pending:
            if isinstance(part, Chunk):
                taken.append(as_batch(part.cut(end)))
                if part.left:
                    left.append(part)
            elif part.last < end:
                taken.append(part.batch)
            elif part.first >= end:
                left.append(part)
            else:
                due = part.batch.times < end
                taken.append(part.batch.take(due))
                left.append(Unsorted(part.batch.take(~due)))
        self._pending = left
        return taken
