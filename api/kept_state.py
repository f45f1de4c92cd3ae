"""How much waits in the files beside the store, counted without touching them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class SpoolState:
    """segments: kind -> how many wait for the store. oldest: time of the oldest sample among them
    [ns]. lost: cause -> samples given up. refused: samples that the store refused for good."""

    segments: Mapping[str, int]
    oldest: int | None
    quarantined: int
    gaps: int
    lost: Mapping[str, int]
    refused: int


def spool_state(file: Path) -> SpoolState:
    """Of a spool.sqlite, as of one moment. sqlite3.DatabaseError when it cannot be read."""
    with closing(_reading(file)) as db:
        db.execute("BEGIN")
        (oldest,) = db.execute("SELECT min(first) FROM segments WHERE kind = 'samples'").fetchone()
        return SpoolState(
            segments=dict(db.execute("SELECT kind, count(*) FROM segments GROUP BY kind")),
            oldest=oldest,
            quarantined=_one(db, "SELECT count(*) FROM quarantine"),
            gaps=_one(db, "SELECT count(*) FROM gaps"),
            lost=dict(
                db.execute(
                    "SELECT cause, sum(samples) FROM losses WHERE kind = 'samples' GROUP BY cause"
                )
            ),
            refused=_one(db, "SELECT count(*) FROM bad_lines"),
        )


def restatements(file: Path) -> tuple[int, int]:
    """(noted, of them not done) of a restatements.sqlite."""
    with closing(_reading(file)) as db:
        noted = _one(db, "SELECT count(*) FROM restatements")
        return noted, _one(db, "SELECT count(*) FROM restatements WHERE done IS NULL")


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=5)


def _one(db: sqlite3.Connection, sql: str) -> int:
    (count,) = db.execute(sql).fetchone()
    return int(count)
