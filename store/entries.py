"""Values that people enter: analyses, levels, tap weights. Only added to; a correction is one more.

An entry is of a tag and of the time at which the sample was taken; when it was entered is kept
beside. Of several entries of one (tag, time) the one entered last stands, of those entered at the
same moment the greatest; so the order in which they arrive does not matter. An entry without a
value withdraws what was said before of that time, by a person or by an instrument.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from importlib.resources import files
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any, get_args

import orjson

from plant.batch import SECOND
from plant.model import EntityKind, Plant, Signal, Tag
from plant.suggest import did_you_mean
from plant.units import UnitError, conversion

YEAR_2000 = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * SECOND
FILE = "entries.sqlite"
"""In the folder of the plant's store."""
COLUMNS = "tag, time, entered, value, who, comment"
STANDS_FIRST = "entered DESC, value DESC, who DESC, comment DESC"
"""Order of the entries of one (tag, time); SQLite takes NULL, a withdrawal, for the least."""


class EntryError(ValueError):
    """A value that cannot be entered; one line says what, where and the remedy."""


@dataclass(frozen=True, slots=True)
class Entry:
    """tag: "entity.signal". time: when the sample was taken, entered: when it was told of [ns].
    value: in the signal's unit; NaN withdraws."""

    tag: str
    time: int
    entered: int
    value: float
    who: str
    comment: str = ""


class Entries:
    """Any number of threads and processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(files("store").joinpath("entries.sql").read_text("utf-8"))

    def add(self, entries: Sequence[Entry]) -> int:
        """Keep these, all or none, durable on return. -> how many were not there already"""
        rows = [(*astuple(e)[:3], None if isnan(e.value) else e.value, e.who, e.comment)
                for e in entries]  # fmt: skip
        with self._lock:
            before = self._db.total_changes
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    f"""INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
                        ON CONFLICT DO NOTHING""",
                    rows,
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return self._db.total_changes - before

    def standing(self, tags: Sequence[str], start: int, end: int) -> list[Entry]:
        """The entry that stands of each (tag, time) in [start, end), by tag and time; a withdrawn
        one with value NaN."""
        return self._select(
            f"""SELECT {COLUMNS} FROM (
                  SELECT *, row_number() OVER (PARTITION BY tag, time ORDER BY {STANDS_FIRST}) AS n
                  FROM entries WHERE time >= ?2 AND time < ?3
                    AND tag IN (SELECT value FROM json_each(?1)))
                WHERE n = 1 ORDER BY tag, time""",
            (orjson.dumps(list(tags)).decode(), start, end),
        )

    def history(self, tags: Sequence[str], start: int, end: int, limit: int) -> list[Entry]:
        """Every entry of samples taken in [start, end), newest sample first, at most `limit`; of
        each (tag, time) the one that stands first, then what it corrects."""
        return self._select(
            f"""SELECT {COLUMNS} FROM entries WHERE time >= ?2 AND time < ?3
                  AND tag IN (SELECT value FROM json_each(?1))
                ORDER BY time DESC, tag, {STANDS_FIRST} LIMIT ?4""",
            (orjson.dumps(list(tags)).decode(), start, end, limit),
        )

    def unbooked(self) -> tuple[int, list[Entry]]:
        """What was added, by whatever process, since `booked` was told; and the newest id."""
        with self._lock:
            rows = self._db.execute(
                f"""SELECT id, {COLUMNS} FROM entries
                    WHERE id > coalesce((SELECT id FROM booked), 0) ORDER BY id"""
            ).fetchall()
        return (rows[-1][0] if rows else 0), [_entry(row[1:]) for row in rows]

    def booked(self, id_: int) -> None:
        """What follows from the entries up to `id_` is kept; durable on return."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO booked VALUES (1, ?)", (id_,))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _select(self, sql: str, parameters: Sequence[object]) -> list[Entry]:
        with self._lock:
            return [_entry(row) for row in self._db.execute(sql, parameters).fetchall()]


