"""From the spool to the store: every sample once, through outages, refusals and kill -9."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from plant.batch import SECOND, Batch
from store.contract import FigureBlock, StoreUnavailable, Written
from store.embedded import EmbeddedStore
from store.history import History
from store.spool import Checkpoint, Event, Spool, SpoolFull
from store.writer import Writer

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "deploy" / "plants" / "demo.toml"
NOW = 1_795_261_200 * SECOND


@pytest.fixture
def spool(tmp_path, plant):
    spool = Spool(tmp_path / "spool.sqlite", plant)
    yield spool
    spool.close()


def put(spool, batch, suspect=False):
    counts = np.bincount(spool.plant.source_of_tag[batch.tags], minlength=3)
    received = {s.id: int(n) for s, n in zip(spool.plant.sources, counts, strict=True)}
    spool.append(batch, received, {}, [], np.full(len(batch), suspect))


def carry(writer):
    while writer.step():
        pass


def total(spool):
    rows = spool.ledger().values()
    assert all(r.balance == 0 for r in rows)
    rejected: dict[str, int] = {}
    for row in rows:
        for reason, n in row.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + n
    return sum(r.stored for r in rows), sum(r.spooled for r in rows), rejected


def test_everything_arrives_once(spool, store, samples, plant):
    """In the store, in this lot, and within one batch: the first received wins."""
    n = len(plant.tags)
    writer = Writer(spool, store)
    first = samples(NOW)
    put(spool, first)
    carry(writer)
    put(spool, samples(NOW, seed=9), suspect=True)
    put(spool, samples(NOW + SECOND))
    put(spool, samples(NOW + SECOND, seed=9), suspect=True)
    late = samples(NOW - 3600 * SECOND)
    put(spool, Batch.concat([late, late]), suspect=True)
    history = History(store, spool)
    before = history.samples(None, 0, NOW + 10 * SECOND)
    carry(writer)
    assert total(spool) == (3 * n, 0, {"duplicate": 3 * n})
    assert store.count(0, NOW + 10 * SECOND).tolist() == [3] * n
    found = store.samples(None, NOW, NOW + 1)
    assert found.values.tobytes() == first.values.tobytes()
    after = history.samples(None, 0, NOW + 10 * SECOND)
    assert before.values.tobytes() == after.values.tobytes()
    assert history.extent() == (NOW - 3600 * SECOND, NOW + SECOND)


def test_figures_and_events_follow(spool, store, plant):
    lines = plant.entities("line")

    def block(value):
        return FigureBlock(
            "line", ("current",), lines, np.array([NOW]), np.full((1, 1, len(lines)), value)
        )

    writer, history = Writer(spool, store), History(store, spool)
    spool.commit_beats([block(1.0)], [], Checkpoint(NOW, b""))
    carry(writer)
    spool.commit_beats([block(2.0)], [Event("alarm", {"key": "1", "time": NOW})], None)
    (value,) = history.figures("line", ["current"], ["L2"], NOW, NOW + 1).values.ravel()
    assert value == 2.0
    carry(writer)
    assert history.figures("line", ["current"], None, NOW, NOW + 1).values.ravel().tolist() == [
        2.0,
        2.0,
    ]
    assert store.events("alarm", NOW, NOW + 1) == [{"key": "1", "time": NOW}]


class Moody(EmbeddedStore):
    """A store that is away when told so, also after it has written, and refuses some rows."""

    away = 0
    forgetful = 0
    refuse = -1

    def write_samples(self, batch):
        if self.away:
            self.away -= 1
            raise StoreUnavailable("it is away")
        refused = np.nonzero(batch.tags == self.refuse)[0]
        written = super().write_samples(batch.take(batch.tags != self.refuse))
        if self.forgetful:
            self.forgetful -= 1
            raise StoreUnavailable("it went away before it answered")
        return Written(written.stored, [(int(r), "no such field") for r in refused])


def test_away_and_back(spool, plant, samples, tmp_path):
    store = Moody(tmp_path / "store", plant)
    store.away = 3
    told: list[str] = []
    writer = Writer(spool, store, on_error=told.append)
    writer.start()
    put(spool, samples(NOW))
    assert writer.drain(20)
    assert writer.retries == 3
    assert told == ["it is away", ""]
    writer.stop()
    assert total(spool) == (len(plant.tags), 0, {})


def test_written_but_not_answered(spool, plant, samples, tmp_path):
    """The samples are there already when the lot is written again; suspects are not asked anew."""
    store = Moody(tmp_path / "store", plant)
    store.forgetful = 1
    writer = Writer(spool, store)
    put(spool, samples(NOW))
    put(spool, samples(NOW - SECOND), suspect=True)
    with pytest.raises(StoreUnavailable):
        writer.step()
    put(spool, samples(NOW), suspect=True)
    carry(Writer(spool, store))
    n = len(plant.tags)
    assert total(spool) == (2 * n, 0, {"duplicate": n})
    assert store.count(0, NOW + SECOND).tolist() == [2] * n


def test_refused_rows_are_set_aside(spool, plant, samples, tmp_path):
    store = Moody(tmp_path / "store", plant)
    store.refuse = 5
    put(spool, samples(NOW))
    carry(Writer(spool, store))
    assert total(spool) == (len(plant.tags) - 1, 0, {"refused_by_store": 1})
    (bad,) = spool.bad_lines()
    assert (bad.tag, bad.time, bad.reason) == (plant.tags[5].id, NOW, "no such field")


def test_a_full_disk_under_the_spool_is_waited_out(spool, store, samples, plant):
    """SQLite's own limit of pages gives the same SQLITE_FULL as a disk without room."""
    put(spool, samples(NOW))
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolFull, match="the disk is full"):
        put(spool, samples(NOW + SECOND, 50))
    assert total(spool) == (0, len(plant.tags), {})
    spool._db.execute("PRAGMA max_page_count = 1000000")
    put(spool, samples(NOW + SECOND))
    carry(Writer(spool, store))
    assert total(spool) == (2 * len(plant.tags), 0, {})


