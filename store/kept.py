"""What the spool keeps, for reading: also from another process, while it is written."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from store.contract import FigureBlock
from store.facts import Accounts, TagNumbers, is_damage
from store.records import BadLine, Checkpoint, Gap, Loss, SourceLedger
from store.segments import EventSegment, FigureSegment, SampleSegment, Segment
from store.tables import connect, last_times, lost_gaps, read_segment, used_bytes

T = TypeVar("T")


class Kept:
    """Each call reads as of one moment, on a connection of its own."""

    def __init__(self, path: Path, plant: Plant) -> None:
        self.path = path
        self.plant = plant
        self._ahead = round(plant.time.max_future_s * SECOND)
        self._generation = 0  # of the file; the next begins when a damaged one was replaced
        self._numbers_known: tuple[int, TagNumbers] | None = None  # and the CRC of the fact

    def checkpoints(self, before: int | None = None) -> Checkpoint | None:
        """The newest sound checkpoint with beat <= before (None: of all)."""
        sql = "SELECT beat, crc, blob FROM checkpoints WHERE beat <= ? ORDER BY beat DESC"
        latest = np.iinfo(np.int64).max if before is None else before

        def find(db: sqlite3.Connection) -> Checkpoint | None:
            for beat, crc, blob in db.execute(sql, (latest,)):
                if zlib.crc32(blob) == crc:
                    return Checkpoint(beat, blob)
            return None

        return self._read(find)

    def checkpoint(self, beat: int) -> Checkpoint | None:
        """The sound checkpoint of just this beat."""
        found = self.checkpoints(beat)
        return found if found is not None and found.beat == beat else None

    def checkpoint_beats(self, start: int, end: int) -> set[int]:
        """Beats in [start, end) that have a checkpoint."""
        sql = "SELECT beat FROM checkpoints WHERE beat >= ? AND beat < ?"
        return self._read(lambda db: {beat for (beat,) in db.execute(sql, (start, end))})

    def recent_from(self) -> int | None:
        """The oldest time among the samples that came since the last checkpoint but one, whether
        they are delivered or not; None when none came."""
        sql = "SELECT min(first) FROM recent"
        first: int | None = self._read(lambda db: db.execute(sql).fetchone()[0])
        return first

    def samples(
        self, tags: Sequence[int] | None, start: int, end: int, before: int | None = None
    ) -> Batch:
        """Undelivered samples of these columns (None: all) in [start, end), in order of arrival,
        without those known to be duplicates. before: only of segments older than this one."""
        wanted = np.zeros(len(self.plant.tags) + 1, np.bool_)  # the last is -1: not in the plant
        wanted[slice(0, -1) if tags is None else list(tags)] = True

        def find(db: sqlite3.Connection) -> Batch:
            parts = []
            for segment in self._segments(db, "samples", start, end, before):
                assert isinstance(segment, SampleSegment)
                batch = segment.batch
                keep = wanted[batch.tags] & (batch.times >= start) & (batch.times < end)
                if segment.duplicates is not None:
                    keep &= ~segment.duplicates
                parts.append(batch.take(keep))
            return Batch.concat(parts)

        return self._read(find)

    def figures(self, scope: str, start: int, end: int) -> list[FigureBlock]:
        """Undelivered figures of a scope that have times in [start, end), in order of arrival."""

        def find(db: sqlite3.Connection) -> list[FigureBlock]:
            found = self._segments(db, "figures", start, end)
            blocks = (s.block for s in found if isinstance(s, FigureSegment))
            return [block for block in blocks if block.scope == scope]

        return self._read(find)

    def events(self, kind: str, start: int, end: int) -> list[dict[str, Any]]:
        """Undelivered events of a kind with time in [start, end), in order of arrival."""

        def find(db: sqlite3.Connection) -> list[dict[str, Any]]:
            found = self._segments(db, "events", start, end)
            events = (e for s in found if isinstance(s, EventSegment) for e in s.events)
            return [e.row for e in events if e.kind == kind and start <= e.row["time"] < end]

        return self._read(find)

    def extent(self) -> tuple[int, int] | None:
        """First and last time of the undelivered samples, None when there are none."""
        sql = """SELECT (SELECT min(first) FROM segments WHERE kind = 'samples'),
                        (SELECT max(last) FROM segments WHERE kind = 'samples')"""
        first, last = self._read(lambda db: db.execute(sql).fetchone())
        return None if first is None else (first, last)

    def computed_before(self) -> int | None:
        """The newest time in the spool when the oldest undelivered figures or events came, None
        when there are none."""
        sql = """SELECT min(at) FROM (SELECT min(at) AS at FROM segments WHERE kind = 'figures'
                 UNION ALL SELECT min(at) FROM segments WHERE kind = 'events')"""
        at: int | None = self._read(lambda db: db.execute(sql).fetchone()[0])
        return at

    def ledger(self) -> dict[str, SourceLedger]:
        """The account of each source, all as of one moment."""
        found = dict(self._read(lambda db: list(Accounts(db).rows())))
        known = [s.id for s in self.plant.sources]
        names = known + sorted(found.keys() - set(known))
        return {name: found.get(name, SourceLedger(0, 0, 0, {})) for name in names}

    def tags(self) -> list[tuple[str, str]]:
        """(tag, source) of all that ever came, also where the plant file has it no more."""
        return self._read(lambda db: list(self._tag_numbers(db).rows))

    def gaps(
        self, tag: str | None = None, start: int | None = None, end: int | None = None
    ) -> list[Gap]:
        """Gaps that ended, of a tag (None: of all), that touch [start, end), by start; what was
        lost here is among them."""
        sql = """SELECT tag, start, "end", cause FROM gaps
                 WHERE (?1 IS NULL OR tag = ?1) AND (?2 IS NULL OR "end" > ?2)
                   AND (?3 IS NULL OR start < ?3)"""

        def find(db: sqlite3.Connection) -> list[Gap]:
            found = [Gap(*row) for row in db.execute(sql, (tag, start, end))]
            found += (
                gap
                for gap in lost_gaps(db, self._tag_numbers(db))
                if (tag is None or gap.tag == tag)
                and (start is None or gap.end > start)
                and (end is None or gap.start < end)
            )
            return sorted(found, key=lambda gap: (gap.start, gap.tag))

        return self._read(find)

    def open_gaps(self, now: int) -> list[Gap]:
        """What has not ended at `now` [ns]: from the last sample of each tag that has been silent
        for longer than its hold time. A tag that never said anything has none."""
        last = self._read(self._told_times)
        silent = np.flatnonzero((last > 0) & (last < now - self.plant.hold_ns))
        tags = self.plant.tags
        return [Gap(tags[i].id, int(last[i]), now, "not ended") for i in silent.tolist()]

    def losses(self) -> list[Loss]:
        """What the spool had to give up, in order."""
        sql = "SELECT cause, kind, samples, first, last + 1 FROM losses ORDER BY id"
        return self._read(lambda db: [Loss(*row) for row in db.execute(sql)])

    def bad_lines(self) -> list[BadLine]:
        """The newest samples the store refused, set aside with its reason."""
        sql = "SELECT tag, time, coalesce(value, 'nan'), quality, reason FROM bad_lines ORDER BY id"
        rows = self._read(lambda db: db.execute(sql).fetchall())
        return [BadLine(t, at, float(v), q, why) for t, at, v, q, why in rows]

    def used_bytes(self) -> int:
        """How much of [spool] max_GB is in use."""
        return self._read(used_bytes)

    # -- inside

    def _segments(
        self,
        db: sqlite3.Connection,
        kind: str,
        start: int,
        end: int,
        before: int | None = None,
    ) -> Iterator[Segment]:
        """The sound ones that touch [start, end), in order of arrival."""
        sql = """SELECT id FROM segments WHERE kind = ? AND +first < ? AND last >= ?
                 AND (?4 IS NULL OR id < ?4) ORDER BY id"""
        tags = self._tag_numbers(db)
        ids = [id_ for (id_,) in db.execute(sql, (kind, end, start, before))]
        found = (read_segment(db, id_, tags) for id_ in ids)
        return (segment for segment in found if segment is not None)

    def _tag_numbers(self, db: sqlite3.Connection) -> TagNumbers:
        row = db.execute("SELECT crc FROM facts WHERE name = 'tags'").fetchone()
        crc = row[0] if row else 0
        known = self._numbers_known
        if known is None or known[0] != crc:
            known = self._numbers_known = crc, TagNumbers.of(db, self.plant)
        return known[1]

    def _told_times(self, db: sqlite3.Connection) -> NDArray[np.int64]:
        """int64[tags]: the time of each tag's last sample."""
        tags = self._tag_numbers(db)
        last = np.full(len(self.plant.tags) + 1, np.iinfo(np.int64).min)
        np.maximum.at(last, tags.column, last_times(db, tags, self._ahead)[1].told)
        return last[:-1].copy()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        generation = self._generation
        try:
            return self._read_once(work)
        except sqlite3.DatabaseError as error:
            if not (is_damage(error) and self._mend(generation)):
                raise
        return self._read_once(work)

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with closing(connect(self.path)) as db:
            db.execute("BEGIN")
            return work(db)

    def _mend(self, generation: int) -> bool:
        """Put what can be read of a damaged file into a new one, unless that was done since this
        `generation`; tells whether it is done. Only who writes the spool can."""
        return False
