"""Connected is not flowing: what the server has by Read that its subscription does not bring.

Each tag is looked at by Read when it is overdue, in ever longer intervals as long as nothing has
changed. Found is what is news and is not brought in the time that it may take: sampling and
publishing for a tag that changes now and then, and for one that came steadily twice its interval
since it came last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant

LOOK_AFTER = 1.4
"""Times the expected interval, then a tag is looked at; found within twice."""
FOUND_AFTER = 1.9
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

    def begin(self, columns: NDArray[np.int32], sampling_s: NDArray[np.float64],
              publishing_s: float, now: float) -> None:  # fmt: skip
        """These tags are monitored from now on."""
        self._publishing_s = publishing_s
        self.expected_s[columns] = np.maximum(self._interval_s[columns], publishing_s)
        self._latency_s[columns] = sampling_s + 1.25 * publishing_s + 0.25
        self.seen[columns] = self._looked[columns] = now
        self._look_s[columns] = self._first_look_s(columns)
        self._steady[columns] = 0
        self._due[columns] = np.inf

    def end(self, columns: NDArray[np.int32]) -> None:
        """These tags are not monitored any more."""
        self.seen[columns] = self._looked[columns] = self._due[columns] = np.inf

    def monitored(self) -> NDArray[np.int32]:
        return np.flatnonzero(self.seen < np.inf).astype(np.int32)

    def notified(self, batch: Batch, now: float) -> None:
        """Rows that the subscription brought."""
        tags = batch.tags
        gap_s = (batch.times - self._newest[tags]) / SECOND
        in_time = gap_s <= 1.25 * self.expected_s[tags]
        self._steady[tags] = np.where(in_time, self._steady[tags] + 1, 0)
        self._newest[tags] = batch.times
        self.seen[tags] = self._looked[tags] = now
        self._look_s[tags] = np.minimum(
            LOOK_AFTER * self.expected_s[tags], self.unconfirmed_s[tags]
        )
        self._due[tags] = np.inf

    def confirmed(self, columns: NDArray[np.int32], now: float) -> None:
        self.seen[columns] = self._looked[columns] = now

    def excuse(self, now: float) -> None:
        """Nothing could be brought because of ourselves."""
        self._looked[self._looked < now] = now
        self._due[:] = np.inf

    def to_confirm(self, now: float) -> NDArray[np.int64]:
        """Columns of tags that are to be known by a Read: quiet for long."""
        return np.flatnonzero(now - self.seen > self.unconfirmed_s)

    def to_look_at(self, now: float) -> NDArray[np.int64]:
        """Columns of overdue tags, those that are most so."""
        late_s = now - self._looked - self._look_s
        overdue = np.flatnonzero((late_s > 0) & (self._due == np.inf))
        if len(overdue) > MOST_LOOKS:
            worst = np.argpartition(late_s[overdue], -MOST_LOOKS)[-MOST_LOOKS:]
            overdue = overdue[worst]
        return overdue

    def looked(self, batch: Batch, differs: NDArray[np.bool_], news: NDArray[np.bool_],
               read_at: int, now: float) -> None:  # fmt: skip
        """What a Read told, at `read_at` by the server's clock [ns]. news: rows that are newer than
        what is known, differs: those of another value or status."""
        tags = batch.tags
        news = news & (differs | (read_at - batch.times >= _FRESH)) & (self._due[tags] == np.inf)
        told = tags[news]
        ahead_s = (batch.times[news] - self._newest[told]) / SECOND
        steady = (self._steady[told] >= STEADY) & (ahead_s <= LOOK_AFTER * self.expected_s[told])
        after = np.maximum(
            FOUND_AFTER * self.expected_s[told], self.expected_s[told] + SHORTEST_DELAY_S
        )
        by_cadence = np.maximum(now + 0.4 * self._publishing_s, self.seen[told] + after)
        self._due[told] = np.where(steady, by_cadence, now + self._latency_s[told])
        self._looked[tags] = now
        self._look_s[tags] = np.minimum(2 * self._look_s[tags], self.unconfirmed_s[tags])

    def not_brought(self, now: float) -> NDArray[np.int64]:
        """Columns of tags whose news should have come."""
        found = np.flatnonzero((now >= self._due) & (now >= self._spared))
        self._due[found] = np.inf
        return found

    def spare(self, columns: NDArray[np.int64], now: float) -> None:
        """Their items are made anew: not found again for AGAIN_S."""
        self._spared[columns] = now + AGAIN_S

    def _first_look_s(self, columns: NDArray[np.int32]) -> NDArray[np.float64]:
        after = LOOK_AFTER * self.expected_s[columns]
        return np.asarray(np.minimum(after, self.unconfirmed_s[columns]))
