"""A spool whose file was damaged anywhere: what can be read goes on, the rest is counted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from spooling import NOW, closes, deliver_all, put, total

from plant.batch import SECOND, Batch
from store.contract import FigureBlock
from store.embedded import EmbeddedStore
from store.spool import Checkpoint, Event, Gap, Spool, SpoolFull
from store.writer import Writer

SECONDS = 60


@pytest.fixture(scope="module")
def minute(tmp_path_factory, plant):
    """A spool with a minute of samples, half of it delivered, and its account."""
    path = tmp_path_factory.mktemp("minute") / "spool.sqlite"
    return path, fill(path, plant, second_of(plant))


@pytest.fixture
def before(minute, tmp_path):
    """The account of the spool that lies in the test's folder."""
    shutil.copy(minute[0], tmp_path / "spool.sqlite")
    return minute[1]


def second_of(plant):
    tags = np.arange(len(plant.tags))

    def samples(start, n=1, seed=1):
        values = np.random.default_rng(seed).normal(4.0, 0.1, n * len(tags))
        times = start + np.repeat(np.arange(n) * SECOND, len(tags))
        return Batch.of(np.tile(tags, n), times, values)

    return samples


def fill(path, plant, samples):
    spool = Spool(path, plant)
    cells = plant.entities("cell")
    for k in range(SECONDS):
        gaps = [Gap("L1-001.voltage", NOW - k - 2, NOW - k, "silent")]
        put(
            spool, samples(NOW + k * SECOND, seed=k), refused={("meters", "bad_json"): 1}, gaps=gaps
        )
        at = NOW + k * SECOND
        block = FigureBlock("cell", ("a",), cells, np.array([at]), np.ones((1, 1, len(cells))))
        spool.commit_beats([block], [Event("alarm", {"key": f"{k}", "time": at})], None)
    spool.commit_beats((), (), Checkpoint(NOW, b"state"))
    segments = spool.pending(30 * len(plant.tags))
    spool.delivered(segments, {})
    counts = total(spool)
    assert counts[2] > 0 < counts[1]
    spool.close()
    return counts


def retry(work):
    """As intake and writer do: what was found damaged is mended, and the same tried again."""
    for _ in range(3):
        try:
            return work()
        except SpoolFull as error:
            assert "damaged" in str(error)  # noqa: PT017
    return work()


def check(spool, plant, samples, before, tmp_path):
    """What holds after any damage."""
    n = len(plant.tags)
    spool.pending(10**6)  # looks at each segment
    received, stored, spooled, rejected = total(spool)
    kept = spool.samples(None, 0, 2**62)
    assert len(kept) == spooled
    for k in range(SECONDS):  # bit for bit as appended
        wanted = samples(NOW + k * SECOND, seed=k)
        found = kept.take(kept.times == NOW + k * SECOND)
        assert np.isin(found.values, wanted.values).all()
    lost = rejected.get("spool_corrupt", 0)
    assert (received, stored) == before[:2]
    assert spooled + lost == before[2]
    if lost:
        assert sum(loss.samples for loss in spool.losses() if loss.kind == "samples") == lost
        assert {gap.tag for gap in spool.gaps() if gap.cause == "spool_corrupt"}
    retry(lambda: put(spool, samples(NOW + 3600 * SECOND)))  # life goes on
    store = EmbeddedStore(tmp_path / "store", plant)
    writer = Writer(spool, store)
    while retry(writer.step):
        pass
    received, stored, spooled, rejected = total(spool)
    assert spooled == 0
    # What went before this store was made is in the ledger alone.
    assert store.count(0, 2**62).sum() == stored - before[1] == before[2] - lost + n
    store.close()


@pytest.mark.parametrize("seed", range(8))
def test_bytes_flipped_anywhere(tmp_path, plant, samples, before, seed):
    path = tmp_path / "spool.sqlite"
    chance = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for at in chance.integers(0, len(content), 1 + seed % 4):
        content[at] ^= 1 << chance.integers(8)
    path.write_bytes(content)
    spool = Spool(path, plant)
    check(spool, plant, samples, before, tmp_path)
    spool.close()


