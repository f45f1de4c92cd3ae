"""A damaged spool: its file is moved aside as evidence, what can be read goes into a new one.

What cannot be read is counted as `spool_corrupt` and becomes a loss with its gap, so the ledger
closes: each source's `spooled` is what was salvaged, the rest of what it was is lost.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from plant.model import Plant
from store.bounds import CORRUPT
from store.facts import Accounts, TagNumbers, get, put
from store.tables import (
    connect,
    create,
    never_again,
    put_loss,
    read_segment,
    sound_blob,
    sound_schema,
)

MOST_FAILURES = 20_000
"""So many unreadable rows are looked around for; what lies further is taken as lost."""


def salvage(path: Path, plant: Plant) -> str:
    """Replace the file by a sound one; returns what became of it, as a line."""
    aside = _aside(path)
    _move(path, aside)
    try:
        with closing(connect(path)) as new:
            create(new)
            _mend_first_page(aside, new)
            with closing(connect(aside)) as old:
                new.execute("BEGIN IMMEDIATE")
                lost = _Salvage(old, new, plant).run()
                new.execute("COMMIT")
    except sqlite3.OperationalError:  # no room for it: everything stays as it was
        for part in _parts(path):
            part.unlink(missing_ok=True)
        _move(aside, path)
        raise
    return (
        f"{path}: was damaged; {lost} samples in it are lost, the others go on in a new file. "
        f"The damaged one is {aside}; check the disk"
    )


class _Salvage:
    def __init__(self, old: sqlite3.Connection, new: sqlite3.Connection, plant: Plant) -> None:
        self._old, self._new = old, new
        # Without the numbers no sample can be read, but whose they were is known.
        self._readable = get(old, "tags") is not None
        rows = [(tag.id, tag.source) for tag in plant.tags]
        self._tags = TagNumbers.of(old, plant) if self._readable else TagNumbers(rows, plant)
        self._failures = 0
        self._holes: list[int] = []
        self._sound: list[tuple[int, int, int]] = []  # id, first, last
        self._damaged: list[tuple[str, int, tuple[int, int], dict[str, int]]] = []

    def run(self) -> int:
        """Copy what is sound, book what is not. -> samples lost"""
        for name in ("ledger", "last", "behind") if self._readable else ("ledger",):
            blob = get(self._old, name)
            if blob is not None:
                put(self._new, name, blob)
        self._tags.save(self._new)
        self._copy("gaps", (int, str, int, int, str))
        self._copy("losses", (int, str, str, int, int, int, bytes))
        self._copy("checkpoints", (int, int, bytes))
        self._copy("recent", (int, int, int))
        self._copy("bad_lines", (int, str, int, (float, type(None)), int, str))
        if self._readable:
            self._copy("done", (int,))
        self._copy("taken", (int,))
        self._holes.clear()
        found = self._segments()
        self._delivered()
        never_again(self._new, self._newest("segments"))
        return self._book(found)

    def _copy(self, table: str, types: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(types))
        for row in self._rows(table):
            if all(isinstance(v, t) for v, t in zip(row, types, strict=True)):
                self._new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)

    def _segments(self) -> dict[str, int]:
        """Copy the sound segments. -> source -> samples in them"""
        found: dict[str, int] = {}
        for row in self._rows("segments"):
            id_, kind, samples, first, last, at, _, text, _ = row
            try:
                counts = orjson.loads(text)
                segment = read_segment(self._old, id_, self._tags)
                blob = sound_blob(self._old, id_)
                if kind == "samples" and sum(counts.values()) != samples:
                    continue
            except (sqlite3.DatabaseError, TypeError, ValueError, AttributeError):
                segment = blob = None
            unreadable = kind == "samples" and not self._readable
            if unreadable or segment is None or blob is None or not isinstance(at, int):
                self._note_damaged(row)
                continue
            marks = ", ".join("?" * len(row))
            if self._new.execute(f"INSERT OR IGNORE INTO segments VALUES ({marks})", row).rowcount:
                self._put_blob(id_)
                self._sound.append((id_, first, last))
                for source, n in counts.items():
                    found[source] = found.get(source, 0) + n
        return found

    def _delivered(self) -> None:
        """Of what was delivered the newest times are still needed."""
        for (id_,) in self._new.execute("SELECT id FROM done").fetchall():
            with suppress(sqlite3.DatabaseError):
                self._put_blob(id_)

    def _put_blob(self, id_: int) -> None:
        row = self._old.execute("SELECT * FROM blobs WHERE id = ?", (id_,)).fetchone()
        if row is not None:
            self._new.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)", row)

    def _note_damaged(self, row: tuple[Any, ...]) -> None:
        _, kind, samples, first, last, _, _, text, _ = row
        with suppress(TypeError, ValueError, AttributeError):
            counts = orjson.loads(text)
            if kind == "samples" and sum(counts.values()) == samples and first <= last:
                self._damaged.append((kind, samples, (first, last), counts))

    def _book(self, found: dict[str, int]) -> int:
        accounts = Accounts(self._new)
        if get(self._new, "ledger") is None:  # both copies are gone: what is here is what came
            accounts.add_each(found, "received")
            accounts.add_each(found, "spooled")
        lost = {s: n - found.get(s, 0) for s, n in accounts.spooled().items()}
        lost = {s: n for s, n in lost.items() if n}
        accounts.lose(lost, CORRUPT)
        accounts.save(self._new)
        unknown = dict(lost)
        for kind, samples, span, counts in self._damaged:
            put_loss(self._new, CORRUPT, kind, samples, span, self._tags.bits_of(set(counts)))
            for source, n in counts.items():
                unknown[source] = unknown.get(source, 0) - n
        rest = {source: n for source, n in unknown.items() if n > 0}
        if rest:
            bits = self._tags.bits_of(set(rest))
            put_loss(self._new, CORRUPT, "samples", sum(rest.values()), self._around_holes(), bits)
        return sum(lost.values())

    def _around_holes(self) -> tuple[int, int]:
        """From when to when what cannot be read at all may have been: what lies around tells."""
        low, high = min(self._holes, default=0), max(self._holes, default=1 << 62)
        before = [last for id_, _, last in self._sound if id_ < low]
        after = [first for id_, first, _ in self._sound if id_ > high]
        blob = get(self._new, "last") or bytes(8)
        known = np.frombuffer(blob, np.int64, offset=8)
        newest = int(known.max(initial=0))
        recent = self._new.execute(
            """SELECT min(first), max(last) FROM recent WHERE segment NOT IN
               (SELECT id FROM segments UNION ALL SELECT id FROM done)"""
        ).fetchone()
        if recent[0] is not None:
            return int(recent[0]), int(recent[1])
        first = before[-1] if before else min((f for _, f, _ in self._sound), default=newest)
        last = after[0] if after else max([newest, *(x for *_, x in self._sound)])
        return min(first, last), max(first, last)

    def _rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """The rows that can be read, ascending; what cannot is left out, down to single rows."""
        todo = [(-(1 << 63), -1), (0, self._newest(table))]
        while todo:
            low, high = todo.pop()
            at = low
            sql = f"SELECT rowid, * FROM {table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
            try:
                for id_, *row in self._old.execute(sql, (low, high)):
                    if isinstance(id_, int) and at <= id_ <= high:
                        yield tuple(row)
                        at = id_ + 1
            except sqlite3.DatabaseError:
                self._failures += 1
                if at > high:
                    continue
                if at > low:
                    todo.append((at, high))
                elif low == high or self._failures > MOST_FAILURES:
                    self._holes += [low, high]
                else:
                    middle = (low + high) // 2
                    todo += [(middle + 1, high), (low, middle)]

    def _newest(self, table: str) -> int:
        """No row can be beyond this."""
        if table == "checkpoints":
            return 1 << 62
        blob = get(self._old, "last") or bytes(8)
        newest = int.from_bytes(blob[:8], "little")
        for other in ("segments", "blobs", "recent", "done", table):
            with suppress(sqlite3.DatabaseError):
                (most,) = self._old.execute(f"SELECT max(rowid) FROM {other}").fetchone()
                if isinstance(most, int) and most < 1 << 40:
                    newest = max(newest, most)
        return newest + 1000


def _aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{path.stem}.damaged-{stamp}"
    count = 0
    while (aside := path.with_name(f"{name}{f'-{count}' if count else ''}{path.suffix}")).exists():
        count += 1
    return aside


def _parts(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def _move(path: Path, to: Path) -> None:
    for old, new in zip(_parts(path), _parts(to), strict=True):
        if old.exists():
            old.replace(new)


def _mend_first_page(damaged: Path, sound: sqlite3.Connection) -> None:
    """If its tables cannot be found, give the file the first page of a new spool, which has the
    schema and is the same in each. What it was stays beside it."""
    try:
        with closing(connect(damaged)) as db:
            sound_schema(db)
            return
    except sqlite3.DatabaseError:
        pass
    sound.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (size,) = sound.execute("PRAGMA page_size").fetchone()
    (file,) = (row[2] for row in sound.execute("PRAGMA database_list"))
    page = bytearray(Path(file).read_bytes()[:size])
    with damaged.open("r+b") as old:
        damaged.with_name(damaged.name + "-page1").write_bytes(old.read(size))
        page[28:32] = (damaged.stat().st_size // size).to_bytes(4, "big")
        page[32:40] = bytes(8)  # no free pages are known
        old.seek(0)
        old.write(page)
