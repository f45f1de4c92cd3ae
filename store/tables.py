"""The spool's tables: what each row means, in functions of an open connection."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from store.facts import Inconsistent, Last, TagNumbers, load_last
from store.records import Gap
from store.segments import (
    EventSegment,
    FigureSegment,
    SampleSegment,
    Segment,
    decode_events,
    decode_figures,
    decode_samples,
)

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
NEAR = MINUTE
"""Losses that lie no further apart are one."""
THINNING = ((10 * MINUTE, 1), (6 * HOUR, 10 * MINUTE), (2 * DAY, HOUR), (40 * DAY, DAY))
"""Of checkpoints up to so old, one per so long is kept; older ones are not."""


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.text_factory = lambda text: text.decode(errors="replace")
    db.execute("PRAGMA synchronous = FULL")
    return db


def create(db: sqlite3.Connection) -> None:
    db.executescript(files("store").joinpath("spool.sql").read_text("utf-8"))


def sound_schema(db: sqlite3.Connection) -> None:
    """Make the tables of a new file; Inconsistent if they are not what they were made."""
    sql = "SELECT type, name, rootpage, sql FROM sqlite_master ORDER BY rowid"
    found = db.execute(sql).fetchall()
    if not found:
        create(db)
    with closing(sqlite3.connect(":memory:")) as model:
        create(model)
        if found and found != model.execute(sql).fetchall():
            raise Inconsistent("the tables are not those of a spool")


def put_segment(
    db: sqlite3.Connection,
    kind: str,
    samples: int,
    span: tuple[int, int],
    at: int,
    counts: Mapping[str, int],
    blob: bytes,
) -> int:
    """span: first and last time in it. at: newest time in the spool when it came. counts: source ->
    samples. -> its id"""
    row = (kind, samples, *span, at, len(blob), orjson.dumps(counts).decode())
    done = db.execute(
        """INSERT INTO segments (kind, samples, first, last, at, size, counts)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        row,
    )
    assert done.lastrowid is not None
    db.execute(
        "INSERT INTO blobs VALUES (?, ?, ?, ?)", (done.lastrowid, kind, zlib.crc32(blob), blob)
    )
    return done.lastrowid


def never_again(db: sqlite3.Connection, upto: int) -> None:
    """Give no number up to this one to a segment: other tables may still name it."""
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'segments'")
    db.execute("INSERT INTO sqlite_sequence VALUES ('segments', ?)", (upto,))


def sound_blob(db: sqlite3.Connection, id_: int) -> tuple[str, bytes] | None:
    """(kind, bytes) of a segment, None when they are damaged or not there."""
    row = db.execute("SELECT kind, crc, blob FROM blobs WHERE id = ?", (id_,)).fetchone()
    if row is None or not isinstance(row[2], bytes) or zlib.crc32(row[2]) != row[1]:
        return None
    return row[0], row[2]


def read_segment(db: sqlite3.Connection, id_: int, tags: TagNumbers) -> Segment | None:
    """A segment, None when anything of it is damaged."""
    found = sound_blob(db, id_)
    row = db.execute(
        "SELECT kind, samples, first, last, at, duplicates FROM segments WHERE id = ?", (id_,)
    ).fetchone()
    if found is None or row is None or row[0] != found[0]:
        return None
    kind, samples, first, last, at, duplicates = row
    try:
        if kind == "figures":
            return FigureSegment(id_, decode_figures(found[1]), at)
        if kind == "events":
            return EventSegment(id_, decode_events(found[1]), at)
        raw, suspect = decode_samples(found[1])
        columns, sources = tags.column[raw.tags], tags.source[raw.tags]
    except (ValueError, IndexError, zlib.error, pa.ArrowException):
        return None
    n = len(raw)
    spoiled = duplicates is not None and len(duplicates) != (n + 7) // 8
    if spoiled or (n, int(raw.times.min()), int(raw.times.max())) != (samples, first, last):
        return None
    known = None
    if duplicates is not None:
        known = np.unpackbits(np.frombuffer(duplicates, np.uint8), count=n).astype(np.bool_)
    batch = Batch(columns, raw.times, raw.values, raw.quality)
    return SampleSegment(id_, batch, suspect, known, sources)


