"""Which monitored items feed which tags: tags with the same node share one item."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.opcua.scan import Slots
from collector.scaling import Scaling
from plant.model import Tag

WHOLE = -1
"""Element of a tag that is its node's value itself."""


@dataclass(frozen=True, slots=True)
class Items:
    """Item h, whose client handle is h, brings the values of the tags tags[h].

    A tag whose address has an `index` is that element of its node's array; a matrix counts row by
    row from 0. handles: int64[slots], the item of each slot.
    """

    tags: tuple[tuple[Tag, ...], ...]
    slots: Slots
    handles: NDArray[np.int64]

    @classmethod
    def of(cls, tags: Iterable[Tag], scaling: Scaling) -> Items:
        by_node: dict[tuple[str, str], list[Tag]] = {}
        for tag in tags:
            key = tag.address["node"], tag.address.get("namespace", "")
            by_node.setdefault(key, []).append(tag)
        groups = tuple(tuple(group) for group in by_node.values())
        counts = [len(group) for group in groups]
        columns = np.array([tag.column for group in groups for tag in group], np.int32)
        elements = [int(tag.address.get("index") or WHOLE) for group in groups for tag in group]
        slots = Slots(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
            columns,
            np.array(elements, np.int64),
            scaling.scale[columns],
            scaling.offset[columns],
        )
        return cls(groups, slots, np.repeat(np.arange(len(groups)), counts))

    def columns(self, handles: NDArray[np.int64]) -> NDArray[np.int32]:
        """The columns of the tags of these items."""
        starts = self.slots.first[handles]
        counts = self.slots.first[handles + 1] - starts
        before = np.cumsum(counts) - counts
        chosen = np.repeat(starts - before, counts) + np.arange(counts.sum())
        return self.slots.columns.take(chosen)
