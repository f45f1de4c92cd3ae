"""The durable spool between the plant and the store: one SQLite file, WAL, synchronous=FULL.

What `append` and `commit_beats` were given survives kill -9 and loss of power once they return. The
ledger changes in the same transaction as the samples it counts.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from plant.batch import Batch
from plant.model import Plant
from store.contract import FigureBlock
from store.kept import Kept
from store.records import BadLine, Checkpoint, Gap, SourceLedger, SpoolFull, SpoolInUse
from store.segments import (
    Event,
    SampleSegment,
    Segment,
    encode_events,
    encode_figures,
    encode_samples,
)
from store.tables import (
    TagNumbers,
    count,
    decode,
    load_last,
    put_gaps,
    put_segment,
    save_last,
    source_names,
    tally,
    thin,
    used_bytes,
)

__all__ = [
    "BadLine",
    "Checkpoint",
    "Event",
    "Gap",
    "SourceLedger",
    "Spool",
    "SpoolFull",
    "SpoolInUse",
]

KEEP_BAD_LINES = 10_000
TIDY_S = 30.0
FREE_PAGES = 16_384


class Spool(Kept):
    """One process appends and delivers (SpoolInUse for a second); any number may read meanwhile.

    Writes share one connection under a lock, since SQLite has one writer anyway; each read has a
    connection of its own. `corrupt` says in words which segments were set aside.
    """

    def __init__(self, path: Path, plant: Plant, *, max_bytes: int = 8 << 30) -> None:
        super().__init__(path, plant)
        self.corrupt: list[str] = []
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._owner: TextIO | None = None
        self._numbers = np.empty(0, np.int32)
        self._last = np.empty(0, np.int64)
        self._newest = 0  # segment
        self._passed = 0  # the newest one at the last checkpoint
        self._covered = 0  # and at the one before: it stands for all up to here
        self._tidied = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._connect()
        self._db.executescript(files("store").joinpath("spool.sql").read_text("utf-8"))

    def claim(self) -> None:
        """Become the one process that changes this spool (else SpoolInUse), and learn the newest
        times. Whoever first appends or delivers does this anyway."""
        with self._lock:
            if self._owner is not None:
                return
            lock = self.path.with_suffix(".lock").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._learn()
            except BlockingIOError:
                lock.close()
                raise SpoolInUse(
                    f"{self.path}: another process collects into it; stop that one first"
                ) from None
            except BaseException:
                lock.close()
                raise
            self._owner = lock

    # -- ingest side

    def append(
        self,
        batch: Batch,
        received: Mapping[str, int],
        refused: Mapping[tuple[str, str], int],
        gaps: Sequence[Gap],
        suspect: NDArray[np.bool_],
    ) -> int:
        """Keep samples with what is known of them; durable on return. -> segment id, 0 if none

        received: source -> values it sent, refused: (source, reason) -> how many of them are not in
        the batch. A sample counts for its tag's source. suspect: bool[n], rows that are not newer
        than the newest known of their tag. SpoolFull: nothing was kept. ValueError: counts that do
        not close.
        """
        kept = self._by_source(self.plant.source_of_tag[batch.tags])
        self._must_close(kept, received, refused)
        with self._write() as db:
            numbers = self._numbers[batch.tags]
            blob = encode_samples(numbers, batch, suspect)
            self._must_fit(db, len(blob))
            for source, n in received.items():
                count(db, source, "received", "", n)
            for (source, reason), n in refused.items():
                count(db, source, "rejected", reason, n)
            put_gaps(db, gaps)
            segment = 0
            if len(batch):
                span = int(batch.times.min()), int(batch.times.max())
                segment = put_segment(db, "samples", len(batch), *span, blob)
                rows = [(segment, source, n) for source, n in kept.items()]
                db.executemany("INSERT INTO spooled VALUES (?, ?, ?)", rows)
                db.execute("INSERT INTO recent VALUES (?, ?, ?)", (segment, *span))
                self._newest = segment
                # Ahead of the commit: should that fail, these look suspect when they come again,
                # and are then looked for in vain.
                np.maximum.at(self._last, batch.tags, batch.times)
        self._tidy_now_and_then()
        return segment

    def last_times(self) -> NDArray[np.int64]:
        """int64[tags]: the newest time of each tag ever appended; the least int64 if none."""
        self.claim()
        with self._lock:
            return self._last.copy()

    def commit_beats(
        self,
        blocks: Sequence[FigureBlock],
        events: Sequence[Event],
        checkpoint: Checkpoint | None,
    ) -> None:
        """Keep figures, events and the checkpoint that stands for them, all or none. They count for
        max_bytes and are not bounded by it: when no samples are taken any more, beats end too."""
        blobs = [(len(b.times), b.values.size, encode_figures(b)) for b in blocks]
        with self._write() as db:
            for block, (times, values, blob) in zip(blocks, blobs, strict=True):
                if times:
                    span = int(block.times.min()), int(block.times.max())
                    put_segment(db, "figures", values, *span, blob)
            if events:
                at = [int(e.row["time"]) for e in events]
                put_segment(db, "events", len(at), min(at), max(at), encode_events(tuple(events)))
            if checkpoint:
                row = (checkpoint.beat, zlib.crc32(checkpoint.blob), checkpoint.blob)
                db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", row)
                thin(db)
                db.execute("DELETE FROM recent WHERE segment <= ?", (self._covered,))
                self._covered, self._passed = self._passed, self._newest

    # -- writer side

    def pending(self, limit_samples: int) -> list[Segment]:
        """Undelivered segments, oldest first, until `limit_samples` are reached; one at least.

        A segment whose bytes are damaged is set aside, counted as `spool_corrupt`, and told of in
        `corrupt`.
        """
        self.claim()
        sql = """SELECT id, kind, samples, crc, blob, duplicates FROM segments
                 WHERE NOT done ORDER BY id"""
        found: list[Segment] = []
        damaged: list[int] = []
        with self._read() as db:
            tags = TagNumbers(db, self.plant)
            for id_, kind, samples, crc, blob, duplicates in db.execute(sql):
                if found and samples > limit_samples:
                    break
                limit_samples -= samples
                if zlib.crc32(blob) != crc:
                    damaged.append(id_)
                else:
                    found.append(decode(id_, kind, blob, duplicates, tags))
        for id_ in damaged:
            self._set_aside(id_)
        return found

    def resolve(self, segment: int, duplicates: NDArray[np.bool_]) -> None:
        """Keep which rows of a segment are duplicates, before the others are written: after a crash
        in between, rows written already must not look like duplicates of themselves."""
        with self._write() as db:
            blob = np.packbits(duplicates).tobytes()
            db.execute("UPDATE segments SET duplicates = ? WHERE id = ?", (blob, segment))

    def delivered(
        self,
        segments: Sequence[Segment],
        rejected: Mapping[str, NDArray[np.bool_]],
        bad: Sequence[BadLine] = (),
    ) -> None:
        """The store has these now. rejected: reason -> rows it has not, as a mask over the rows of
        all sample segments in order; bad: those that it refused, set aside."""
        samples = [s for s in segments if isinstance(s, SampleSegment)]
        sources = np.concatenate([s.sources for s in samples] or [np.empty(0, np.int16)])
        out = np.zeros(len(sources), np.bool_)
        with self._write() as db:
            names = source_names(db)
            for reason, mask in rejected.items():
                out |= mask
                for source, n in tally(sources[mask], names):
                    count(db, source, "rejected", reason, n)
            for source, n in tally(sources[~out], names):
                count(db, source, "stored", "", n)
            for segment in segments:
                done = db.execute(
                    "UPDATE segments SET done = 1 WHERE id = ? AND NOT done", (segment.id,)
                )
                if done.rowcount != 1:
                    raise ValueError(f"segment {segment.id} was delivered before")
                db.execute("DELETE FROM spooled WHERE segment = ?", (segment.id,))
            rows = [(b.tag, b.time, b.value, b.quality, b.reason) for b in bad]
            db.executemany(
                "INSERT INTO bad_lines (tag, time, value, quality, reason) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            db.execute(
                "DELETE FROM bad_lines WHERE id <= (SELECT max(id) FROM bad_lines) - ?",
                (KEEP_BAD_LINES,),
            )
        self._tidy_now_and_then()

    def tidy(self) -> None:
        """Save the newest times, delete what was delivered, give room back to the disk."""
        self._tidied = time.monotonic()
        with self._write() as db:
            save_last(db, self.plant, self._last)
            db.execute("DELETE FROM segments WHERE done")
        with self._lock:
            (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
            if free > FREE_PAGES:
                self._db.execute(f"PRAGMA incremental_vacuum({FREE_PAGES // 4})").fetchall()

    def close(self) -> None:
        with self._lock:
            if self._owner is not None:
                self.tidy()
                self._owner.close()
                self._owner = None
            self._db.close()

    # -- inside

    def _learn(self) -> None:
        rows = [(t.id, t.source) for t in self.plant.tags]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR IGNORE INTO tags (tag, source) VALUES (?, ?)", rows)
        self._db.execute("COMMIT")
        known = self._db.execute("SELECT tag, source, number FROM tags").fetchall()
        number = {(tag, source): n for tag, source, n in known}
        self._numbers = np.array([number[row] for row in rows], np.int32)
        self._last = load_last(self._db, self.plant)

    def _tidy_now_and_then(self) -> None:
        """The newest times are not saved with each append: a restart reads the segments since."""
        if time.monotonic() - self._tidied > TIDY_S:
            self.tidy()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        self.claim()
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._rollback()
                if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise SpoolFull(f"{self.path}: the disk is full; make room on it") from error
                raise
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _must_fit(self, db: sqlite3.Connection, size: int) -> None:
        if used_bytes(db) + size > self._max_bytes:
            raise SpoolFull(
                f"{self.path}: {self._max_bytes} bytes are in use; "
                "see that the store can be reached, it takes from here"
            )

    def _must_close(
        self,
        kept: Mapping[str, int],
        received: Mapping[str, int],
        refused: Mapping[tuple[str, str], int],
    ) -> None:
        due = defaultdict(int, kept)
        for (source, _), n in refused.items():
            due[source] += n
        if {s: n for s, n in due.items() if n} != {s: n for s, n in received.items() if n}:
            raise ValueError(f"received {dict(received)} is not kept and refused {dict(due)}")

    def _by_source(self, sources: NDArray[np.int32]) -> dict[str, int]:
        counts = np.bincount(sources, minlength=len(self.plant.sources))
        return {s.id: int(n) for s, n in zip(self.plant.sources, counts, strict=True) if n}

    def _set_aside(self, id_: int) -> None:
        """Take a damaged segment out of the way: what it held is lost, counted, and a gap."""
        with self._write() as db:
            kind, samples, first, last = db.execute(
                "SELECT kind, samples, first, last FROM segments WHERE id = ?", (id_,)
            ).fetchone()
            db.execute("INSERT INTO quarantine SELECT * FROM segments WHERE id = ?", (id_,))
            db.execute("DELETE FROM segments WHERE id = ?", (id_,))
            lost = db.execute(
                "DELETE FROM spooled WHERE segment = ? RETURNING source, samples", (id_,)
            )
            for source, n in lost.fetchall():
                count(db, source, "rejected", "spool_corrupt", n)
                tags = [t.id for t in self.plant.tags if t.source == source]
                put_gaps(db, [Gap(t, first, last + 1, "spool_corrupt") for t in tags])
        self.corrupt.append(
            f"{self.path}: segment {id_} ({samples} {kind}) is damaged, set aside in table "
            "quarantine; check the disk"
        )