def test_a_bug_ends_the_writer_and_is_told(spool, plant, samples, tmp_path):
    class Broken(EmbeddedStore):
        def write_samples(self, batch):
            raise KeyError("a bug")

    told: list[str] = []
    writer = Writer(spool, Broken(tmp_path / "store", plant), on_error=told.append)
    put(spool, samples(NOW))
    writer.start()
    with pytest.raises(KeyError):
        writer.stop(drain_s=20)
    assert "the writer has stopped: KeyError" in told[0]
    assert total(spool)[1] == len(plant.tags)


@pytest.mark.slow
def test_kill_9_at_any_moment(tmp_path, plant):
    """Lives of a second or so, each ended by kill -9: nothing is missing, nothing double."""
    chance = random.Random(7)
    durable: set[int] = set()
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, str(HERE / "killed.py"), str(tmp_path), str(DEMO), str(NOW)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(HERE.parents[1]), "PATH": ""},
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.1, 1.5))
        child.kill()
        durable |= {int(line) for line in child.stdout.read().split("\n")[:-1]}
        child.wait(10)
        child.stdout.close()
    spool, store = Spool(tmp_path / "spool.sqlite", plant), EmbeddedStore(tmp_path / "store", plant)
    carry(Writer(spool, store))
    counts = store.count(0, NOW + 10**6 * SECOND)
    assert len(set(counts.tolist())) == 1
    found = store.samples([0], 0, NOW + 10**6 * SECOND)
    assert durable <= set(found.times.tolist())
    # At most the one append that was not told of any more, in each life.
    assert len(durable) <= counts[0] <= len(durable) + 6
    stored, spooled, rejected = total(spool)
    assert (stored, spooled) == (counts.sum(), 0)
    assert rejected["duplicate"] >= 6 * len(plant.tags)
    assert set(rejected) == {"duplicate"}
    assert np.array_equal(found.values, found.times % 1000 / 7)
    spool.close()
