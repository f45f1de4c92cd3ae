"""What the spool keeps, for reading: also from another process, while it is written."""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from plant.batch import Batch
from plant.model import Plant
from store.contract import FigureBlock
from store.records import BadLine, Checkpoint, Gap, SourceLedger
from store.segments import SampleSegment, decode_events, decode_figures
from store.tables import TagNumbers, decode, used_bytes


class Kept:
    """Each call reads as of one moment, on a connection of its own."""

    def __init__(self, path: Path, plant: Plant) -> None:
        self.path = path
        self.plant = plant

    def checkpoints(self, before: int | None = None) -> Checkpoint | None:
        """The newest sound checkpoint with beat <= before (None: of all)."""
        sql = "SELECT beat, crc, blob FROM checkpoints WHERE beat <= ? ORDER BY beat DESC"
        with self._read() as db:
            for beat, crc, blob in db.execute(
                sql, (np.iinfo(np.int64).max if before is None else before,)
            ):
                if zlib.crc32(blob) == crc:
                    return Checkpoint(beat, blob)
        return None

    def checkpoint(self, beat: int) -> Checkpoint | None:
        """The sound checkpoint of just this beat."""
        found = self.checkpoints(beat)
        return found if found is not None and found.beat == beat else None

    def checkpoint_beats(self, start: int, end: int) -> set[int]:
        """Beats in [start, end) that have a checkpoint."""
        sql = "SELECT beat FROM checkpoints WHERE beat >= ? AND beat < ?"
        with self._read() as db:
            return {beat for (beat,) in db.execute(sql, (start, end))}

    def recent_from(self) -> int | None:
        """The oldest time among the samples that came since the last checkpoint but one, whether
        they are delivered or not; None when none came."""
        with self._read() as db:
            (first,) = db.execute("SELECT min(first) FROM recent").fetchone()
        return None if first is None else int(first)

    def samples(self, tags: Sequence[int] | None, start: int, end: int) -> Batch:
        """Undelivered samples of these columns (None: all) in [start, end), in order of arrival,
        without those known to be duplicates."""
        sql = """SELECT id, kind, samples, crc, blob, duplicates FROM segments
                 WHERE NOT done AND kind = 'samples' AND first < ? AND last >= ? ORDER BY id"""
        wanted = np.zeros(len(self.plant.tags) + 1, np.bool_)  # the last is -1: not in the plant
        wanted[slice(0, -1) if tags is None else list(tags)] = True
        parts = []
        with self._read() as db:
            names = TagNumbers(db, self.plant)
            for id_, kind, _, crc, blob, duplicates in db.execute(sql, (end, start)):
                if zlib.crc32(blob) != crc:
                    continue
                segment = decode(id_, kind, blob, duplicates, names)
                assert isinstance(segment, SampleSegment)
                batch = segment.batch
                keep = wanted[batch.tags] & (batch.times >= start) & (batch.times < end)
                if segment.duplicates is not None:
                    keep &= ~segment.duplicates
                parts.append(batch.take(keep))
        return Batch.concat(parts)

    def figures(self, scope: str, start: int, end: int) -> list[FigureBlock]:
        """Undelivered figures of a scope that have times in [start, end), in order of arrival."""
        sql = """SELECT crc, blob FROM segments
                 WHERE NOT done AND kind = 'figures' AND first < ? AND last >= ? ORDER BY id"""
        with self._read() as db:
            rows = db.execute(sql, (end, start)).fetchall()
        blocks = [decode_figures(blob) for crc, blob in rows if zlib.crc32(blob) == crc]
        return [b for b in blocks if b.scope == scope]

    def events(self, kind: str, start: int, end: int) -> list[dict[str, Any]]:
        """Undelivered events of a kind with time in [start, end), in order of arrival."""
        sql = """SELECT crc, blob FROM segments
                 WHERE NOT done AND kind = 'events' AND first < ? AND last >= ? ORDER BY id"""
        with self._read() as db:
            rows = db.execute(sql, (end, start)).fetchall()
        events = (e for crc, blob in rows if zlib.crc32(blob) == crc for e in decode_events(blob))
        return [e.row for e in events if e.kind == kind and start <= e.row["time"] < end]

    def extent(self) -> tuple[int, int] | None:
        """First and last time of the undelivered samples, None when there are none."""
        sql = "SELECT min(first), max(last) FROM segments WHERE NOT done AND kind = 'samples'"
        with self._read() as db:
            first, last = db.execute(sql).fetchone()
        return None if first is None else (first, last)

    def ledger(self) -> dict[str, SourceLedger]:
        """The account of each source, all as of one moment."""
        with self._read() as db:
            booked = db.execute("SELECT source, account, reason, samples FROM ledger").fetchall()
            spooled = dict(db.execute("SELECT source, sum(samples) FROM spooled GROUP BY source"))
        account: dict[tuple[str, str], int] = {}
        rejected: dict[str, dict[str, int]] = defaultdict(dict)
        for source, what, reason, n in booked:
            if what == "rejected":
                rejected[source][reason] = n
            else:
                account[source, what] = n
        names = [s.id for s in self.plant.sources]
        names += sorted({source for source, *_ in booked} - set(names))
        return {
            s: SourceLedger(
                account.get((s, "received"), 0),
                account.get((s, "stored"), 0),
                spooled.get(s, 0),
                rejected.get(s, {}),
            )
            for s in names
        }

    def gaps(
        self, tag: str | None = None, start: int | None = None, end: int | None = None
    ) -> list[Gap]:
        """Gaps of a tag (None: of all) that touch [start, end), by start."""
        sql = """SELECT tag, start, "end", cause FROM gaps
                 WHERE (?1 IS NULL OR tag = ?1) AND (?2 IS NULL OR "end" > ?2)
                   AND (?3 IS NULL OR start < ?3)
                 ORDER BY start, tag"""
        with self._read() as db:
            return [Gap(*row) for row in db.execute(sql, (tag, start, end))]

    def bad_lines(self) -> list[BadLine]:
        """The newest samples the store refused, set aside with its reason."""
        sql = "SELECT tag, time, coalesce(value, 'nan'), quality, reason FROM bad_lines ORDER BY id"
        with self._read() as db:
            return [BadLine(t, at, float(v), q, why) for t, at, v, q, why in db.execute(sql)]

    def used_bytes(self) -> int:
        """How much of max_bytes is in use."""
        with self._read() as db:
            return used_bytes(db)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = FULL")
        return db

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as db:
            db.execute("BEGIN")
            yield db
