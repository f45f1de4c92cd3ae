"""A spool of version 1, as earlier releases wrote it, goes on in this one."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing

import numpy as np
from spooling import NOW, deliver_all, put, total

from plant.batch import SECOND
from store.spool import Checkpoint, Gap, Spool

VERSION_1 = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE tags (
  number INTEGER PRIMARY KEY, tag TEXT NOT NULL, source TEXT NOT NULL, UNIQUE (tag, source));
CREATE TABLE segments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, samples INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL,
  duplicates BLOB, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE spooled (
  segment INTEGER NOT NULL, source TEXT NOT NULL, samples INTEGER NOT NULL,
  PRIMARY KEY (segment, source)) WITHOUT ROWID;
CREATE TABLE ledger (
  source TEXT NOT NULL, account TEXT NOT NULL, reason TEXT NOT NULL, samples INTEGER NOT NULL,
  PRIMARY KEY (source, account, reason)) WITHOUT ROWID;
CREATE TABLE last_times (tag TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY, tag TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
  cause TEXT NOT NULL);
CREATE TABLE checkpoints (
  beat INTEGER PRIMARY KEY, crc INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE TABLE recent (
  segment INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE bad_lines (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tag TEXT NOT NULL, time INTEGER NOT NULL, value REAL,
  quality INTEGER NOT NULL, reason TEXT NOT NULL);
"""


def write_version_1(path, plant, batches):
    """Three segments: one delivered, two waiting, the last of them damaged."""
    numbers = {tag.column: len(plant.tags) - tag.column for tag in plant.tags}
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(VERSION_1)
        rows = [(numbers[t.column], t.id, t.source) for t in plant.tags]
        db.executemany("INSERT INTO tags VALUES (?, ?, ?)", rows)
        for k, batch in enumerate(batches):
            number = np.array([numbers[c] for c in batch.tags.tolist()], np.int32)
            suspect = np.zeros(len(batch), np.bool_)
            columns = (number, batch.times, batch.values, batch.quality, suspect)
            blob = b"".join(c.tobytes() for c in columns)
            crc = zlib.crc32(blob) + (k == 2)
            span = int(batch.times.min()), int(batch.times.max())
            db.execute(
                "INSERT INTO segments VALUES (?, 'samples', ?, ?, ?, ?, ?, NULL, ?)",
                (k + 1, len(batch), *span, crc, blob, k == 0),
            )
            counts = np.bincount(plant.source_of_tag[batch.tags], minlength=len(plant.sources))
            for source, n in zip(plant.sources, counts.tolist(), strict=True):
                if k:
                    db.execute("INSERT INTO spooled VALUES (?, ?, ?)", (k + 1, source.id, n))
                for account in ("received",) if k else ("received", "stored"):
                    db.execute(
                        """INSERT INTO ledger VALUES (?, ?, '', ?) ON CONFLICT DO
                           UPDATE SET samples = samples + excluded.samples""",
                        (source.id, account, n),
                    )
        db.execute("INSERT INTO gaps VALUES (1, 'a', 5, 6, 'silent')")
        db.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (NOW, zlib.crc32(b"x"), b"x"))


def test_the_first_release_had_no_table_of_recent_segments(tmp_path, plant, samples):
    path = tmp_path / "spool.sqlite"
    write_version_1(path, plant, [samples(NOW)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE recent")
    spool = Spool(path, plant)
    assert total(spool)[:2] == (len(plant.tags), len(plant.tags))
    spool.close()


def test_everything_goes_on(tmp_path, plant, samples):
    path = tmp_path / "spool.sqlite"
    batches = [samples(NOW + k * SECOND, seed=k) for k in range(3)]
    write_version_1(path, plant, batches)
    n = len(plant.tags)
    spool = Spool(path, plant)
    assert total(spool) == (3 * n, n, n, {"spool_corrupt": n})
    kept = spool.samples(None, 0, 2**62)
    assert kept.values.tobytes() == batches[1].values.tobytes()
    assert kept.tags.tolist() == batches[1].tags.tolist()
    assert (spool.last_times().newest == NOW + SECOND).all()
    assert Gap("a", 5, 6, "silent") in spool.gaps()
    assert len(spool.gaps()) == 1 + n
    assert spool.checkpoints() == Checkpoint(NOW, b"x")
    put(spool, samples(NOW + 9 * SECOND))
    deliver_all(spool)
    assert total(spool)[:3] == (4 * n, 3 * n, 0)
    spool.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["spool.lock", "spool.sqlite"]


def test_an_upgrade_that_was_cut_short_begins_again(tmp_path, plant, samples):
    path = tmp_path / "spool.sqlite"
    write_version_1(tmp_path / "spool.version-1.sqlite", plant, [samples(NOW), samples(NOW + 1)])
    path.write_bytes(b"half of a file")
    spool = Spool(path, plant)
    assert total(spool)[:3] == (2 * len(plant.tags), len(plant.tags), len(plant.tags))
    spool.close()
