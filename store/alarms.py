"""The alarms table: exactly one open alarm for each (entity, rule), through kill -9 and races.

States as of ISA-18.2: unack-active, ack-active, rtn-unack (back to normal, not acknowledged),
normal. An alarm is open until it is normal. Shelved and out-of-service will be further states. Each
change leaves a row in the audit table, in the same transaction.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from plant.model import AlarmRule, Plant
from store.facts import passing
from store.segments import Event

ALL_TIME = np.iinfo(np.int64).min, np.iinfo(np.int64).max
AFTER_RAISE = {"rtn-unack": "unack-active"}
AFTER_CLEAR = {"unack-active": "rtn-unack", "ack-active": "normal"}
AFTER_ACKNOWLEDGE = {"unack-active": "ack-active", "rtn-unack": "normal"}


class NoSuchAlarm(LookupError):
    pass


class AlreadyAcknowledged(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule (its id) that became active or inactive for an entity (its id) at a time, ns."""

    rule: str
    entity: str
    active: bool
    time: int
    value: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. Times are ns, None where it has not happened. raised: at first; an alarm that
    comes back before it was acknowledged stays the same one. value, limit: at the last raise, in
    the unit of what the rule watches; NaN where there is none."""

    id: int
    rule: str
    entity: str
    state: str
    priority: int
    label: str
    label_zh: str
    value: float
    limit: float
    raised: int
    cleared: int | None
    acknowledged: int | None
    acknowledged_by: str
    comment: str

    def event(self) -> Event:
        """As the store keeps it: a later state of the same alarm replaces it."""
        key = f"{self.rule}@{self.entity}"  # ids differ between two collectors of one plant
        row = {**asdict(self), "key": key, "time": self.raised}
        return Event("alarm", {k: None if v != v else v for k, v in row.items()})


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the audit table."""

    alarm: int
    time: int
    action: str  # raised, cleared, acknowledged, removed
    state: str  # after it
    who: str
    comment: str


COLUMNS = ", ".join(f'"{f.name}"' for f in fields(Alarm))


