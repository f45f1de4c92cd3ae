"""A backlog: live samples first, the rest by policy, nothing doubled whatever the order."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from spooling import NOW, closes, put, total

from plant.batch import SECOND, Batch
from plant.model import SpoolSettings
from store.contract import FigureBlock
from store.embedded import EmbeddedStore
from store.history import History
from store.segments import FigureSegment, SampleSegment
from store.spool import Event, Spool
from store.writer import Writer

HOUR = 3600 * SECOND


@pytest.fixture(params=["oldest", "newest"])
def spool(request, tmp_path, plant):
    wanted = dataclasses.replace(plant, spool=SpoolSettings(drain=request.param))
    spool = Spool(tmp_path / "spool.sqlite", wanted)
    yield spool
    spool.close()


def first_times(segments):
    return [int(s.batch.times[0] - NOW) // SECOND for s in segments]


def test_live_first_then_the_backlog(spool, samples, plant):
    n = len(plant.tags)
    for k in range(20):
        put(spool, samples(NOW + k * SECOND))
    spool.pending(5 * n)  # more than a lot is waiting: a backlog
    put(spool, samples(NOW + 100 * SECOND))
    put(spool, samples(NOW + 101 * SECOND))
    lot = spool.pending(5 * n)
    oldest = spool.plant.spool.drain == "oldest"
    assert first_times(lot) == [*([0, 1, 2] if oldest else [17, 18, 19]), 100, 101]
    others = spool.pending(5 * n, but={s.id for s in lot})
    assert first_times(others) == ([3, 4, 5, 6, 7] if oldest else [12, 13, 14, 15, 16])
    spool.delivered(lot, {})
    put(spool, samples(NOW + 102 * SECOND))
    assert first_times(spool.pending(2 * n)) == [3 if oldest else 16, 102] or not oldest
    closes(spool)


def test_the_first_received_wins_in_any_order(spool, samples, plant, tmp_path):
    """Also when the later one is carried before the earlier one."""
    n = len(plant.tags)
    store = EmbeddedStore(tmp_path / "store", plant)
    first = samples(NOW, 4)
    put(spool, first)
    put(spool, samples(NOW + HOUR))
    put(spool, samples(NOW, 4, seed=9), suspect=True)
    writer = Writer(spool, store)
    writer.lot_samples = 1
    while writer.step():
        pass
    assert total(spool) == (9 * n, 5 * n, 0, {"duplicate": 4 * n})
    found = store.samples(None, NOW, NOW + HOUR)
    order = np.lexsort((first.times, first.tags))
    assert found.values.tobytes() == first.values[order].tobytes()
    store.close()


def test_a_newer_statement_never_goes_before_an_older_one(spool, samples, plant):
    lines = plant.entities("line")

    def block(value, *times):
        at = NOW + np.array(times) * SECOND
        return FigureBlock("line", ("a",), lines, at, np.full((len(at), 1, len(lines)), value))

    spool.commit_beats([block(1.0, 0, 1)], [], None)
    spool.commit_beats([block(1.0, 2, 3)], [], None)
    spool.pending(1)  # a backlog
    spool.commit_beats([block(2.0, 1, 2)], [], None)
    spool.commit_beats([block(1.0, 4)], [Event("alarm", {"key": "1", "time": NOW})], None)
    seen = []
    flying = set()
    for _ in range(9):
        lot = spool.pending(len(lines) * 2, but=flying)
        seen += [s.id for s in lot if isinstance(s, FigureSegment)]
        spool.delivered(lot, {})
    assert sorted(seen) == [1, 2, 3, 4]
    assert seen.index(3) > max(seen.index(1), seen.index(2))
    (first,) = [s for s in range(1) if spool.pending(1) == []]
    assert first == 0


def test_two_lanes_at_once(spool, plant, samples, tmp_path):
    class Two(EmbeddedStore):
        lanes = 2

    store = Two(tmp_path / "store", plant)
    writer = Writer(spool, store)
    for k in range(60):
        put(spool, samples(NOW + k * SECOND))
    put(spool, samples(NOW, 60, seed=2), suspect=True)
    writer.lot_samples = 1000
    writer.start()
    for k in range(60, 80):
        put(spool, samples(NOW + k * SECOND))
    assert writer.drain(60)
    writer.stop()
    n = len(plant.tags)
    assert total(spool) == (140 * n, 80 * n, 0, {"duplicate": 60 * n})
    assert store.count(0, 2**62).tolist() == [80] * n
    store.close()


def memory_MB(what: str) -> float:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise LookupError(what)


@pytest.mark.slow
def test_restart_with_72_hours_in_the_spool(tmp_path, plant, samples):
    """20 million values, time compressed: a new process takes live samples and carries them to the
    store at once, while the backlog drains; memory stays bounded."""
    wanted = dataclasses.replace(plant, spool=SpoolSettings(max_GB=8.0))
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, wanted)
    row, rows, tags = np.arange(40_000), 20_000_000, len(plant.tags)
    start = NOW - 72 * HOUR
    step = 72 * HOUR // (rows // tags + 1)
    for first in range(0, rows, len(row)):
        at = start + (first + row) // tags * step
        put(spool, Batch.of((first + row) % tags, at, (first + row) / 7))
    backlog = sum(r.spooled for r in closes(spool).values())
    assert backlog == rows
    spool._let_go()  # as if killed
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before_MB = memory_MB("VmRSS")
    began = time.monotonic()
    spool = Spool(path, wanted)
    assert spool.last_times().newest.min() > NOW - HOUR
    assert spool.recent_from() is not None
    assert spool.used_bytes() > rows
    assert closes(spool)
    assert spool.extent() == (start, int(spool.last_times().newest.max()))
    store = EmbeddedStore(tmp_path / "store", plant)
    writer = Writer(spool, store)
    writer.start()
    put(spool, samples(NOW + SECOND))
    while not len(store.samples([0], NOW + SECOND, NOW + SECOND + 1)):
        assert time.monotonic() < began + 30
        time.sleep(0.02)
    history = History(store, spool)
    assert len(history.samples([0], NOW - HOUR, NOW + HOUR)) > 1
    assert sum(r.spooled for r in closes(spool).values()) > rows // 2  # the rest is still to come
    writer.stop()
    assert memory_MB("VmHWM") - before_MB < 600
    assert all(isinstance(s, SampleSegment) for s in spool.pending(100_000))
    spool.close()
    store.close()
