"""Memory that beats work in, kept from one to the next: fresh memory costs its page faults, which
take longer than the work."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import ANODE_EFFECT
from analytics.beat.cell_state import WORK, WORK_NS
from analytics.beat.charge import Charges
from analytics.table.figures import beat_figures
from plant.model import Plant

Floats = NDArray[np.float64]
CACHE_LINE = 64
"""Bytes."""
MOST = 4
"""Tables of figures kept to be used again: that of the beat, the newest ones others look at."""


class Bench(NamedTuple):
    """What some lines of a frame are worked out in."""

    work: Floats  # [WORK, cells of the longest line]
    work_ns: NDArray[np.int64]  # [WORK_NS, the same]
    charges: Charges
    events: NDArray[np.void]  # ANODE_EFFECT


@dataclass(slots=True)
class Kept:
    """A plant's benches that nobody works at, and its cells' tables of figures."""

    shape: tuple[int, int]
    longest: int  # cells of a line
    benches: list[Bench] = field(default_factory=list)
    tables: list[Floats] = field(default_factory=list)

    @classmethod
    def of(cls, plant: Plant) -> Kept:
        longest = np.bincount(plant.line_of_cell, minlength=1).max()
        return cls((len(beat_figures()["cell"]), len(plant.cells)), int(longest))

    def bench(self, cells: int, beats: int, rows: int) -> Bench:
        """With room for so many; who took it puts it back among the benches."""
        most = 2 * (cells * beats + rows)
        with suppress(IndexError):
            bench = self.benches.pop()
            if len(bench.events) >= most and len(bench.charges.mean) >= beats:
                return bench
        return Bench(
            _room(WORK, self.longest),
            _room(WORK_NS, self.longest).view(np.int64),
            Charges.room(beats, most),
            np.empty(most, ANODE_EFFECT),
        )

    def table(self) -> Floats:
        """float64[figures, cells], its content left to chance: one that nobody holds any more, not
        even a view of it."""
        for table in self.tables:
            if sys.getrefcount(table) == _UNHELD:
                return table
        fresh = _room(*self.shape)
        if len(self.tables) < MOST:
            self.tables.append(fresh)
        return fresh


def _room(rows: int, columns: int) -> Floats:
    """float64[rows, columns] that begins where a line of the processor's cache does: loops over
    rows that lie across two lines take a third longer."""
    memory = bytearray(8 * rows * columns + CACHE_LINE)
    begin = -np.frombuffer(memory, np.uint8).ctypes.data % CACHE_LINE
    return np.ndarray((rows, columns), np.float64, memory, begin)


def _count_unheld() -> int:
    """References to what only a list and the loop over it hold."""
    kept: list[Any] = [object()]
    for thing in kept:
        return sys.getrefcount(thing)
    raise AssertionError


_UNHELD = _count_unheld()