def counts_of(db: sqlite3.Connection, id_: int) -> tuple[str, int, tuple[int, int], dict[str, int]]:
    """(kind, samples, span, source -> samples) as its row tells. Inconsistent if it cannot be."""
    row = db.execute(
        "SELECT kind, samples, first, last, counts FROM segments WHERE id = ?", (id_,)
    ).fetchone()
    try:
        kind, samples, first, last, text = row
        counts: dict[str, int] = orjson.loads(text)
        if kind == "samples" and sum(counts.values()) != samples:
            raise ValueError
    except (TypeError, ValueError, AttributeError):
        raise Inconsistent(f"the row of segment {id_} is damaged") from None
    return kind, samples, (first, last), counts


def remove(db: sqlite3.Connection, id_: int) -> None:
    if db.execute("DELETE FROM segments WHERE id = ?", (id_,)).rowcount != 1:
        raise Inconsistent(f"segment {id_} is read and cannot be found")
    db.execute("DELETE FROM blobs WHERE id = ?", (id_,))
    db.execute("DELETE FROM taken WHERE id = ?", (id_,))


def put_gaps(db: sqlite3.Connection, gaps: Sequence[Gap]) -> None:
    rows = [(g.tag, g.start, g.end, g.cause) for g in gaps]
    db.executemany('INSERT INTO gaps (tag, start, "end", cause) VALUES (?, ?, ?, ?)', rows)


def put_loss(
    db: sqlite3.Connection,
    cause: str,
    kind: str,
    samples: int,
    span: tuple[int, int],
    bits: NDArray[np.bool_],
) -> None:
    """bits: bool[numbers], the tags that lost something. Joined with the newest loss where that has
    the same cause and lies near: a full spool loses something many times a second."""
    row = db.execute(
        """SELECT id, samples, first, last, tags FROM losses WHERE id = (SELECT max(id) FROM losses)
           AND cause = ? AND kind = ? AND first <= ? AND last >= ?""",
        (cause, kind, span[1] + NEAR, span[0] - NEAR),
    ).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO losses (cause, kind, samples, first, last, tags) VALUES (?,?,?,?,?,?)",
            (cause, kind, samples, *span, np.packbits(bits).tobytes()),
        )
        return
    id_, before, first, last, old = row
    known = np.unpackbits(np.frombuffer(old, np.uint8)).astype(np.bool_)
    joined = np.zeros(max(len(known), len(bits)), np.bool_)
    joined[: len(known)] |= known
    joined[: len(bits)] |= bits
    db.execute(
        "UPDATE losses SET samples = ?, first = ?, last = ?, tags = ? WHERE id = ?",
        (
            before + samples,
            min(first, span[0]),
            max(last, span[1]),
            np.packbits(joined).tobytes(),
            id_,
        ),
    )


def lost_gaps(db: sqlite3.Connection, tags: TagNumbers) -> Iterator[Gap]:
    """Losses as gaps of their tags."""
    for cause, first, last, blob in db.execute("SELECT cause, first, last, tags FROM losses"):
        bits = np.unpackbits(np.frombuffer(blob, np.uint8))[: len(tags.rows)]
        for number in np.flatnonzero(bits).tolist():
            yield Gap(tags.rows[number][0], first, last + 1, cause)


def file_bytes(db: sqlite3.Connection) -> int:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return int(pages * size)


def used_bytes(db: sqlite3.Connection) -> int:
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return file_bytes(db) - int(free * size)


def thin(db: sqlite3.Connection) -> None:
    beats = [beat for (beat,) in db.execute("SELECT beat FROM checkpoints ORDER BY beat")]
    seen: set[tuple[int, int]] = set()
    for beat in beats:
        step = next((s for age, s in THINNING if beats[-1] - beat <= age), None)
        if step is None or (step, beat // step) in seen:
            db.execute("DELETE FROM checkpoints WHERE beat = ?", (beat,))
        elif step is not None:
            seen.add((step, beat // step))


def last_times(db: sqlite3.Connection, tags: TagNumbers, ahead: int) -> tuple[int, Last]:
    """Up to which segment they are saved; what is known of each number, as saved and brought
    forward by the segments since. ahead: as of Last.follow."""
    upto, last = load_last(db, len(tags.rows))
    ids = [
        i for (i,) in db.execute("SELECT id FROM blobs WHERE id > ? AND kind = 'samples'", (upto,))
    ]
    for id_ in ids:
        found = sound_blob(db, id_)
        if found is not None:
            raw, _ = decode_samples(found[1])
            last.follow(raw.tags, raw, ahead)
            continue
        # Of which tags it was is not known: what is not newer than it is looked for in the store.
        for (newest,) in db.execute("SELECT last FROM recent WHERE segment = ?", (id_,)):
            np.maximum(last.newest, newest + 1, out=last.newest)
    return upto, last
