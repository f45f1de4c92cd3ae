"""A spool of version 1 (rows for tags, ledger and newest times, blobs in the segments) as one of
this version. Until that is complete the old file stays beside it, and it is begun again."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from store.bounds import CORRUPT
from store.facts import NEVER, Accounts, Last, TagNumbers, save_last
from store.segments import ROW_BYTES, encode_samples
from store.tables import connect, create, never_again, put_loss

SAVED = "the newest segment that last_times knows"
PARTS = "", "-wal", "-shm"
SAME = ("gaps", "checkpoints", "recent", "bad_lines")
"""Tables that stayed as they were; the first release had no `recent`."""


def upgrade(path: Path, plant: Plant) -> None:
    """Bring the file to this version. The process must own the spool, and it must need it."""
    old = _old(path)
    if not old.exists():
        for part in PARTS:
            source = path.with_name(path.name + part)
            if source.exists():
                source.replace(old.with_name(old.name + part))
    else:
        for part in PARTS:
            path.with_name(path.name + part).unlink(missing_ok=True)
    with closing(connect(path)) as new, closing(connect(old)) as db:
        create(new)
        new.execute("BEGIN IMMEDIATE")
        _copy(db, new, plant)
        new.execute("COMMIT")
    for part in PARTS:
        old.with_name(old.name + part).unlink(missing_ok=True)


def needs_upgrade(path: Path) -> bool:
    if _old(path).exists():
        return True
    if not path.exists():
        return False
    with closing(connect(path)) as db:
        try:
            found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'spooled'").fetchone()
        except sqlite3.DatabaseError:
            return False
    return found is not None


def _old(path: Path) -> Path:
    return path.with_name(f"{path.stem}.version-1{path.suffix}")


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, plant: Plant) -> None:
    rows = old.execute("SELECT number, tag, source FROM tags ORDER BY number").fetchall()
    tags = TagNumbers([(tag, source) for _, tag, source in rows], plant)
    tags.save(new)
    number = np.zeros(1 + max((n for n, *_ in rows), default=0), np.int32)
    number[[n for n, *_ in rows]] = np.arange(len(rows))
    there = {name for (name,) in old.execute("SELECT name FROM sqlite_master")}
    for table in (name for name in SAME if name in there):
        for row in old.execute(f"SELECT * FROM {table}"):
            new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    last = Last.nothing(len(rows))
    of_tag = dict(old.execute("SELECT tag, time FROM last_times"))
    for i, (tag, _) in enumerate(tags.rows):
        last.newest[i] = last.told[i] = of_tag.get(tag, NEVER)
    accounts = Accounts(new)
    for source, account, reason, n in old.execute("SELECT * FROM ledger"):
        accounts.add(source, account, n, reason)
    newest = 0
    for row in old.execute("SELECT * FROM segments ORDER BY id"):
        id_, kind, samples, first, final, crc, blob, duplicates, done = row
        newest = id_
        counts = dict(old.execute("SELECT source, samples FROM spooled WHERE segment = ?", (id_,)))
        if zlib.crc32(blob) != crc:
            accounts.add_each(counts, "rejected", CORRUPT)
            bits = tags.bits_of(set(counts))
            put_loss(new, CORRUPT, kind, samples, (first, final), bits)
            continue
        if kind == "samples":
            blob = _samples(blob, number, last, round(plant.time.max_future_s * SECOND))
        if not done:
            accounts.add_each(counts, "spooled")
            text = orjson.dumps(counts).decode()
            new.execute(
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (id_, kind, samples, first, final, final, len(blob), text, duplicates),
            )
            new.execute(
                "INSERT INTO blobs VALUES (?, ?, ?, ?)", (id_, kind, zlib.crc32(blob), blob)
            )
    never_again(new, newest)
    accounts.save(new)
    save_last(new, newest, last)


def _samples(blob: bytes, number: NDArray[np.int32], last: Last, ahead: int) -> bytes:
    n = len(blob) // ROW_BYTES
    tags = number[np.frombuffer(blob, np.int32, n)]
    times = np.frombuffer(blob, np.int64, n, 4 * n)
    values = np.frombuffer(blob, np.float64, n, 12 * n)
    quality = np.frombuffer(blob, np.uint8, n, 20 * n)
    batch = Batch(tags, times, values, quality)
    last.follow(tags, batch, ahead)
    suspect = np.frombuffer(blob, np.bool_, n, 21 * n)
    return encode_samples(tags, batch, suspect)
