"""The durable spool between the plant and the store: one SQLite file, WAL, synchronous=FULL.

What `append` and `commit_beats` were given survives kill -9 and loss of power once they return. The
ledger changes in the same transaction as the samples it counts.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from plant.batch import Batch
from plant.model import Plant
from store import bounds
from store.contract import FigureBlock
from store.facts import NEVER, Accounts, Inconsistent, Last, save_last
from store.records import BadLine, Checkpoint, Gap, Loss, SourceLedger, SpoolFull, SpoolInUse
from store.segments import (
    Event,
    SampleSegment,
    Segment,
    encode_events,
    encode_figures,
    encode_samples,
)
from store.spoolfile import SpoolFile
from store.tables import (
    DAY,
    file_bytes,
    put_gaps,
    put_loss,
    put_segment,
    read_segment,
    thin,
    used_bytes,
)

__all__ = [
    "BadLine",
    "Checkpoint",
    "Event",
    "Gap",
    "Loss",
    "SourceLedger",
    "Spool",
    "SpoolFull",
    "SpoolInUse",
]

KEEP_BAD_LINES = 10_000
TIDY_S = 30.0
FREE_PAGES = 16_384
RESERVE = 64 << 20
"""Bytes of the disk that samples leave free, a quarter of it at most: without some room not even
what is given up could be counted."""


class Spool(SpoolFile):
    """One process appends and delivers (SpoolInUse for a second); any number may read meanwhile.

    Writes share one connection under a lock, since SQLite has one writer anyway; each read has a
    connection of its own. `notices` says in words, once each, what was damaged or given up.
    """

    def __init__(self, path: Path, plant: Plant) -> None:
        super().__init__(path, plant)
        self._max_bytes = int(plant.spool.max_GB * 1e9)
        self._drops = plant.spool.when_full != "wait" or plant.spool.max_days > 0
        self._passed = 0  # the newest segment at the last checkpoint
        self._covered = 0  # and at the one before: it stands for all up to here
        self._lost = 0  # samples, since room ran out
        self._tidied = time.monotonic()

    # -- ingest side

    def append(
        self,
        batch: Batch,
        received: Mapping[str, int],
        refused: Mapping[tuple[str, str], int],
        gaps: Sequence[Gap],
        suspect: NDArray[np.bool_],
        heard: Mapping[str, int] = MappingProxyType({}),
    ) -> int:
        """Keep samples with what is known of them; durable on return. -> segment id, 0 when no
        samples were kept: there were none, or the spool is full and gives up the newest.

        received: source -> values it sent, refused: (source, reason) -> how many of them are not in
        the batch. A sample counts for its tag's source. suspect: bool[n], rows that are not newer
        than the newest known of their tag. heard: source -> when something of it came last, by our
        clock [ns]. SpoolFull: nothing was kept. ValueError: counts that do
        not close.
        """
        kept = self._by_source(self.plant.source_of_tag[batch.tags])
        self._must_close(kept, received, refused)
        self.claim()
        blob = encode_samples(self._numbers[batch.tags], batch, suspect)

        with self._lock:
            segment = 0
            with self._write() as db:
                accounts = Accounts(db)
                accounts.add_each(received, "received")
                accounts.hear(heard)
                for (source, reason), n in refused.items():
                    accounts.add(source, "rejected", n, reason)
                put_gaps(db, gaps)
                if len(batch) and self._has_room(db, accounts, len(blob)):
                    segment = self._put_samples(db, accounts, batch, kept, blob)
                elif len(batch):
                    self._refuse(db, accounts, batch, kept)
                accounts.save(db)
            self._newest = segment or self._newest
        self._tidy_now_and_then()
        return segment

    def last_times(self) -> Last:
        """What is known of each tag ever appended, by the plant's columns."""
        self.claim()
        with self._lock:
            return Last(self._last.newest[self._numbers], self._last.told[self._numbers])

    def heard(self) -> dict[str, int]:
        """source -> when something of it came last, as `append` was told [ns]."""
        return self._read(lambda db: Accounts(db).heard())

    def commit_beats(
        self,
        blocks: Sequence[FigureBlock],
        events: Sequence[Event],
        checkpoint: Checkpoint | None,
    ) -> None:
        """Keep figures, events and the checkpoint that stands for them, all or none. They count for
        max_GB and are not bounded by it: when no samples are taken any more, beats end too."""
        blobs = [(len(b.times), b.values.size, encode_figures(b)) for b in blocks]
        self.claim()
        with self._write() as db:
            at = int(self._last.newest.max(initial=NEVER))
            for block, (times, values, blob) in zip(blocks, blobs, strict=True):
                if times:
                    span = int(block.times.min()), int(block.times.max())
                    put_segment(db, "figures", values, span, at, {}, blob)
            if events:
                when = [int(e.row["time"]) for e in events]
                span = min(when), max(when)
                put_segment(db, "events", len(when), span, at, {}, encode_events(tuple(events)))
            if checkpoint:
                row = (checkpoint.beat, zlib.crc32(checkpoint.blob), checkpoint.blob)
                db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", row)
                thin(db)
                db.execute("DELETE FROM recent WHERE segment <= ?", (self._covered,))
                self._covered, self._passed = self._passed, self._newest

    # -- writer side

    def pending(self, limit_samples: int, but: Collection[int] = ()) -> list[Segment]:
        """Undelivered segments that go to the store next, ascending, of at most `limit_samples`
        samples and one at least; none of `but`. Live ones first, then [spool] drain.

        A segment whose bytes are damaged is set aside, counted as `spool_corrupt`, and told of in
        `notices`.
        """
        self.claim()

        def find(db: sqlite3.Connection) -> list[tuple[int, Segment | None]]:
            tags = self._tag_numbers(db)
            ids = self._order.lot(db, limit_samples, but)
            return [(id_, read_segment(db, id_, tags)) for id_ in ids]

        found = self._read(find)
        damaged = [id_ for id_, segment in found if segment is None]
        given = {id_ for id_, segment in found if segment is not None}
        with self._lock:
            if damaged:
                with self._write() as db:
                    accounts = Accounts(db)
                    told = bounds.set_aside(db, accounts, self._tags, damaged)
                    accounts.save(db)
                self.notices += (f"{self.path}: {line}" for line in told)
            if self._drops and not given <= self._given:
                with self._write() as db:  # durable: what is taken is never given up
                    there = "SELECT 1 FROM segments WHERE id = ?"
                    given = {i for i in given if db.execute(there, (i,)).fetchone()}
                    rows = [(i,) for i in given - self._given]
                    db.executemany("INSERT OR IGNORE INTO taken VALUES (?)", rows)
            self._given |= given
        return [segment for _, segment in found if segment is not None and segment.id in given]

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
            for segment in segments:
                if segment.id not in self._given:
                    raise ValueError(f"segment {segment.id} was delivered before")
                if not db.execute("DELETE FROM segments WHERE id = ?", (segment.id,)).rowcount:
                    raise Inconsistent(f"segment {segment.id} is read and cannot be found")
                # The newest times are not saved with each append: a restart reads what came since.
                keep = isinstance(segment, SampleSegment) and segment.id > self._saved
                where = "INSERT INTO done VALUES (?)" if keep else "DELETE FROM blobs WHERE id = ?"
                db.execute(where, (segment.id,))
                db.execute("DELETE FROM taken WHERE id = ?", (segment.id,))
            accounts = Accounts(db)
            for reason, mask in rejected.items():
                if mask.any():
                    out |= mask
                    accounts.add_each(self._tags.tally(sources[mask]), "rejected", reason)
            all_of = self._tags.tally(sources)
            stored = self._tags.tally(sources[~out]) if out.any() else all_of
            accounts.add_each(stored, "stored")
            for source, n in all_of.items():
                accounts.add(source, "spooled", -n)
            accounts.save(db)
            rows = [(b.tag, b.time, b.value, b.quality, b.reason) for b in bad]
            db.executemany(
                "INSERT INTO bad_lines (tag, time, value, quality, reason) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            db.execute(
                "DELETE FROM bad_lines WHERE id <= (SELECT max(id) FROM bad_lines) - ?",
                (KEEP_BAD_LINES,),
            )
        with self._lock:
            self._given.difference_update(segment.id for segment in segments)
        self._tidy_now_and_then()

    def close(self) -> None:
        """Whoever has claimed it tidies it once more, if the disk lets it."""
        with self._lock:
            if self._owner is not None:
                with contextlib.suppress(SpoolFull):
                    self.tidy()
        super().close()

    def tidy(self) -> None:
        """Save the newest times, delete what was delivered or is too old, give room back to the
        disk."""
        self._tidied = time.monotonic()
        with self._write() as db:
            self._forget_done(db)
            if self.plant.spool.max_days and len(self._numbers):
                oldest = int(self._last.newest.max()) - int(self.plant.spool.max_days * DAY)
                accounts = Accounts(db)
                lost = bounds.older_than(db, accounts, self._tags, self._given, oldest)
                if lost:
                    accounts.save(db)
                    self.notices.append(
                        f"{self.path}: {lost} samples and figures waited longer than "
                        f"max_days = {self.plant.spool.max_days:g} and were given up; "
                        "see that the store can be reached"
                    )
        with self._lock:
            (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
            if free > FREE_PAGES:
                self._db.execute(f"PRAGMA incremental_vacuum({FREE_PAGES // 4})").fetchall()

    # -- inside

    def _put_samples(
        self,
        db: sqlite3.Connection,
        accounts: Accounts,
        batch: Batch,
        counts: Mapping[str, int],
        blob: bytes,
    ) -> int:
        span = int(batch.times.min()), int(batch.times.max())
        # Ahead of the commit: should that fail, these look suspect when they come again, and are
        # then looked for in vain.
        self._last.follow(self._numbers[batch.tags], batch, self._ahead)
        at = int(self._last.newest.max())
        segment = put_segment(db, "samples", len(batch), span, at, counts, blob)
        accounts.add_each(counts, "spooled")
        db.execute("INSERT INTO recent VALUES (?, ?, ?)", (segment, *span))
        return segment

    def _refuse(
        self, db: sqlite3.Connection, accounts: Accounts, batch: Batch, counts: Mapping[str, int]
    ) -> None:
        """There is no room and the newest are given up."""
        accounts.add_each(counts, "rejected", bounds.FULL)
        bits = np.zeros(len(self._last.newest), np.bool_)
        bits[self._numbers[batch.tags]] = True
        span = int(batch.times.min()), int(batch.times.max())
        put_loss(db, bounds.FULL, "samples", len(batch), span, bits)
        self._give_up(len(batch), "newest")

    def _drop_oldest(self, db: sqlite3.Connection, accounts: Accounts, room: int) -> None:
        lost = bounds.oldest_until(db, accounts, self._tags, self._given, room)
        if lost:
            self._give_up(lost, "oldest")

    def _give_up(self, lost: int, which: str) -> None:
        if not self._lost:
            self.notices.append(
                f"{self.path}: full, the {which} samples are given up; see that the store can be "
                "reached, and that [spool] max_GB and the disk are large enough"
            )
        self._lost += lost

    def _has_room(self, db: sqlite3.Connection, accounts: Accounts, size: int) -> bool:
        """Whether so many bytes fit, once the policy has done what it can. SpoolFull: wait."""
        disk = os.statvfs(self.path.parent)
        reserve = min(RESERVE, disk.f_blocks * disk.f_frsize // 4)
        room = file_bytes(db) + disk.f_bavail * disk.f_frsize - reserve
        most = min(self._max_bytes, room) - size
        if used_bytes(db) > most:
            self._forget_done(db)
        if used_bytes(db) > most and self.plant.spool.when_full == "drop_oldest":
            self._drop_oldest(db, accounts, most)
        fits = used_bytes(db) <= most
        if not fits and self.plant.spool.when_full != "drop_newest":
            raise SpoolFull(
                f"{self.path}: {self._max_bytes} bytes are in use; "
                "see that the store can be reached, it takes from here"
                if room > self._max_bytes
                else f"{self.path}: the disk is full but for {reserve} bytes; make room on it"
            )
        if self._lost and used_bytes(db) < bounds.GONE * most:
            self.notices.append(f"{self.path}: there is room again; {self._lost} values were lost")
            self._lost = 0
        return fits

    def _forget_done(self, db: sqlite3.Connection) -> None:
        """Delete what was delivered. The newest times are saved first: they came from there."""
        save_last(db, self._newest, self._last)
        db.execute("DELETE FROM blobs WHERE id IN (SELECT id FROM done)")
        db.execute("DELETE FROM done")
        self._saving = self._newest

    def _tidy_now_and_then(self) -> None:
        if time.monotonic() - self._tidied > TIDY_S:
            with contextlib.suppress(SpoolFull):  # what was done before is done; later again
                self.tidy()

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