def _entry(row: Sequence[Any]) -> Entry:
    tag, time, entered, value, who, comment = row
    return Entry(tag, time, entered, nan if value is None else value, who, comment)


def enterable(plant: Plant) -> dict[str, Signal]:
    """Tag id -> signal of all that can be entered, whether or not an instrument gives it too."""
    slow: dict[EntityKind, list[Signal]] = {kind: [] for kind in get_args(EntityKind)}
    for signal in plant.signals.values():
        if signal.pace == "slow":
            slow[signal.entity].append(signal)
    return {
        f"{entity}.{signal.name}": signal
        for kind, signals in slow.items()
        if signals
        for entity in plant.entities(kind)
        for signal in signals
    }


def checked(
    plant: Plant,
    signals: dict[str, Signal],
    now: int,
    *,
    entity: str,
    signal: str,
    time: int,
    value: float | None,
    unit: str = "",
    who: str,
    comment: str = "",
    entered: int | None = None,
) -> Entry:
    """An entry in the signal's own unit. EntryError when it cannot be one.

    signals: as `enterable`. time, entered, now: [ns]; entered None: now. value None: withdraws.
    unit "": the signal's.
    """
    tag = f"{entity}.{signal}"
    row = signals.get(tag)
    if row is None:
        raise EntryError(_unknown(plant, signals, entity, signal))
    latest = now + round(plant.time.max_future_s * SECOND)
    moment = now if entered is None else entered
    if time > latest:
        raise EntryError(f"{tag}: the sample's time lies in the future; write when it was taken")
    if time < YEAR_2000:
        raise EntryError(f"{tag}: the sample's time is before 2000; write when it was taken")
    if moment > latest:
        raise EntryError(f"{tag}: it was entered in the future; leave `entered` out for now")
    if moment < time:
        raise EntryError(f"{tag}: it was entered before the sample was taken; correct one of both")
    if not who.strip():
        raise EntryError(f"{tag}: nobody says it; write in `who` who enters the value")
    number = nan if value is None else _in_range(plant, tag, row, value, unit)
    return Entry(tag, time, moment, number, who.strip(), comment.strip())


def _in_range(plant: Plant, tag: str, signal: Signal, value: float, unit: str) -> float:
    if not isfinite(value):
        raise EntryError(f"{tag}: {value} is not a value; leave it empty to withdraw one")
    try:
        scale, offset = conversion(unit or signal.unit, signal.unit)
    except UnitError as error:
        raise EntryError(f"{tag}: {error}") from None
    number = float(f"{value * scale + offset:.12g}")  # without the conversion's last digits
    column = plant.column_of.get(tag)
    limits: Signal | Tag = signal if column is None else plant.tags[column]
    if not limits.low <= number <= limits.high:
        raise EntryError(
            f"{tag}: {number:g} {signal.unit} is outside {limits.low:g} to {limits.high:g} "
            f"{signal.unit}; correct the value or its unit"
        )
    return number


def _unknown(plant: Plant, signals: dict[str, Signal], entity: str, signal: str) -> str:
    kinds = [k for k in get_args(EntityKind) if k != "source" and entity in plant.entities(k)]
    if not kinds:
        near = did_you_mean(entity, [t.rpartition(".")[0] for t in signals])
        return f"{entity}: no such cell, line, boiler or meter in the plant file; {near}"
    if any(f"{kind}.{signal}" in plant.signals for kind in kinds):
        return (
            f"{entity}.{signal}: it is measured all the time and is not entered; "
            "see `potline import` for an export of its readings"
        )
    own = [s.name for s in signals.values() if s.entity in kinds]
    if not own:
        return f"{entity}.{signal}: no value of a {kinds[0]} is entered; see docs/entries.md"
    names = list(dict.fromkeys(own))
    return f"{entity}.{signal}: no such signal of a {kinds[0]}; {did_you_mean(signal, names)}"