class AlarmTable:
    """Any number of threads and processes may share the file."""

    def __init__(self, path: Path, plant: Plant) -> None:
        self._plant = plant
        self._rules = {rule.id: rule for rule in plant.alarms}
        self._lock = threading.RLock()
        self._waiting: list[Transition] = []  # while the disk takes nothing
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(files("store").joinpath("alarms.sql").read_text("utf-8"))

    def apply(self, transitions: Sequence[Transition]) -> list[Event]:
        """Raise and clear. A transition that is not newer than the last of its (entity, rule) has
        been applied before and changes nothing. While the disk takes nothing they wait for the next
        call. -> the alarms that changed, as events to keep"""
        changed = []
        self._waiting += transitions
        try:
            with self._write() as db:
                for t in self._waiting:
                    rule = self._rules[t.rule]
                    changed += (_raise if t.active else _clear)(db, rule, t)
        except sqlite3.OperationalError as error:
            if passing(error) is None:
                raise
            return []
        self._waiting.clear()
        return [alarm.event() for alarm in changed]

    @property
    def waiting(self) -> int:
        """Transitions that are not in the table yet."""
        return len(self._waiting)

    def acknowledge(self, id_: int, who: str, comment: str = "", at: int | None = None) -> Alarm:
        """Someone has taken note (`at`: ns, now when None). NoSuchAlarm, AlreadyAcknowledged."""
        moment = time.time_ns() if at is None else at
        with self._write() as db:
            alarm = self.get(id_)
            state = AFTER_ACKNOWLEDGE.get(alarm.state)
            if state is None:
                by = f"by {alarm.acknowledged_by}" if alarm.acknowledged_by else "or is over"
                raise AlreadyAcknowledged(f"alarm {id_} was acknowledged already {by}")
            db.execute(
                """UPDATE alarms SET state = ?, acknowledged = ?, acknowledged_by = ?, comment = ?
                   WHERE id = ?""",
                (state, moment, who, comment, id_),
            )
            return _audited(db, id_, moment, "acknowledged", who, comment)

    def retire(self, at: int) -> list[Event]:
        """Close the open alarms whose rule or entity the plant file no longer has."""
        alive = {(e, r.id) for r in self._plant.alarms for e in self._plant.entities(r.each)}
        retired = []
        with self._write() as db:
            for alarm in self.open():
                if (alarm.entity, alarm.rule) not in alive:
                    db.execute(
                        "UPDATE alarms SET state = 'normal', cleared = ?, moved = ? WHERE id = ?",
                        (at, at, alarm.id),
                    )
                    retired.append(_audited(db, alarm.id, at, "removed", "plant file", ""))
        return [alarm.event() for alarm in retired]

    def get(self, id_: int) -> Alarm:
        found = self._select("WHERE id = ?", (id_,))
        if not found:
            raise NoSuchAlarm(f"there is no alarm {id_}")
        return found[0]

    def open(self) -> list[Alarm]:
        """All open ones: highest priority first, then newest."""
        return self._select("WHERE state <> 'normal' ORDER BY priority, raised DESC, id DESC", ())

    def history(
        self, start: int | None = None, end: int | None = None, limit: int = 1000
    ) -> list[Alarm]:
        """Alarms that stood at some time in [start, end), newest first."""
        first, last = (
            bound if given is None else given
            for given, bound in zip((start, end), ALL_TIME, strict=True)
        )
        return self._select(
            """WHERE raised < ? AND (cleared IS NULL OR cleared >= ?)
               ORDER BY raised DESC, id DESC LIMIT ?""",
            (last, first, limit),
        )

    def audit(self, id_: int) -> list[Change]:
        """What happened to one alarm, in order."""
        sql = (
            "SELECT alarm, time, action, state, who, comment FROM audit WHERE alarm = ? ORDER BY id"
        )
        with self._lock:
            return [Change(*row) for row in self._db.execute(sql, (id_,))]

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _select(self, where: str, parameters: Sequence[object]) -> list[Alarm]:
        with self._lock:
            rows = self._db.execute(f"SELECT {COLUMNS} FROM alarms {where}", parameters).fetchall()
        return [_alarm(row) for row in rows]

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _raise(db: sqlite3.Connection, rule: AlarmRule, t: Transition) -> list[Alarm]:
    last = _last(db, t)
    if last is not None and t.time <= last.moved:
        return []
    limit = _limit(rule, t.value)
    if last is None or last.state == "normal":
        done = db.execute(
            """INSERT INTO alarms (rule, entity, state, priority, label, label_zh, value, "limit",
                                   raised, moved)
               VALUES (?, ?, 'unack-active', ?, ?, ?, ?, ?, ?, ?)""",
            (
                *(rule.id, t.entity, rule.priority, rule.label, rule.label_zh),
                *(t.value, limit, t.time, t.time),
            ),
        )
        assert done.lastrowid is not None
        return [_audited(db, done.lastrowid, t.time, "raised")]
    if last.state not in AFTER_RAISE:
        return []
    db.execute(
        """UPDATE alarms SET state = ?, cleared = NULL, value = ?, "limit" = ?, moved = ?
           WHERE id = ?""",
        (AFTER_RAISE[last.state], t.value, limit, t.time, last.id),
    )
    return [_audited(db, last.id, t.time, "raised")]


def _clear(db: sqlite3.Connection, _: AlarmRule, t: Transition) -> list[Alarm]:
    last = _last(db, t)
    if last is None or t.time <= last.moved or last.state not in AFTER_CLEAR:
        return []
    db.execute(
        "UPDATE alarms SET state = ?, cleared = ?, moved = ? WHERE id = ?",
        (AFTER_CLEAR[last.state], t.time, t.time, last.id),
    )
    return [_audited(db, last.id, t.time, "cleared")]


class _Last(NamedTuple):
    id: int
    state: str
    moved: int  # time of its last transition


def _last(db: sqlite3.Connection, t: Transition) -> _Last | None:
    """The newest alarm of this rule and entity."""
    row = db.execute(
        """SELECT id, state, moved FROM alarms WHERE entity = ? AND rule = ?
           ORDER BY moved DESC, id DESC LIMIT 1""",
        (t.entity, t.rule),
    ).fetchone()
    return None if row is None else _Last(*row)


def _audited(
    db: sqlite3.Connection, id_: int, at: int, action: str, who: str = "", comment: str = ""
) -> Alarm:
    alarm = _alarm(db.execute(f"SELECT {COLUMNS} FROM alarms WHERE id = ?", (id_,)).fetchone())
    db.execute(
        "INSERT INTO audit (alarm, time, action, state, who, comment) VALUES (?, ?, ?, ?, ?, ?)",
        (id_, at, action, alarm.state, who, comment),
    )
    return alarm


def _limit(rule: AlarmRule, value: float) -> float:
    """The limit that the value has passed; NaN for a rule without limits."""
    if np.isnan(rule.low) or value > rule.low:
        return rule.high
    return rule.low


def _alarm(row: tuple[Any, ...]) -> Alarm:
    values = dict(zip((f.name for f in fields(Alarm)), row, strict=True))
    for name in ("value", "limit"):  # SQLite keeps a NaN as NULL
        values[name] = np.nan if values[name] is None else values[name]
    return Alarm(**values)