@pytest.mark.parametrize("page", [0, 2, 3, 4, 5, 6, 7, 10, 11, 18])
def test_a_page_of_rubbish(tmp_path, plant, samples, before, page):
    """Each of the first pages in turn: the schema, the facts, the roots of all tables."""
    path = tmp_path / "spool.sqlite"
    rubbish = np.random.default_rng(page).bytes(4096)
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(rubbish)
    spool = Spool(path, plant)
    check(spool, plant, samples, before, tmp_path)
    spool.close()


def test_what_was_damaged_is_kept_as_evidence_and_told_of(tmp_path, plant, samples, before):
    path = tmp_path / "spool.sqlite"
    with path.open("r+b") as file:
        file.write(b"not a database at all")
    spool = Spool(path, plant)
    (notice,) = spool.notices
    (aside,) = tmp_path.glob("spool.damaged-*.sqlite")
    assert str(aside) in notice
    assert "was damaged; 0 samples in it are lost" in notice
    assert total(spool) == before
    assert spool.checkpoints() == Checkpoint(NOW, b"state")
    assert len(spool.gaps()) == SECONDS
    assert (spool.last_times().newest == NOW + (SECONDS - 1) * SECOND).all()
    spool.close()


def test_half_of_the_file_is_gone(tmp_path, plant, samples, before):
    assert before[0]
    path = tmp_path / "spool.sqlite"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    spool = Spool(path, plant)
    received, stored, spooled, rejected = total(spool)
    assert received == stored + spooled + sum(rejected.values())
    retry(lambda: put(spool, samples(NOW + 3600 * SECOND)))
    deliver_all(spool)
    assert total(spool)[2] == 0
    spool.close()


def test_nothing_of_it_is_left(tmp_path, plant, samples, before):
    path = tmp_path / "spool.sqlite"
    path.write_bytes(np.random.default_rng(1).bytes(path.stat().st_size))
    spool = Spool(path, plant)
    assert total(spool) == (0, 0, 0, {})
    put(spool, samples(NOW))
    deliver_all(spool)
    assert closes(spool)
    spool.close()


def test_damaged_while_it_is_in_use(tmp_path, plant, samples):
    """Who appends is told to try again, who reads gets what is left; nothing else stops."""
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, plant)
    for k in range(40):
        put(spool, samples(NOW + k * SECOND, 20, seed=k))
        if k == 20:
            spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = total(spool)
    with closing(sqlite3.connect(path)) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_master"))
    with path.open("r+b") as file:
        file.seek((roots["blobs"] - 1) * 4096)
        file.write(bytes(4096))
    segments = spool.pending(10**6)
    left = sum(len(s.batch) for s in segments)
    received, stored, spooled, rejected = total(spool)
    assert (received, stored) == before[:2]
    assert spooled == left
    assert spooled + rejected["spool_corrupt"] == before[2]
    retry(lambda: put(spool, samples(NOW + 3600 * SECOND)))
    deliver_all(spool)
    assert total(spool)[2] == 0
    spool.close()


def test_an_append_finds_the_damage(tmp_path, plant, samples):
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, plant)
    put(spool, samples(NOW))
    spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with closing(sqlite3.connect(path)) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_master"))
    with path.open("r+b") as file:
        file.seek((roots["segments"] - 1) * 4096)
        file.write(bytes(4096))
    spool._db.execute("PRAGMA cache_size = 0")
    n = len(plant.tags)
    with pytest.raises(SpoolFull, match="damaged"):
        put(spool, samples(NOW + SECOND))
    put(spool, samples(NOW + SECOND))
    assert total(spool) == (2 * n, 0, n, {"spool_corrupt": n})
    gap = spool.gaps("L1-001.voltage")
    assert [(g.start, g.cause) for g in gap] == [(NOW, "spool_corrupt")]
    assert (spool.last_times().newest == NOW + SECOND).all()
    spool.close()
