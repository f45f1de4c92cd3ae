"""What a source was last known to say of its tags, and what a read adds to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.batch import Batch, Quality
from plant.model import Plant


@dataclass(frozen=True, slots=True)
class Known:
    """The newest reading of each tag as its source dated it; kept over sessions."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def nothing(cls, plant: Plant) -> Known:
        count = len(plant.tags)
        return cls(np.full(count, np.iinfo(np.int64).min), np.full(count, np.nan))

    def take(self, batch: Batch) -> None:
        """Remember rows that are newer than what is known; of one tag the last such row."""
        newer = batch.times > self.times[batch.tags]
        self.times[batch.tags[newer]] = batch.times[newer]
        self.values[batch.tags[newer]] = batch.values[newer]

    def compare(self, batch: Batch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows that are newer than what is known, and rows of equal value."""
        values = self.values[batch.tags]
        equal = (batch.values == values) | (np.isnan(batch.values) & np.isnan(values))
        return batch.times > self.times[batch.tags], equal

    def confirm(self, batch: Batch, server_now: int | None, received: int) -> Batch:
        """What a read tells: a newer reading as it is; any other holds at the time of the read, by
        the server's clock where it is usable, else by ours (both [ns])."""
        newer, equal = self.compare(batch)
        read_at = received if server_now is None else server_now
        usable = (read_at > self.times[batch.tags]) & (server_now is not None)
        times = np.where(newer, batch.times, np.where(usable, read_at, received))
        quality = batch.quality.copy()
        quality[~newer & ~usable] |= np.uint8(Quality.RECEIVED_TIME)
        quality[~newer & equal] |= np.uint8(Quality.CONFIRMED)
        return Batch(batch.tags, times, batch.values, quality)
