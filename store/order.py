"""Which segments go to the store next: the live ones first, then those of a backlog.

Samples may go in any order: the writer resolves duplicates against what is older in the spool, too.
Figures and events replace what was kept of the same key, so one of these goes only together with,
or after, all older ones that it overlaps in time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection


class Order:
    """edge: the newest segment of the backlog; what came later is live."""

    def __init__(self, newest_first: bool, edge: int) -> None:
        self._direction = "DESC" if newest_first else "ASC"
        self._edge = edge

    def lot(self, db: sqlite3.Connection, limit: int, but: Collection[int]) -> list[int]:
        """Segments of at most `limit` samples, but one at least, ascending; none of `but`."""
        chosen: list[int] = []
        room = self._add(db, chosen, "id > ? ORDER BY id", limit, but)
        if room is None:
            # More is live than one lot: the store was away, or is too slow. It is a backlog now.
            (self._edge,) = db.execute("SELECT max(id) FROM segments").fetchone()
        else:
            self._add(db, chosen, f"id <= ? ORDER BY id {self._direction}", room, but)
        turn = _in_turn(db, sorted(chosen))
        if chosen and not turn:  # all of them wait for older ones
            chosen = []
            self._add(db, chosen, "id > 0 * ? ORDER BY id", limit, but)
            turn = _in_turn(db, chosen)
        return turn

    def _add(
        self,
        db: sqlite3.Connection,
        chosen: list[int],
        which: str,
        room: int,
        but: Collection[int],
    ) -> int | None:
        """Choose while there is room; returns the room left, None when there was not enough."""
        sql = f"SELECT id, samples FROM segments WHERE {which}"
        for id_, samples in db.execute(sql, (self._edge,)):
            if id_ in but:
                continue
            if chosen and samples > room:
                return None
            chosen.append(id_)
            room -= samples
        return room


def _in_turn(db: sqlite3.Connection, chosen: list[int]) -> list[int]:
    going: set[int] = set()
    for id_ in chosen:
        kind, first, last = db.execute(
            "SELECT kind, first, last FROM segments WHERE id = ?", (id_,)
        ).fetchone()
        older = db.execute(
            "SELECT id FROM segments WHERE kind = ? AND id < ? AND last >= ? AND +first <= ?",
            (kind, id_, first, last),
        )
        if kind == "samples" or all(other in going for (other,) in older):
            going.add(id_)
    return [id_ for id_ in chosen if id_ in going]
