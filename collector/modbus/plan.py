"""Which requests read a set of tags, and how an answer becomes values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.model import Source, Tag
from plant.registers import BITS, DTYPES, WIDTHS


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """Where one tag is read."""

    unit_id: int
    table: str
    address: int
    width: int
    column: int
    type: str
    bit: int

    @classmethod
    def of(cls, tag: Tag) -> Item:
        where = tag.address
        return cls(
            int(where["unit_id"]),
            where["table"],
            int(where["address"]),
            WIDTHS[where["type"]],
            tag.column,
            where["type"],
            int(where["bit"] or 0),
        )


@dataclass(frozen=True, slots=True)
class Request:
    """Neighbours of one table, read together."""

    items: tuple[Item, ...]  # in the order of their addresses
    count: int  # registers or bits from the first one on

    @property
    def first(self) -> Item:
        return self.items[0]

    @property
    def columns(self) -> NDArray[np.int32]:
        return np.array([item.column for item in self.items], np.int32)


@dataclass(slots=True)
class Planner:
    """Joins items to requests, as far as the device allows."""

    max_registers: int
    max_coils: int
    max_gap: int
    # (unit id, table, address) at which a request must begin, as the device has taught us
    _cuts: set[tuple[int, str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Planner:
        return cls(options["max_registers"], options["max_coils"], options["max_gap"])

    def forget(self) -> None:
        """Another device may answer now."""
        self._cuts.clear()

    def requests(self, items: Iterable[Item]) -> list[Request]:
        found = []
        for (_, table), group in groupby(sorted(items), lambda item: (item.unit_id, item.table)):
            found += self._of_table(list(group), table in BITS)
        return found

    def _of_table(self, items: Sequence[Item], bits: bool) -> list[Request]:
        limit = self.max_coils if bits else self.max_registers
        gap = self.max_gap * 16 if bits else self.max_gap
        found: list[Request] = []
        start = end = -1
        members: list[Item] = []
        for item in items:
            after = max(end, item.address + item.width)
            apart = item.address > end + gap or after > start + limit
            cut = item.address > start and (item.unit_id, item.table, item.address) in self._cuts
            if members and (apart or cut):
                found.append(Request(tuple(members), end - start))
                members = []
            if not members:
                start, after = item.address, item.address + item.width
            members.append(item)
            end = after
        return [*found, Request(tuple(members), end - start)]

    def split(self, request: Request) -> list[Request]:
        """The refused request in two, at its widest gap or else in the middle, from now on; none
        when it cannot be split."""
        starts = sorted({item.address for item in request.items})
        if len(starts) == 1:
            return []
        ends = {i.address: i.address + i.width for i in request.items}
        gaps = [b - ends[a] for a, b in pairwise(starts)]
        widest = int(np.argmax(gaps)) if max(gaps) > 0 else (len(starts) - 1) // 2
        first = request.first
        self._cuts.add((first.unit_id, first.table, starts[widest + 1]))
        return self.requests(request.items)


class Decoder:
    """Registers to values, an array operation for each type. BCD digits above 9 give NaN."""

    def __init__(self, source: Source) -> None:
        self._swap_bytes = source.options["byte_order"] == "little"
        self._swap_words = source.options["word_order"] == "little"

    def values(self, request: Request, words: Sequence[int]) -> NDArray[np.float64]:
        """One for each item. Whole numbers beyond 2^53 lose their last digits."""
        registers = np.array(words, np.uint16)
        if self._swap_bytes and request.first.table not in BITS:
            registers = registers.byteswap()
        values = np.empty(len(request.items))
        types = np.array([item.type for item in request.items])
        offsets = np.array([item.address for item in request.items]) - request.first.address
        for kind in dict.fromkeys(types.tolist()):
            mine = types == kind
            taken = registers[offsets[mine, None] + np.arange(WIDTHS[kind])]
            if self._swap_words:
                taken = taken[:, ::-1]
            if kind == "bool":
                bits = np.array([item.bit for item in request.items])[mine]
                values[mine] = taken[:, 0] >> bits & 1
            elif kind in DTYPES:
                raw = np.ascontiguousarray(taken, ">u2")
                values[mine] = raw.view(DTYPES[kind])[:, 0]
            else:
                values[mine] = _bcd(taken)
        return values


def _bcd(words: NDArray[np.uint16]) -> NDArray[np.float64]:
    digits = (words[:, :, None] >> np.array([12, 8, 4, 0], np.uint16) & 15).reshape(len(words), -1)
    powers = 10.0 ** np.arange(digits.shape[1] - 1, -1, -1)
    return np.where((digits > 9).any(1), np.nan, digits @ powers)
