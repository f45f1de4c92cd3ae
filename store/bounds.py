"""What the spool gives up when it has no room: counted, on record as a loss, told of once."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

import numpy as np

from store.facts import Accounts, TagNumbers
from store.segments import decode_samples
from store.tables import counts_of, put_loss, remove, sound_blob, used_bytes

FULL, OLD, CORRUPT = "spool_full", "spool_too_old", "spool_corrupt"
GONE = 0.95
"""Below so much of the bound nothing has to be given up any more."""


def oldest_until(
    db: sqlite3.Connection, accounts: Accounts, tags: TagNumbers, but: Collection[int], room: int
) -> int:
    """Give up the oldest segments until at most `room` bytes are used; returns how many samples and
    values. Events stay: they are few and nothing else tells of them. So does what may be in the
    store already (`but`)."""
    lost = 0
    rows = db.execute("SELECT id FROM segments WHERE kind <> 'events' ORDER BY id")
    while used_bytes(db) > room:
        some = [id_ for (id_,) in rows.fetchmany(16) if id_ not in but]
        if not some:
            break
        for id_ in some:
            if used_bytes(db) <= room:
                break
            lost += give_up(db, accounts, tags, id_, FULL)
    return lost


def older_than(
    db: sqlite3.Connection, accounts: Accounts, tags: TagNumbers, but: Collection[int], at: int
) -> int:
    """Give up what came before `at`, by the newest time known when it came [ns]."""
    lost = 0
    for id_, came in db.execute("SELECT id, at FROM segments WHERE kind <> 'events' ORDER BY id"):
        if came >= at:
            break
        if id_ not in but:
            lost += give_up(db, accounts, tags, id_, OLD)
    return lost


def give_up(
    db: sqlite3.Connection, accounts: Accounts, tags: TagNumbers, id_: int, cause: str
) -> int:
    """Take a segment out; what it held is counted and a gap of its tags (if it cannot be read, of
    all tags of its sources). Returns how many samples or values that were."""
    kind, samples, span, counts = counts_of(db, id_)
    found = sound_blob(db, id_)
    if kind == "samples" and found is not None:
        bits = np.zeros(len(tags.rows), np.bool_)
        bits[decode_samples(found[1])[0].tags] = True
    else:
        bits = tags.bits_of(set(counts))
    remove(db, id_)
    accounts.lose(counts, cause)
    put_loss(db, cause, kind, samples, span, bits)
    return samples


def set_aside(
    db: sqlite3.Connection, accounts: Accounts, tags: TagNumbers, ids: Iterable[int]
) -> list[str]:
    """Damaged segments go to table quarantine; a line on each."""
    told = []
    for id_ in ids:
        kind, samples, _, _ = counts_of(db, id_)
        db.execute(
            "INSERT OR REPLACE INTO quarantine SELECT id, kind, crc, blob FROM blobs WHERE id = ?",
            (id_,),
        )
        give_up(db, accounts, tags, id_, CORRUPT)
        told.append(
            f"segment {id_} ({samples} {kind}) is damaged, set aside in table quarantine; "
            "check the disk"
        )
    return told
