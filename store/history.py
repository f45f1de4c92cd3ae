"""All that is kept: what is in the store and what is still in the spool, as one; with the
corrections of readings that hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from plant.batch import Batch
from plant.model import EntityKind, Plant
from store.blocks import merged
from store.contract import FigureBlock, Store
from store.duplicates import order_once
from store.restatements import Restatements
from store.spool import Spool

# The spool is always read first: a segment delivered meanwhile is then seen twice, not never.


class History:
    def __init__(
        self, store: Store, spool: Spool, restatements: Restatements | None = None
    ) -> None:
        self._store = store
        self._spool = spool
        self._restatements = restatements
        self._plant: Plant = spool.plant

    def samples(self, tags: Sequence[int] | None, start: int, end: int) -> Batch:
        """Samples of these columns (None: all) in [start, end), by (tag, time), each once."""
        spooled = self._spool.samples(tags, start, end)
        stored = self._store.samples(tags, start, end)
        if not len(spooled):
            return self._corrected(stored)
        both = Batch.concat([stored, spooled])
        return self._corrected(both.take(order_once(both)))

    def spooled(self, tags: Sequence[int] | None, start: int, end: int) -> Batch:
        """The same of the spool alone, for when the store is away."""
        spooled = self._spool.samples(tags, start, end)
        return self._corrected(spooled.take(order_once(spooled)))

    def figures(
        self, scope: str, names: Sequence[str], entities: Sequence[str] | None, start: int, end: int
    ) -> FigureBlock:
        """Figures as Store.figures gives them, the newest statement of each."""
        if entities is None:
            entities = self._plant.entities(cast(EntityKind, scope))
        spooled = self._spool.figures(scope, start, end)
        stored = self._store.figures(scope, names, entities, start, end)
        if not spooled:
            return stored
        return merged(scope, names, entities, [stored, *spooled], start, end)

    def events(self, kind: str, start: int, end: int) -> list[dict[str, Any]]:
        """Events as Store.events gives them, the newest state of each, without those that a
        restatement has withdrawn."""
        spooled = self._spool.events(kind, start, end)
        rows = {(row["key"], row["time"]): row for row in self._store.events(kind, start, end)}
        rows |= {(row["key"], row["time"]): row for row in spooled}
        found = sorted(rows.values(), key=lambda row: (row["time"], row["key"]))
        return [row for row in found if not row.get("withdrawn")]

    def extent(self) -> tuple[int, int] | None:
        """First and last sample time kept, None when there is none."""
        spooled = self._spool.extent()
        spans = [span for span in (spooled, self._store.extent()) if span is not None]
        return (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None

    def _corrected(self, batch: Batch) -> Batch:
        return batch if self._restatements is None else self._restatements.corrected(batch)
