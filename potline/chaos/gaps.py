"""The gaps on record, asked of many samples at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND
from plant.model import Plant
from store.records import Gap


class GapsOnRecord:
    """Whether a (tag, time) lies in a gap on record, and of which cause."""

    def __init__(self, plant: Plant, gaps: Sequence[Gap], first: int, last: int) -> None:
        self._first, self._span = first - SECOND, last - first + 2 * SECOND
        known = [gap for gap in gaps if gap.tag in plant.column_of]
        tags = np.array([plant.column_of[gap.tag] for gap in known], np.int64)
        starts = self._key(tags, np.array([gap.start for gap in known], np.int64))
        ends = self._key(tags, np.array([gap.end for gap in known], np.int64))
        order = np.argsort(starts, kind="stable")
        self._starts, self._ends = starts[order], np.maximum.accumulate(ends[order])
        self.causes = list(dict.fromkeys(gap.cause for gap in known))
        codes = {cause: code for code, cause in enumerate(self.causes)}
        self._cause = np.array([codes[gap.cause] for gap in known], np.int64)[order]

    def _key(self, tags: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
        key: NDArray[np.int64] = tags * self._span + np.clip(times - self._first, 0, self._span - 1)
        return key

    def cover(self, tags: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Code of the cause, -1 outside of every gap."""
        if not len(self._starts):
            return np.full(len(tags), -1, np.int64)
        keys = self._key(tags, times)
        at = np.searchsorted(self._starts, keys, "right") - 1
        inside = (at >= 0) & (keys < self._ends[at])
        return np.where(inside, self._cause[at], -1)
