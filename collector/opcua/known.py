"""What a source was last known to say of its tags, and what a read adds to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plant.batch import Batch, Quality


@dataclass(frozen=True, slots=True)
class Known:
    """The newest reading of each tag as its source dated it; kept over sessions. told_by: which of
    hot servers told it, see `Overlap`; 0: none."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    told_by: NDArray[np.int64]

    @classmethod
    def since(cls, newest: NDArray[np.int64]) -> Known:
        """Of an earlier process only the newest times are known."""
        return cls(newest.copy(), np.full(len(newest), np.nan), np.zeros(len(newest), np.int64))

    def take(self, batch: Batch, latest: int) -> None:
        """Remember rows that are newer than what is known. What is known to be of after `latest`
        [ns] was told by a clock that was wrong, and gives way."""
        _take(batch.tags, batch.times, batch.values, latest, self.times, self.values)

    def compare(self, batch: Batch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows that are newer than what is known, and rows of equal value."""
        values = self.values[batch.tags]
        equal = (batch.values == values) | (np.isnan(batch.values) & np.isnan(values))
        return batch.times > self.times[batch.tags], equal

    def stands(self, batch: Batch) -> NDArray[np.bool_]:
        """Rows that tell of now: not newer than what is known, nor an older reading of another
        value. Another value of the very same time is of a server whose times stand still."""
        known = self.times[batch.tags]
        _, equal = self.compare(batch)
        unknown = np.isnan(self.values[batch.tags])
        stands: NDArray[np.bool_] = (batch.times == known) | (
            (batch.times < known) & (equal | unknown)
        )
        return stands

    def confirm(
        self, batch: Batch, by_value: NDArray[np.bool_], server_now: int, received: int
    ) -> Batch:
        """What a read tells: what stands holds at the time of the read, by the server's clock where
        it is usable, else by ours (both [ns]); as they are, a value that is not known any more, and
        the same value of a newer time where only other values are notified (by_value: bool[n]). All
        else that is newer the subscription owes: told here, it would hide that it does not come."""
        stands = self.stands(batch)
        newer, equal = self.compare(batch)
        besides = newer & (equal & by_value | np.isnan(batch.values))
        standing = self.confirm_standing(batch.take(stands), server_now, received)
        return Batch.concat([batch.take(besides), standing])

    def confirm_standing(
        self, batch: Batch, read_at: NDArray[np.int64] | int, received: int
    ) -> Batch:
        """The same values, as holding when they were read by the server's clock (of all, or of each
        row [ns]) where that is usable, else by ours."""
        usable = read_at > self.times[batch.tags]
        times = np.where(usable, read_at, received)
        _, equal = self.compare(batch)
        quality = batch.quality.copy()
        quality[equal | np.isnan(self.values[batch.tags])] |= np.uint8(Quality.CONFIRMED)
        quality[~usable] |= np.uint8(Quality.RECEIVED_TIME)
        return Batch(batch.tags, times, batch.values, quality)


@njit(cache=True, nogil=True)
def _take(tags, times, values, latest, known_times, known_values):  # type: ignore[no-untyped-def]
    for i in range(len(tags)):
        tag = tags[i]
        if times[i] > known_times[tag] or known_times[tag] > latest:
            known_times[tag] = times[i]
            known_values[tag] = values[i]
