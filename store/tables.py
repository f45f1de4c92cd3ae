"""The spool's tables: what each row means, in functions of an open connection."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
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

SAVED = "the newest segment that last_times knows"
NEVER = np.iinfo(np.int64).min
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
THINNING = ((10 * MINUTE, 1), (6 * HOUR, 10 * MINUTE), (2 * DAY, HOUR), (40 * DAY, DAY))
"""Of checkpoints up to so old, one per so long is kept; older ones are not."""


class TagNumbers:
    """What the spool's tag numbers mean to this plant: number -> column, number -> source."""

    def __init__(self, db: sqlite3.Connection, plant: Plant) -> None:
        rows = db.execute("SELECT number, tag, source FROM tags").fetchall()
        size = 1 + max((n for n, *_ in rows), default=0)
        self.column = np.full(size, -1, np.int32)
        self.source = np.zeros(size, np.int16)
        index = {name: i for i, name in enumerate(source_names(db))}
        for number, tag, source in rows:
            self.column[number] = plant.column_of.get(tag, -1)
            self.source[number] = index[source]


def decode(id_: int, kind: str, blob: bytes, duplicates: bytes | None, tags: TagNumbers) -> Segment:
    if kind == "figures":
        return FigureSegment(id_, decode_figures(blob))
    if kind == "events":
        return EventSegment(id_, decode_events(blob))
    raw, suspect = decode_samples(blob)
    batch = Batch(tags.column[raw.tags], raw.times, raw.values, raw.quality)
    known = None
    if duplicates is not None:
        bits = np.unpackbits(np.frombuffer(duplicates, np.uint8), count=len(raw))
        known = bits.astype(np.bool_)
    return SampleSegment(id_, batch, suspect, known, tags.source[raw.tags])


def put_segment(
    db: sqlite3.Connection, kind: str, samples: int, first: int, last: int, blob: bytes
) -> int:
    row = (kind, samples, first, last, zlib.crc32(blob), blob)
    done = db.execute(
        "INSERT INTO segments (kind, samples, first, last, crc, blob) VALUES (?, ?, ?, ?, ?, ?)",
        row,
    )
    assert done.lastrowid is not None
    return done.lastrowid


def put_gaps(db: sqlite3.Connection, gaps: Sequence[Gap]) -> None:
    rows = [(g.tag, g.start, g.end, g.cause) for g in gaps]
    db.executemany('INSERT INTO gaps (tag, start, "end", cause) VALUES (?, ?, ?, ?)', rows)


def count(db: sqlite3.Connection, source: str, account: str, reason: str, n: int) -> None:
    db.execute(
        """INSERT INTO ledger VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET samples = samples + excluded.samples""",
        (source, account, reason, n),
    )


def source_names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT DISTINCT source FROM tags ORDER BY source")]


def tally(sources: NDArray[np.int16], names: Sequence[str]) -> Iterator[tuple[str, int]]:
    counts = np.bincount(sources, minlength=len(names))
    return ((name, int(n)) for name, n in zip(names, counts, strict=True) if n)


def used_bytes(db: sqlite3.Connection) -> int:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def thin(db: sqlite3.Connection) -> None:
    beats = [beat for (beat,) in db.execute("SELECT beat FROM checkpoints ORDER BY beat")]
    seen: set[tuple[int, int]] = set()
    for beat in beats:
        step = next((s for age, s in THINNING if beats[-1] - beat <= age), None)
        if step is None or (step, beat // step) in seen:
            db.execute("DELETE FROM checkpoints WHERE beat = ?", (beat,))
        elif step is not None:
            seen.add((step, beat // step))


def save_last(db: sqlite3.Connection, plant: Plant, last: NDArray[np.int64]) -> None:
    rows = [(t.id, int(at)) for t, at in zip(plant.tags, last, strict=True) if at != NEVER]
    db.executemany("INSERT OR REPLACE INTO last_times VALUES (?, ?)", rows)
    db.execute(
        "INSERT OR REPLACE INTO last_times SELECT ?, coalesce(max(id), 0) FROM segments", (SAVED,)
    )


def load_last(db: sqlite3.Connection, plant: Plant) -> NDArray[np.int64]:
    """The saved newest times, brought forward by the segments since."""
    last = np.full(len(plant.tags) + 1, NEVER, np.int64)  # the last for tags not in the plant
    for tag, at in db.execute("SELECT tag, time FROM last_times"):
        last[plant.column_of.get(tag, -1)] = at
    tags = TagNumbers(db, plant)
    since = """SELECT crc, blob FROM segments WHERE kind = 'samples'
               AND id > coalesce((SELECT time FROM last_times WHERE tag = ?), 0)"""
    for crc, blob in db.execute(since, (SAVED,)):
        if zlib.crc32(blob) == crc:
            raw, _ = decode_samples(blob)
            np.maximum.at(last, tags.column[raw.tags], raw.times)
    return last[:-1].copy()
