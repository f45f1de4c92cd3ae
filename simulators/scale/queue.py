"""The monitored items of one subscription, what waits for each of them, and its bytes.

An item is a row of an array, a waiting value a row of another, oldest first. Two kernels do the
work: `_push` takes new samples into the queues, `_encode` writes what is due as the MonitoredItems
of a DataChangeNotification (Part 4, 7.25.2; encoding Part 6, 5.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.kernel import kernel, part
from simulators.scale.samples import NOT_A_NUMBER, YEAR_1601, Samples

DISABLED, SAMPLING, REPORTING = 0, 1, 2
STATUS, STATUS_VALUE, STATUS_VALUE_TIMESTAMP = 0, 1, 2
OVERFLOW = 0x480  # info type DataValue, and its overflow bit
WIDEST = 43  # bytes of an item: handle, mask, type, eight of value, status, two times
_FILETIME_1970 = 116_444_736_000_000_000  # of 100 ns, since 1601
_TEXT = np.frombuffer(NOT_A_NUMBER.encode(), np.uint8)

ITEM = np.dtype([
    ("handle", "u4"), ("tag", "i4"), ("next", "i4"),  # next: another item of the same tag, or -1
    ("mode", "u1"), ("trigger", "u1"), ("stamps", "u1"), ("discard_oldest", "u1"),
    ("size", "u4"), ("queued", "u4"),
    ("excess", "u4"),  # so many of its oldest rows are discarded
    ("overflow", "u1"),  # its next row says so
    ("told", "u1"), ("kind", "u1"),  # whether kind, value, status, time are those of its last row
    ("status", "u4"), ("value", "f8"), ("time", "i8"), ("deadband", "f8"),
    ("row", "i8"),  # of its newest waiting value
])  # fmt: skip
WAITING = np.dtype([
    ("item", "i4"), ("status", "u4"), ("time", "i8"), ("value", "f8"), ("seen", "i8"),
    ("kind", "u1"),
])  # fmt: skip


@part
def _put(out: Any, at: int, bits: Any, size: int) -> int:
    for i in range(size):
        out[at + i] = bits & 0xFF
        bits >>= 8
    return at + size


@part
def _filetime(ns: int) -> int:
    return 10_000_000 if ns == YEAR_1601 else ns // 100 + _FILETIME_1970


@part
def _changed(item: Any, status: int, value: float, time: int, kind: int) -> bool:
    """Whether a sample is to be told, by the item's filter."""
    if not item.told or status != item.status:
        return True
    if item.trigger == STATUS:
        return False
    if kind != item.kind:
        return True
    if item.trigger == STATUS_VALUE_TIMESTAMP and time != item.time:
        return True
    if np.isnan(value) or np.isnan(item.value):
        return bool(np.isnan(value) != np.isnan(item.value))
    return bool(abs(value - item.value) > item.deadband)


@part
def _enqueue(
    items: Any, i: int, waiting: Any, count: int, status: Any, time: int, value: float, kind: int,
    seen: int,
) -> int:  # fmt: skip
    """-> rows that wait now"""
    item = items[i]
    item.told, item.kind, item.status, item.value, item.time = 1, kind, status, value, time
    row = count
    if item.queued - item.excess >= item.size:
        if item.discard_oldest:
            item.excess += 1
            item.overflow = item.size > 1
        else:
            row = item.row
            status |= np.uint32(OVERFLOW if item.size > 1 else 0)
    if row == count:
        item.queued += 1
        item.row = row
    one = waiting[row]
    one.item, one.status, one.time, one.value, one.seen, one.kind = (
        i, status, time, value, seen, kind,
    )  # fmt: skip
    return max(count, row + 1)


@kernel
def _push(
    items: Any, head: Any, tags: Any, times: Any, values: Any, status: Any, kinds: Any, seen: int,
    waiting: Any, count: int,
) -> int:  # fmt: skip
    """Samples into the queues of the items of their tags. -> rows that wait"""
    for n in range(len(tags)):
        i = head[tags[n]]
        while i >= 0:
            item = items[i]
            if item.mode != DISABLED and _changed(item, status[n], values[n], times[n], kinds[n]):
                count = _enqueue(
                    items, i, waiting, count, status[n], times[n], values[n], kinds[n], seen
                )
            i = item.next
    return count


