"""What the spool must not lose: each fact is kept twice, in pages apart, each copy with a CRC.

SQLite does not check what a page holds. A flipped bit in one copy is found and the other stands.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from plant.batch import Batch, Quality
from plant.model import Plant
from store.records import SourceLedger

NEVER = np.iinfo(np.int64).min
CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full; make room on it",
    sqlite3.SQLITE_IOERR: "the disk gives an error; see that it works and has room",
    sqlite3.SQLITE_READONLY: "the disk or the file is read-only; make it writable",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; see that the disk is there and writable",
    sqlite3.SQLITE_BUSY: "another process holds it; stop that one",
    sqlite3.SQLITE_LOCKED: "another process holds it; stop that one",
}
"""What SQLite says of a disk that is full, slow or away; the same may succeed later."""


class Inconsistent(sqlite3.DatabaseError):
    """Rows contradict each other though SQLite has not noticed."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def is_damage(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in CORRUPT


def passing(error: BaseException) -> str | None:
    """Why SQLite can write nothing now, and the remedy; None when this will not pass."""
    return PASSING.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


def put(db: sqlite3.Connection, name: str, blob: bytes) -> None:
    for table in ("facts", "facts_again"):
        db.execute(
            f"""INSERT INTO {table} VALUES (?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET crc = excluded.crc, blob = excluded.blob""",
            (name, zlib.crc32(blob), blob),
        )


def get(db: sqlite3.Connection, name: str) -> bytes | None:
    for table in ("facts", "facts_again"):
        try:
            row = db.execute(f"SELECT crc, blob FROM {table} WHERE name = ?", (name,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            continue
        if row and isinstance(row[1], bytes) and zlib.crc32(row[1]) == row[0]:
            blob: bytes = row[1]
            return blob
    return None


class Accounts:
    """The ledger: what became of the samples of each source."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._rows: dict[str, dict[str, dict[str, int]]] = orjson.loads(get(db, "ledger") or b"{}")

    def add(self, source: str, account: str, n: int, reason: str = "") -> None:
        """account: received, stored, spooled or rejected, this one with a reason."""
        row = self._rows.setdefault(source, {}).setdefault(account, {})
        row[reason] = row.get(reason, 0) + n

    def add_each(self, counts: Mapping[str, int], account: str, reason: str = "") -> None:
        for source, n in counts.items():
            self.add(source, account, n, reason)

    def hear(self, heard: Mapping[str, int]) -> None:
        """source -> when something of it came last, by our clock [ns]."""
        for source, at in heard.items():
            self._rows.setdefault(source, {})["heard"] = {"": at}

    def heard(self) -> dict[str, int]:
        return {source: row["heard"][""] for source, row in self._rows.items() if "heard" in row}

    def lose(self, counts: Mapping[str, int], reason: str) -> None:
        """They were in the spool and are no more."""
        for source, n in counts.items():
            self.add(source, "spooled", -n)
            self.add(source, "rejected", n, reason)

    def save(self, db: sqlite3.Connection) -> None:
        put(db, "ledger", orjson.dumps(self._rows))

    def spooled(self) -> dict[str, int]:
        return {source: row.get("spooled", {}).get("", 0) for source, row in self._rows.items()}

    def rows(self) -> Iterator[tuple[str, SourceLedger]]:
        for source, row in self._rows.items():
            received, stored, spooled = (
                row.get(account, {}).get("", 0) for account in ("received", "stored", "spooled")
            )
            rejected = {reason: n for reason, n in row.get("rejected", {}).items() if n}
            yield source, SourceLedger(received, stored, spooled, rejected)


class TagNumbers:
    """The spool's own numbers of tags, which outlive changes of the plant file: number -> column of
    the plant, -1 if it has the tag no more, and number -> source."""

    def __init__(self, rows: list[tuple[str, str]], plant: Plant) -> None:
        self.rows = rows
        self.sources = sorted({source for _, source in rows})
        index = {source: i for i, source in enumerate(self.sources)}
        self.column = np.array([plant.column_of.get(tag, -1) for tag, _ in rows], np.int32)
        self.source = np.array([index[source] for _, source in rows], np.int16)

    @classmethod
    def of(cls, db: sqlite3.Connection, plant: Plant) -> TagNumbers:
        blob = get(db, "tags")
        rows = orjson.loads(zlib.decompress(blob)) if blob else []
        return cls([(tag, source) for tag, source in rows], plant)

    def save(self, db: sqlite3.Connection) -> None:
        put(db, "tags", zlib.compress(orjson.dumps(self.rows)))

    def tally(self, sources: NDArray[np.int16]) -> dict[str, int]:
        """source -> how many of these rows; `sources` as in SampleSegment."""
        counts = np.bincount(sources, minlength=len(self.sources))
        return {name: int(n) for name, n in zip(self.sources, counts, strict=True) if n}

    def bits_of(self, sources: set[str]) -> NDArray[np.bool_]:
        """bool[numbers]: the tags of these sources."""
        wanted = np.array([source in sources for source in self.sources], np.bool_)
        return wanted[self.source] if len(self.rows) else np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True)
class Last:
    """What is known of each number, int64[numbers] in ns. NEVER where nothing came.

    newest: no time of the tag is newer. told: of its last sample, as far as it is live. The two
    differ when a server's clock was ahead and is right again, and when what came is damaged.
    """

    newest: NDArray[np.int64]
    told: NDArray[np.int64]

    @classmethod
    def nothing(cls, size: int) -> Last:
        return cls(np.full(size, NEVER, np.int64), np.full(size, NEVER, np.int64))

    def follow(self, numbers: NDArray[np.int32], batch: Batch, ahead: int) -> None:
        """Samples came, in this order. ahead: no clock is that far in the future [ns]; what is so
        much older than the newest is late."""
        np.maximum.at(self.newest, numbers, batch.times)
        late = batch.times <= self.newest[numbers] - ahead
        live = ~late & (batch.quality & Quality.BACKFILLED == 0)
        if live.all():
            self.told[numbers] = batch.times
        else:
            self.told[numbers[live]] = batch.times[live]


def save_last(db: sqlite3.Connection, upto: int, last: Last) -> None:
    """Keep what is known of each number as of segment `upto`."""
    put(db, "last", upto.to_bytes(8, "little") + last.newest.tobytes())
    put(db, "behind", zlib.compress((last.newest - last.told).tobytes(), 1))


def load_last(db: sqlite3.Connection, size: int) -> tuple[int, Last]:
    """(segment, what was known then) as saved."""
    blob = get(db, "last") or bytes(8)
    last = Last.nothing(size)
    saved = np.frombuffer(blob, np.int64, offset=8)[:size]
    last.newest[: len(saved)] = last.told[: len(saved)] = saved
    packed = get(db, "behind")
    if packed is not None:  # spools of older versions have none
        behind = np.frombuffer(zlib.decompress(packed), np.int64)[: len(saved)]
        last.told[: len(behind)] -= behind
    return int.from_bytes(blob[:8], "little"), last
