"""Connected is not flowing: what the server has by Read that its subscription does not bring.

Each tag is looked at by Read when it is overdue, in ever longer intervals as long as nothing has
changed. Found is what is news and is not brought in the time that it may take: sampling and
publishing for a tag that changes now and then, and for one that came steadily twice its interval
since it came last.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant

LOOK_AFTER = 1.4
"""Times the expected interval, then a tag is looked at; found within twice."""
FOUND_AFTER = 1.9
EARLY_LOOK, EARLY_FOUND = 1.15, 1.35
"""The same when most tags are silent at once: a server that tells a Read what it does not publish
is not only late."""
EARLY_LOOKS = 10
SHORTEST_DELAY_S = 0.4
"""What a busy machine or network may add to a short interval."""
STEADY = 3
"""So many samples in its interval one after the other, and a tag is expected to go on so."""
MOST_LOOKS = 100
"""In one go: a look is no way to collect."""
LONGEST_UNCONFIRMED_S = 20.0
AGAIN_S = 30.0
_FRESH = SECOND // 20
"""A value without a time of its own is given the time of the Read; such is not news."""


class TagWatch:
    """By tag of the plant; times are monotonic [s] unless said otherwise. A tag that is not
    monitored has infinite `seen`."""

    def __init__(self, plant: Plant) -> None:
        count = len(plant.tags)
        self.seen = np.full(count, np.inf)  # notified or confirmed
        self.expected_s = np.array([tag.interval_s for tag in plant.tags])
        self.unconfirmed_s = np.array(
            [min(tag.hold_s, LONGEST_UNCONFIRMED_S) / 2 for tag in plant.tags]
        )
        self._interval_s = self.expected_s.copy()
        self._latency_s = np.zeros(count)
        self._looked = np.full(count, np.inf)
        self._look_s = np.zeros(count)
        self._steady = np.zeros(count, np.int64)
        self._newest = np.zeros(count, np.int64)  # ns, as notified
        self._due = np.full(count, np.inf)  # when what a Read told should have come
        self._spared = np.full(count, -np.inf)  # until then not found again
        self._publishing_s = 0.0
        self._next_look = np.inf  # before this no tag is overdue
        self._next_due = np.inf  # and nothing is known to be missing

    def begin(self, columns: NDArray[np.int32], sampling_s: NDArray[np.float64],
              publishing_s: float, now: float) -> None:  # fmt: skip
        """These tags are monitored from now on."""
        self._publishing_s = publishing_s
        self.expected_s[columns] = np.maximum(self._interval_s[columns], publishing_s)
        self._latency_s[columns] = sampling_s + 1.25 * publishing_s + 0.25
        self.seen[columns] = self._looked[columns] = now
        self._look_s[columns] = np.minimum(
            LOOK_AFTER * self.expected_s[columns], self.unconfirmed_s[columns]
        )
        self._steady[columns] = 0
        self._due[columns] = np.inf
        self._next_look = now

    def end(self, columns: NDArray[np.int32]) -> None:
        """These tags are not monitored any more."""
        self.seen[columns] = self._looked[columns] = self._due[columns] = np.inf

    def monitored(self) -> NDArray[np.int32]:
        return np.flatnonzero(self.seen < np.inf).astype(np.int32)

    def notified(self, batch: Batch, now: float) -> None:
        """Rows that the subscription brought."""
        overdue_from = _notified(
            batch.tags, batch.times, now, self.expected_s, self.unconfirmed_s,
            self._newest, self._steady, self.seen, self._looked, self._look_s, self._due,
        )  # fmt: skip
        self._next_look = min(self._next_look, overdue_from)

    def confirmed(self, columns: NDArray[np.int32], now: float) -> None:
        self.seen[columns] = self._looked[columns] = now

    def excuse(self, now: float) -> None:
        """Nothing could be brought because of ourselves."""
        self._looked[self._looked < now] = now
        self._due[:] = np.inf
        self._next_look, self._next_due = now, np.inf

    def to_confirm(self, now: float) -> NDArray[np.int64]:
        """Columns of tags that are to be known by a Read: quiet for long."""
        return np.flatnonzero(now - self.seen > self.unconfirmed_s)

    def to_look_at(self, now: float) -> NDArray[np.int64]:
        """Columns of overdue tags, those that are most so."""
        if now <= self._next_look:
            return np.empty(0, np.int64)
        late_s = now - self._looked - self._look_s
        late_s[self._due < np.inf] = -np.inf
        overdue = np.flatnonzero(late_s > 0)
        self._next_look = now - late_s.max(initial=-np.inf) if not len(overdue) else now
        if len(overdue) > MOST_LOOKS:
            worst = np.argpartition(late_s[overdue], -MOST_LOOKS)[-MOST_LOOKS:]
            overdue = overdue[worst]
        return overdue

    def to_look_at_early(self, now: float) -> NDArray[np.int64]:
        """Some of the silent ones."""
        silent = self.silent(now)
        waiting: NDArray[np.int64] = silent[self._due[silent] == np.inf]
        return waiting[:EARLY_LOOKS]

    def looked(self, batch: Batch, differs: NDArray[np.bool_], news: NDArray[np.bool_],
               read_at: int, now: float, flowing: bool) -> None:  # fmt: skip
        """What a Read told, at `read_at` by the server's clock [ns]. news: rows that are newer than
        what is known, differs: those of another value or status. flowing: most tags are; one that
        paused and goes on is then no sign yet."""
        tags = batch.tags
        news = news & (differs | (read_at - batch.times >= _FRESH)) & (self._due[tags] == np.inf)
        told = tags[news]
        ahead_s = (batch.times[news] - self._newest[told]) / SECOND
        most = LOOK_AFTER if flowing else LOOK_AFTER + 1  # it was published up to an interval late
        steady = (self._steady[told] >= STEADY) & (ahead_s <= most * self.expected_s[told])
        after = np.maximum(
            (FOUND_AFTER if flowing else EARLY_FOUND) * self.expected_s[told],
            self.expected_s[told] + SHORTEST_DELAY_S,
        )
        by_cadence = np.maximum(now + 0.2 * self._publishing_s, self.seen[told] + after)
        self._due[told] = np.where(steady, by_cadence, now + self._latency_s[told])
        self._next_due = min(self._next_due, self._due[told].min(initial=np.inf))
        self._looked[tags] = now
        self._look_s[tags] = np.minimum(2 * self._look_s[tags], self.unconfirmed_s[tags])

    def silent(self, now: float) -> NDArray[np.int64]:
        """Columns of tags that came steadily and do not; none while those are not the most."""
        steady = (self._steady >= STEADY) & (self.seen < np.inf)
        silent = np.flatnonzero(steady & (now - self.seen > EARLY_LOOK * self.expected_s))
        return silent if 2 * len(silent) > steady.sum() else silent[:0]

    def not_brought(self, now: float) -> NDArray[np.int64]:
        """Columns of tags whose news should have come."""
        if now < self._next_due:
            return np.empty(0, np.int64)
        found = np.flatnonzero((now >= self._due) & (now >= self._spared))
        self._due[found] = np.inf
        self._next_due = self._due.min(initial=np.inf)
        self._next_look = now
        return found

    def spare(self, columns: NDArray[np.int64], now: float) -> None:
        """Their items are made anew: not found again for AGAIN_S."""
        self._spared[columns] = now + AGAIN_S


@njit(cache=True, nogil=True)
def _notified(  # type: ignore[no-untyped-def]
    tags, times, now, expected_s, unconfirmed_s, newest, steady, seen, looked, look_s, due
):
    """Returns when the first of them is overdue."""
    first = np.inf
    for i in range(len(tags)):
        tag = tags[i]
        in_time = (times[i] - newest[tag]) / SECOND <= 1.25 * expected_s[tag]
        steady[tag] = steady[tag] + 1 if in_time else 0
        newest[tag] = times[i]
        seen[tag] = looked[tag] = now
        look_s[tag] = min(LOOK_AFTER * expected_s[tag], unconfirmed_s[tag])
        due[tag] = np.inf
        first = min(first, now + look_s[tag])
    return first
