"""Why kept figures were computed again, which of them changed, and what they were before.

A restatement is noted durably before it is done, so that a crash does not forget it. Its version
counts up; the figures it replaced are kept under that version. Corrections of readings are kept
apart from the readings: the raw sample stays as it came.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from plant.batch import Batch, Quality
from plant.model import Plant
from store.contract import FigureBlock, StoreUnavailable
from store.facts import passing
from store.shelf import Shelf, words

MOST_TAGS = 20
"""So many tags are named as the cause; more are counted."""


@dataclass(frozen=True, slots=True)
class Restatement:
    """Figures of [start, end) and of what follows from them, computed again. Times in ns.

    changed: "scope.figure" -> values that became different. remark: why it could not be done.
    """

    version: int
    start: int
    end: int
    cause: str
    tags: tuple[str, ...]
    noted: int
    begun: int | None
    done: int | None
    beats: int
    changed: Mapping[str, int]
    remark: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """What a figure was until a restatement changed it; NaN is not kept."""

    version: int
    value: float


@dataclass(frozen=True, slots=True)
class Correction:
    """Readings of a tag in [start, end) count as reading * scale + offset; scale NaN: as BAD.
    withdrawn: when it was taken back [ns], None while it holds."""

    id: int
    tag: str
    start: int
    end: int
    scale: float
    offset: float
    made: int
    who: str
    cause: str
    withdrawn: int | None


COLUMNS = 'version, start, "end", cause, tags, noted, begun, done, beats, changed, remark'


class Restatements:
    """One SQLite file and a shelf of old figures in a folder. Any thread or process may note and
    read; one supersedes."""

    def __init__(self, folder: Path, plant: Plant) -> None:
        self._plant = plant
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        self._shelf = Shelf(
            folder / "superseded", ("scope", "figure", "entity", "time", "version"), latest=True
        )
        path = folder / "restatements.sqlite"
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(files("store").joinpath("restatements.sql").read_text("utf-8"))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- what is to be done

    def note(self, start: int, end: int, cause: str, tags: Sequence[str] = ()) -> int:
        """Figures of [start, end) must be computed again; durable on return. One that waits for
        the same cause is widened. -> its version"""
        with self._write() as db:
            return self._note(db, start, end, cause, tags)

    def record(self, start: int, end: int, cause: str, changed: Mapping[str, int]) -> int:
        """What was computed again already. -> its version"""
        now = time.time_ns()
        with self._write() as db:
            done = db.execute(
                'INSERT INTO restatements (start, "end", cause, tags, noted, begun, done, changed)'
                " VALUES (?, ?, ?, '[]', ?, ?, ?, ?)",
                (start, end, cause, now, now, now, orjson.dumps(changed).decode()),
            )
            return _id_of(done)

    def due(self) -> Restatement | None:
        """The oldest that is not done."""
        with self._lock:
            row = self._db.execute(
                f"SELECT {COLUMNS} FROM restatements WHERE done IS NULL ORDER BY version LIMIT 1"
            ).fetchone()
        return None if row is None else _row(row)

    def begin(self, version: int) -> Restatement:
        """From here on what comes late is noted anew. -> as it stands now: another process may
        have widened it since it was read"""
        with self._write() as db:
            row = db.execute(
                f"UPDATE restatements SET begun = ? WHERE version = ? RETURNING {COLUMNS}",
                (time.time_ns(), version),
            ).fetchone()
        return _row(row)

    def reached(self, version: int, beat: int) -> None:
        """A kept state was replaced at this beat: it can no longer tell that nothing differs."""
        with self._write() as db:
            db.execute(
                'UPDATE restatements SET "end" = max("end", ?) WHERE version = ?',
                (beat + 1, version),
            )

    def finish(
        self, version: int, beats: int, changed: Mapping[str, int], remark: str = ""
    ) -> None:
        with self._write() as db:
            db.execute(
                "UPDATE restatements SET done = ?, beats = ?, changed = ?, remark = ?"
                " WHERE version = ?",
                (time.time_ns(), beats, orjson.dumps(changed).decode(), remark, version),
            )

    def row(self, version: int) -> Restatement:
        """The restatement of a version. KeyError when there is none."""
        with self._lock:
            found = self._db.execute(
                f"SELECT {COLUMNS} FROM restatements WHERE version = ?", (version,)
            ).fetchone()
        if found is None:
            raise KeyError(version)
        return _row(found)

    def rows(self, start: int, end: int) -> list[Restatement]:
        """Those that touch [start, end), the newest first."""
        with self._lock:
            found = self._db.execute(
                f'SELECT {COLUMNS} FROM restatements WHERE start < ? AND "end" > ?'
                " ORDER BY version DESC",
                (end, start),
            ).fetchall()
        return [_row(row) for row in found]

    # -- what figures were

    def supersede(self, version: int, block: FigureBlock) -> None:
        """Keep what figures were before this version; NaN is not kept."""
        t, f, e = np.nonzero(~np.isnan(block.values))
        if not len(t):
            return
        with self._lock:
            self._shelf.append(
                pa.table(
                    {
                        "scope": words(np.zeros(len(t), np.int32), [block.scope]),
                        "figure": words(f, block.names),
                        "entity": words(e, block.entities),
                        "time": block.times[t],
                        "version": np.full(len(t), version, np.int64),
                        "value": block.values[t, f, e],
                    }
                )
            )

    def superseded(self, scope: str, figure: str, entity: str, time: int) -> list[Superseded]:
        """What a figure was, the newest version first."""
        found = self._shelf.query(
            """SELECT version, arg_max(value, sequence) FROM {rows}
               WHERE scope = $scope AND figure = $figure AND entity = $entity
               GROUP BY version ORDER BY version DESC""",
            time,
            time + 1,
            {"scope": scope, "figure": figure, "entity": entity},
        )
        return [] if found is None else [Superseded(v, x) for v, x in found.fetchall()]

    # -- corrections

    def correct(
        self, tag: str, start: int, end: int, scale: float, offset: float, who: str, cause: str
    ) -> int:
        """Correct the readings of a tag from now on seen in [start, end), and have what follows
        from them computed again. scale NaN: they count as BAD. -> id of the correction"""
        with self._write() as db:
            made = db.execute(
                'INSERT INTO corrections (tag, start, "end", scale, offset, made, who, cause)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (tag, start, end, _stored(scale), offset, time.time_ns(), who, cause),
            )
            self._note(db, start, end, f"correction: {cause}", [tag])
            return _id_of(made)

    def withdraw(self, id_: int) -> bool:
        """Take a correction back; tells whether there was one."""
        with self._write() as db:
            row = db.execute(
                "UPDATE corrections SET withdrawn = ? WHERE id = ? AND withdrawn IS NULL"
                ' RETURNING tag, start, "end", cause',
                (time.time_ns(), id_),
            ).fetchone()
            if row is None:
                return False
            tag, start, end, cause = row
            self._note(db, start, end, f"correction withdrawn: {cause}", [tag])
            return True

    def corrections(self, withdrawn: bool = False) -> list[Correction]:
        """Those that hold, in the order they were made; or also those that were withdrawn."""
        with self._lock:
            found = self._db.execute(
                """SELECT id, tag, start, "end", coalesce(scale, 'nan'), offset, made, who, cause,
                     withdrawn
                   FROM corrections WHERE withdrawn IS NULL OR ? ORDER BY id""",
                (withdrawn,),
            ).fetchall()
        return [
            Correction(id_, tag, start, end, float(scale), *rest)
            for id_, tag, start, end, scale, *rest in found
        ]

    def corrected(self, batch: Batch) -> Batch:
        """The readings as they count: corrections apply one after the other."""
        rows = self.corrections()
        if not rows or not len(batch):
            return batch
        values, quality = batch.values.copy(), batch.quality.copy()
        for row in rows:
            column = self._plant.column_of.get(row.tag, -1)
            meant = (batch.tags == column) & (batch.times >= row.start) & (batch.times < row.end)
            if np.isnan(row.scale):
                values[meant] = np.nan
                quality[meant] = (quality[meant] & ~np.uint8(Quality.SEVERITY)) | Quality.BAD
            else:
                values[meant] = values[meant] * row.scale + row.offset
        return Batch(batch.tags, batch.times, values, quality)

    def _note(
        self, db: sqlite3.Connection, start: int, end: int, cause: str, tags: Sequence[str]
    ) -> int:
        waiting = db.execute(
            f"SELECT {COLUMNS} FROM restatements WHERE begun IS NULL AND cause = ?", (cause,)
        ).fetchone()
        now = time.time_ns()
        if waiting is None:
            done = db.execute(
                'INSERT INTO restatements (start, "end", cause, tags, noted)'
                " VALUES (?, ?, ?, ?, ?)",
                (start, end, cause, _tags(tags), now),
            )
            return _id_of(done)
        was = _row(waiting)
        db.execute(
            'UPDATE restatements SET start = ?, "end" = ?, tags = ?, noted = ? WHERE version = ?',
            (min(start, was.start), max(end, was.end), _tags((*was.tags, *tags)), now, was.version),
        )
        return was.version

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction, all or nothing. StoreUnavailable: the disk takes nothing now."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                reason = passing(error)
                if reason is not None:
                    raise StoreUnavailable(f"restatements: {reason}") from error
                raise


def _id_of(inserted: sqlite3.Cursor) -> int:
    assert inserted.lastrowid is not None
    return inserted.lastrowid


def _tags(names: Sequence[str]) -> str:
    return orjson.dumps(list(dict.fromkeys(names))[:MOST_TAGS]).decode()


def _stored(scale: float) -> float | None:
    return None if np.isnan(scale) else scale


def _row(row: Sequence[Any]) -> Restatement:
    version, start, end, cause, tags, *rest = row
    noted, begun, done, beats, changed, remark = rest
    return Restatement(
        version, start, end, cause, tuple(orjson.loads(tags)), noted, begun, done, beats,
        orjson.loads(changed), remark,
    )  # fmt: skip
