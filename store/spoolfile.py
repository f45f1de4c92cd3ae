"""The spool's file: one process owns it, each change is a transaction, damage is mended."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

import numpy as np

from plant.model import Plant
from store.facts import Inconsistent, Last, TagNumbers, get, is_damage, passing
from store.kept import Kept
from store.order import Order
from store.records import SpoolFull, SpoolInUse
from store.salvage import salvage
from store.tables import connect, last_times, sound_schema
from store.upgrade import needs_upgrade, upgrade

T = TypeVar("T")


class SpoolFile(Kept):
    """Writes share one connection under a lock, since SQLite has one writer anyway. `notices` says
    in words, once each, what was damaged or given up."""

    def __init__(self, path: Path, plant: Plant) -> None:
        super().__init__(path, plant)
        self.notices: list[str] = []
        self._lock = threading.RLock()
        self._owner: TextIO | None = None
        self._tags = TagNumbers([], plant)
        self._numbers = np.empty(0, np.int32)
        self._last = Last.nothing(0)  # by the spool's numbers
        self._newest = 0  # segment
        self._saved = self._saving = 0  # the newest segment that the saved newest times know
        self._given: set[int] = set()  # to the writer: they may be in the store already
        self._order = Order(False, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._opened()

    def claim(self) -> None:
        """Become the one process that changes this spool (else SpoolInUse), and learn the newest
        times. Whoever first appends or delivers does this anyway."""
        with self._lock:
            if self._owner is not None:
                return
            self._owner = self._locked()
            try:
                self._learn()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    self._let_go()
                    raise
                self._mend(self._generation)
            except BaseException:
                self._let_go()
                raise

    def take_over(self, other: SpoolFile) -> None:
        """Own the file in place of another of this process, which may only read from now on."""
        with other._lock, self._lock:
            self._owner, other._owner = other._owner, None
            self._learn()

    def close(self) -> None:
        with self._lock:
            self._let_go()
            self._db.close()

    # -- inside

    def _opened(self) -> sqlite3.Connection:
        try:
            if needs_upgrade(self.path):
                with self._locked():
                    upgrade(self.path, self.plant)
            return self._checked()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise self._passing(error) from error
        with self._locked():
            self.notices.append(salvage(self.path, self.plant))
        return self._checked()

    def _checked(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            sound_schema(db)
        except BaseException:
            db.close()
            raise
        return db

    def _locked(self) -> TextIO:
        lock = self.path.with_suffix(".lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise SpoolInUse(
                f"{self.path}: another process collects into it; stop that one first"
            ) from None
        return lock

    def _let_go(self) -> None:
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def _learn(self) -> None:
        db = self._db
        (waiting,) = db.execute("SELECT count(*) FROM (SELECT 1 FROM segments LIMIT 1)").fetchone()
        if waiting and (get(db, "tags") is None or get(db, "ledger") is None):
            raise Inconsistent("neither copy of the ledger or of the tags can be read")
        tags = TagNumbers.of(db, self.plant)
        known = {row: number for number, row in enumerate(tags.rows)}
        rows = [(t.id, t.source) for t in self.plant.tags]
        new = [row for row in rows if row not in known]
        if new:
            known |= {row: len(known) + i for i, row in enumerate(new)}
            tags = TagNumbers(tags.rows + new, self.plant)
            with self._transaction():
                tags.save(db)
        self._tags = tags
        self._numbers = np.array([known[row] for row in rows], np.int32)
        self._saved, self._last = last_times(db, tags, self._ahead)
        self._given = {id_ for (id_,) in db.execute("SELECT id FROM taken")}
        given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
        self._newest = given[0] if given else 0
        self._order = Order(self.plant.spool.drain == "newest", self._newest)

    def _mend(self, generation: int) -> bool:
        with self._lock:
            if self._owner is None:
                return False
            if generation == self._generation:
                self._db.close()
                try:
                    self.notices.append(salvage(self.path, self.plant))
                    self._generation += 1
                finally:
                    self._db = connect(self.path)
                self._learn()
        return True

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return super()._read_once(work)
        except sqlite3.OperationalError as error:
            raise self._passing(error) from error

    def _passing(self, error: sqlite3.DatabaseError) -> Exception:
        """The same as SpoolFull if it may pass."""
        reason = passing(error)
        return error if reason is None else SpoolFull(f"{self.path}: {reason}")

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction, all or nothing. SpoolFull: not now."""
        self.claim()
        with self._lock:
            try:
                with self._transaction():
                    yield self._db
                self._saved = self._saving
            except sqlite3.DatabaseError as error:
                self._saving = self._saved
                if is_damage(error):
                    self._mend(self._generation)
                    raise SpoolFull(f"{self.path}: was damaged and is mended; again") from error
                raise self._passing(error) from error
            except BaseException:
                self._saving = self._saved
                raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            raise
