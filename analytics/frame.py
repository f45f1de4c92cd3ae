"""Frame: all tags at one beat, immutable. Beats sit on the epoch grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).min
"""Time of a reading that was never made."""


@dataclass(frozen=True, slots=True)
class Held:
    """The newest reading of each tag before some time. All arrays have length tags."""

    times: NDArray[np.int64]  # NEVER where there is none
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]

    @classmethod
    def nothing(cls, tags: int) -> Held:
        return cls(
            np.full(tags, NEVER, np.int64), np.full(tags, np.nan), np.zeros(tags, np.uint8)
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """The samples of [start, end), sorted by (tag, time), one per (tag, time).

    A reading stands from its own time until the next one of its tag, at most the tag's hold time
    (step interpolation, domain.md §1.1: E = Σ V_k I_k Δt); after that, and while its quality is
    BAD, the tag is unknown: NaN.

    Rows `offsets[t]:offsets[t+1]` of times, values, quality are tag t's. The summary arrays have
    length tags: mean is time-weighted over the known part of the beat, coverage is that part as a
    fraction, last is the value standing at the end; NaN where unknown.
    """

    start: int
    end: int
    held: Held  # as of `start`
    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]
    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    count: NDArray[np.int64]
    coverage: NDArray[np.float64]
    last: NDArray[np.float64]