@kernel
def _first(
    items: Any, rows: Any, times: Any, values: Any, status: Any, kinds: Any, seen: int,
    waiting: Any, count: int,
) -> int:  # fmt: skip
    """The value that stands, for each of these items. -> rows that wait"""
    for n in range(len(rows)):
        if items[rows[n]].mode != DISABLED:
            count = _enqueue(
                items, rows[n], waiting, count, status[n], times[n], values[n], kinds[n], seen
            )
    return count


@kernel
def _due(items: Any, waiting: Any, count: int) -> bool:
    """Whether anything is to be told."""
    for n in range(count):
        item = items[waiting[n].item]
        if item.mode == REPORTING and item.queued > item.excess:
            return True
    return False


@kernel
def _encode(
    items: Any, waiting: Any, count: int, most: int, text: Any, out: Any
) -> tuple[int, int, int]:
    """At most `most` values into `out`, from its fifth byte on; the others move up.
    -> values, where they end, rows that wait"""
    told, at, kept = 0, 4, 0
    for n in range(count):
        one = waiting[n]
        item = items[one.item]
        if item.excess > 0:
            item.excess -= 1
            item.queued -= 1
            continue
        if item.overflow:
            one.status |= np.uint32(OVERFLOW)
            item.overflow = 0
        if told >= most or item.mode != REPORTING:
            waiting[kept] = one
            item.row = kept
            kept += 1
            continue
        item.queued -= 1
        told += 1
        good = np.int64(one.status) >> 30 < 2
        mask = (1 if good else 0) | (2 if one.status else 0) | item.stamps
        at = _put(out, at, np.int64(item.handle), 4)
        out[at] = mask
        at += 1
        if good:
            kind = one.kind
            out[at] = kind
            at += 1
            if kind == 11:
                at = _put(out, at, np.float64(one.value).view(np.int64), 8)
            elif kind == 10:
                at = _put(out, at, np.int64(np.float32(one.value).view(np.int32)), 4)
            elif kind == 1:
                out[at] = one.value != 0
                at += 1
            elif kind == 12:
                at = _put(out, at, len(text), 4)
                for letter in text:
                    out[at] = letter
                    at += 1
            elif kind == 9:
                at = _put(out, at, np.int64(np.uint64(one.value)), 8)
            else:
                whole = np.int64(one.value)
                at = _put(
                    out, at, whole, 8 if kind == 8 else 4 if kind > 5 else 2 if kind > 3 else 1
                )
        if one.status:
            at = _put(out, at, np.int64(one.status), 4)
        if item.stamps & 4:
            at = _put(out, at, _filetime(one.time), 8)
        if item.stamps & 8:
            at = _put(out, at, _filetime(one.seen), 8)
    return told, at, kept


