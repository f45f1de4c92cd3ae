"""The queue's kernels against a slow twin, read back by the library's own decoder."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.scale import queue as q
from simulators.scale.samples import (
    BOOLEAN,
    BYTE,
    DOUBLE,
    FLOAT,
    INT16,
    INT32,
    INT64,
    SBYTE,
    STRING,
    UINT16,
    UINT32,
    UINT64,
    Samples,
)  # fmt: skip

SECOND = 1_000_000_000
START = 1_795_219_200 * SECOND
BAD = 0x80000000
TAGS = 5


def samples(rows: list[tuple[int, int, float, int, int]]) -> Samples:
    """(tag, time, value, status, kind)"""
    array = np.array(rows, "i4,i8,f8,u4,u1")
    return Samples(*(np.ascontiguousarray(array[f"f{i}"]) for i in range(5)))


def read(body: Any) -> list[ua.MonitoredItemNotification]:
    data = Buffer(bytes(body))
    items: list[Any] = struct_from_binary(ua.DataChangeNotification, data).MonitoredItems
    assert len(data) == 0
    return items or []


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (BOOLEAN, 1.0, True), (BOOLEAN, 0.0, False), (SBYTE, -5.0, -5), (BYTE, 200.0, 200),
        (INT16, -300.0, -300), (UINT16, 65535.0, 65535), (INT32, -2.0**31, -(2**31)),
        (UINT32, 2.0**32 - 1, 2**32 - 1), (INT64, -(2.0**53), -(2**53)), (UINT64, 2.0**53, 2**53),
        (FLOAT, 3.95, float(np.float32(3.95))), (DOUBLE, 3.95, 3.95), (DOUBLE, math.inf, math.inf),
        (STRING, 1.0, "4,05"),
    ],
)  # fmt: skip
def test_every_type_reads_as_what_it_is(kind: int, value: float, told: Any) -> None:
    queue = q.Queue(TAGS)
    queue.add(2, 77, q.REPORTING, q.STATUS_VALUE, 0.0, 12, 1, True)
    queue.push(samples([(2, START + 1000, value, 0, kind)]), START + 2000)
    (item,) = read(queue.encode(0))
    assert item.ClientHandle == 77
    assert item.Value.Value.VariantType == ua.VariantType(kind)
    assert item.Value.Value.Value == told
    assert item.Value.SourceTimestamp.replace(tzinfo=UTC).timestamp() == (START + 1000) / SECOND
    assert item.Value.ServerTimestamp.replace(tzinfo=UTC).timestamp() == (START + 2000) / SECOND
    assert item.Value.StatusCode.is_good()


@pytest.mark.parametrize(
    ("stamps", "source", "server"),
    [(0, False, False), (4, True, False), (8, False, True), (12, True, True)],
)
def test_only_the_times_that_were_asked_for(stamps: int, source: bool, server: bool) -> None:
    queue = q.Queue(TAGS)
    queue.add(0, 1, q.REPORTING, q.STATUS_VALUE, 0.0, stamps, 1, True)
    queue.push(samples([(0, START, 1.0, 0, DOUBLE)]), START)
    (item,) = read(queue.encode(0))
    assert (item.Value.SourceTimestamp is not None) == source
    assert (item.Value.ServerTimestamp is not None) == server


def test_a_bad_status_comes_without_a_value() -> None:
    queue = q.Queue(TAGS)
    queue.add(0, 1, q.REPORTING, q.STATUS_VALUE, 0.0, 12, 1, True)
    queue.push(samples([(0, START, 1.0, BAD, DOUBLE)]), START)
    (item,) = read(queue.encode(0))
    assert item.Value.StatusCode.value == BAD
    assert item.Value.Value is None or item.Value.Value.Value is None


def test_trigger_and_dead_band() -> None:
    rows = [(0, START + i, value, 0, DOUBLE) for i, value in enumerate((1.0, 1.0, 1.05, 1.2, 1.2))]
    told = {}
    for name, trigger, band in (
        ("status", q.STATUS, 0.0),
        ("value", q.STATUS_VALUE, 0.0),
        ("band", q.STATUS_VALUE, 0.1),
        ("time", q.STATUS_VALUE_TIMESTAMP, 0.0),
    ):
        queue = q.Queue(TAGS)
        queue.add(0, 1, q.REPORTING, trigger, band, 12, 10, True)
        queue.push(samples(rows), START)
        told[name] = [item.Value.Value.Value for item in read(queue.encode(0))]
    assert told == {
        "status": [1.0],
        "value": [1.0, 1.05, 1.2],
        "band": [1.0, 1.2],
        "time": [1.0, 1.0, 1.05, 1.2, 1.2],
    }


def test_one_tag_monitored_twice() -> None:
    queue = q.Queue(TAGS)
    add = functools.partial(queue.add, 3, mode=q.REPORTING, trigger=q.STATUS_VALUE, deadband=0.0)
    rows = [add(handle=handle, stamps=12, size=2, discard_oldest=True) for handle in (7, 8)]
    queue.push(samples([(3, START, 1.0, 0, DOUBLE)]), START)
    assert sorted(item.ClientHandle for item in read(queue.encode(0))) == [7, 8]
    queue.remove(rows[0])
    queue.push(samples([(3, START + 1, 2.0, 0, DOUBLE)]), START)
    assert [item.ClientHandle for item in read(queue.encode(0))] == [8]


@dataclass
class Twin:
    """An item, slowly."""

    handle: int
    tag: int
    size: int
    discard_oldest: bool
    mode: int = q.REPORTING
    waiting: list[list[Any]] = field(default_factory=list)  # number, value, overflow
    last: float | None = None

    def push(self, number: int, value: float) -> None:
        if self.mode == q.DISABLED or value == self.last:
            return
        self.last = value
        if len(self.waiting) < self.size:
            self.waiting.append([number, value, False])
        elif self.discard_oldest:
            del self.waiting[0]
            self.waiting.append([number, value, False])
            self.waiting[0][2] = self.size > 1
        else:
            self.waiting[-1] = [self.waiting[-1][0], value, self.size > 1]


pushed = st.lists(st.tuples(st.integers(0, TAGS - 1), st.integers(0, 3)))  # tag, value
actions = st.lists(
    st.one_of(
        st.tuples(st.just("push"), pushed),
        st.tuples(st.just("add"), st.integers(0, TAGS - 1), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 10)),
        st.tuples(st.just("mode"), st.integers(0, 10), st.integers(0, 2)),
        st.tuples(st.just("resize"), st.integers(0, 10), st.integers(1, 3)),
        st.tuples(st.just("encode"), st.integers(0, 6)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(actions)
def test_as_the_slow_twin(steps: list[tuple[Any, ...]]) -> None:
    queue = q.Queue(TAGS)
    queue._waiting = queue._waiting[:4].copy()  # so that it has to tidy up and to grow
    twins: dict[int, Twin] = {}
    number = 0
    for what, *how in [*steps, ("encode", 0)]:
        some = sorted(twins)[how[0] % len(twins)] if twins and isinstance(how[0], int) else -1
        if what == "push":
            rows = [(tag, START + i, float(v), 0, DOUBLE) for i, (tag, v) in enumerate(how[0])]
            queue.push(samples(rows), START)
            for tag, value in how[0]:
                number += 1
                for twin in twins.values():
                    if twin.tag == tag:
                        twin.push(number, value)
        elif what == "add":
            tag, size, oldest = how
            row = queue.add(tag, 1000, q.REPORTING, q.STATUS_VALUE, 0.0, 12, size, oldest)
            queue._items["handle"][row] = row
            twins[row] = Twin(row, tag, size, oldest)
        elif what == "remove" and some >= 0:
            queue.remove(some)
            del twins[some]
        elif what == "mode" and some >= 0:
            queue.set_mode(some, how[1])
            twins[some].mode = how[1]
            if how[1] == q.DISABLED:
                twins[some].waiting, twins[some].last = [], None
        elif what == "resize" and some >= 0:
            twin = twins[some]
            queue.modify(some, some, q.STATUS_VALUE, 0.0, how[1], twin.discard_oldest)
            twin.size = how[1]
            if len(twin.waiting) > twin.size:
                twin.waiting = twin.waiting[-twin.size :]
                twin.waiting[0][2] |= twin.size > 1
        elif what == "encode":
            _same(queue, twins, how[0])


def _same(queue: q.Queue, twins: dict[int, Twin], most: int) -> None:
    due = {row: twin for row, twin in twins.items() if twin.mode == q.REPORTING and twin.waiting}
    assert queue.due() == bool(due)
    got = read(queue.encode(most))
    total = sum(len(twin.waiting) for twin in due.values())
    assert len(got) == (min(most, total) if most else total)
    for item in got:
        number, value, overflow = twins[item.ClientHandle].waiting.pop(0)
        assert item.Value.Value.Value == value, number
        assert (item.Value.StatusCode.value == q.OVERFLOW) == overflow
