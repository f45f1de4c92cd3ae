"""The one contract of every store. tests/store/test_contract.py runs against all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plant.batch import Batch


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write. rejected: rows the store refused for good, with the reason."""

    stored: int
    rejected: Sequence[tuple[int, str]] = field(default_factory=tuple)  # (row of the batch, reason)


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """Figures of one scope at several times: values[t, f, e], NaN where unknown.

    names: figures, f long. entities: ids, e long. times: int64[t] ns. replaces: those of the
    entities whose NaN is a statement too: it makes unknown what was kept before.
    """

    scope: str
    names: tuple[str, ...]
    entities: tuple[str, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    replaces: tuple[str, ...] = ()

    @property
    def stated(self) -> NDArray[np.bool_]:
        """bool[t, f, e]: what the block says something of."""
        return ~np.isnan(self.values) | np.isin(self.entities, self.replaces)


class StoreUnavailable(Exception):
    """The store cannot be reached or is overloaded now; the same call may succeed later, not before
    `after_s` seconds if the store says so."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Store(Protocol):
    """Samples, figures and events by time. Writes are idempotent by (tag, time), (figure, entity,
    time) and event key: a write repeated after a crash changes nothing. Times are int64 ns, ranges
    are [start, end). Methods block; callers are threads. StoreUnavailable means try again. A store
    that is faster with several writes at a time says with how many, in an attribute `lanes`."""

    def open(self) -> None:
        """Make what is missing (folders, buckets with their retention); safe to repeat."""

    def write_samples(self, batch: Batch) -> Written: ...

    def write_figures(self, block: FigureBlock) -> int:
        """Keep figures, replacing those of the same key; returns values written. NaN is not kept
        and replaces nothing, but of the entities that the block replaces."""

    def write_events(self, kind: str, rows: Sequence[dict[str, Any]]) -> int:
        """Keep events: kind "alarm" or "anode_effect"; each row has `key` (str), `time` (ns) and
        JSON-able fields. A row with a known key, of the same time, replaces it."""

    def samples(self, tags: Sequence[int] | None, start: int, end: int) -> Batch:
        """Samples of these columns (None: all), sorted by (tag, time), bit for bit as written."""

    def figures(
        self, scope: str, names: Sequence[str], entities: Sequence[str] | None, start: int, end: int
    ) -> FigureBlock:
        """Figures kept in [start, end) of these entities (None: all of the plant), with the times
        at which there is one, ascending."""

    def events(self, kind: str, start: int, end: int) -> list[dict[str, Any]]: ...

    def count(self, start: int, end: int) -> NDArray[np.int64]:
        """int64[tags]: the store's own count of samples per tag, BAD ones included."""

    def extent(self) -> tuple[int, int] | None:
        """First and last sample time kept, None when empty."""

    def close(self) -> None: ...