class Queue:
    """Items by row; a row that was removed is not used again."""

    def __init__(self, tags: int) -> None:
        """tags: how many the plant has."""
        self._head = np.full(tags, -1, np.int32)
        self._items = np.zeros(256, ITEM)
        self._waiting = np.zeros(1024, WAITING)
        self._rows = self._count = 0
        self._most_of_a_tag = 1  # more when a client monitors a tag more than once

    def __len__(self) -> int:
        """Values that wait, those that only a longer queue would keep too."""
        return self._count

    def add(
        self, tag: int, handle: int, mode: int, trigger: int, deadband: float, stamps: int,
        size: int, discard_oldest: bool,
    ) -> int:  # fmt: skip
        """-> the item's row. stamps: 4 the source's, 8 the server's, or both"""
        row = self._rows
        if row == len(self._items):
            self._items = np.concatenate([self._items, np.zeros(row, ITEM)])
        self._rows += 1
        self._items[row] = (
            handle, tag, self._head[tag], mode, trigger, stamps, discard_oldest, size, 0, 0, 0, 0,
            0, 0, 0.0, 0, deadband, 0,
        )  # fmt: skip
        self._head[tag] = row
        self._most_of_a_tag = max(self._most_of_a_tag, len(self.rows_of(tag)))
        return row

    def has(self, row: int) -> bool:
        return 0 <= row < self._rows and bool(self._items["tag"][row] >= 0)

    def tag(self, row: int) -> int:
        return int(self._items["tag"][row])

    def set_mode(self, row: int, mode: int) -> bool:
        """-> whether the item was disabled and is not any more"""
        before, self._items["mode"][row] = int(self._items["mode"][row]), mode
        if mode == DISABLED:
            self._discard(row)
        return before == DISABLED != mode

    def modify(
        self, row: int, handle: int, trigger: int, deadband: float, size: int, discard_oldest: bool
    ) -> None:
        item = self._items[row]
        item["handle"], item["trigger"], item["deadband"] = handle, trigger, deadband
        item["discard_oldest"] = discard_oldest
        over = int(item["queued"]) - int(item["excess"]) - size
        if over > 0:
            item["excess"] += over
            item["overflow"] = size > 1
        item["size"] = size

    def remove(self, row: int) -> None:
        self.detach(row)
        self._discard(row)
        self._items["tag"][row] = -1

    def detach(self, row: int) -> None:
        """No more samples of its tag; what waits stays."""
        next_, tag = self._items["next"], self.tag(row)
        if self._head[tag] == row:
            self._head[tag] = next_[row]
            return
        i = self._head[tag]
        while i >= 0 and next_[i] != row:
            i = next_[i]
        if i >= 0:
            next_[i] = next_[row]

    def _discard(self, row: int) -> None:
        self._items["excess"][row] = self._items["queued"][row]
        self._items["overflow"][row] = 0
        self._items["told"][row] = 0

    def rows_of(self, tag: int) -> list[int]:
        rows, i = [], int(self._head[tag])
        while i >= 0:
            rows.append(i)
            i = int(self._items["next"][i])
        return rows

    def push(self, samples: Samples, seen_ns: int) -> None:
        """New samples; seen_ns is the server's time."""
        self._make_room(len(samples) * self._most_of_a_tag)
        self._count = _push(
            self._items, self._head, samples.tags, samples.times, samples.values, samples.status,
            samples.kinds, seen_ns, self._waiting, self._count,
        )  # fmt: skip

    def first(self, rows: NDArray[np.int64], samples: Samples, seen_ns: int) -> None:
        """What stands, once, for these items; samples are parallel to rows."""
        self._make_room(len(rows))
        self._count = _first(
            self._items, rows, samples.times, samples.values, samples.status, samples.kinds,
            seen_ns, self._waiting, self._count,
        )  # fmt: skip

    def due(self) -> bool:
        return _due(self._items, self._waiting, self._count)

    def encode(self, most: int) -> memoryview:
        """The oldest values, at most so many (0: all), as a DataChangeNotification."""
        most = min(most or self._count, self._count)
        out = np.empty(4 + most * WIDEST + 4, np.uint8)
        told, size, self._count = _encode(self._items, self._waiting, self._count, most, _TEXT, out)
        out[:4].view(np.uint32)[0] = told
        out[size : size + 4] = 0xFF  # no diagnostics
        return out[: size + 4].data

    def _make_room(self, more: int) -> None:
        if self._count + more <= len(self._waiting):
            return
        self._count = _encode(self._items, self._waiting, self._count, 0, _TEXT, _NO_BYTES)[2]
        need = self._count + more
        if need > len(self._waiting) * 3 // 4:  # else the next push would have to tidy up again
            bigger = np.zeros(2 * need, WAITING)
            bigger[: self._count] = self._waiting[: self._count]
            self._waiting = bigger


def warm() -> None:
    """Compile the kernels, so that the first client does not wait for it."""
    queue, one = Queue(1), np.zeros(1, np.int64)
    row = queue.add(0, 0, REPORTING, STATUS_VALUE, 0.0, 12, 1, True)
    samples = Samples(
        one.astype(np.int32), one, np.zeros(1), one.astype(np.uint32), one.astype(np.uint8)
    )
    queue.first(np.array([row]), samples, 0)
    queue.push(samples, 0)
    if queue.due():
        queue.encode(0)


_NO_BYTES = np.zeros(0, np.uint8)
