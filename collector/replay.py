"""Replay source: what a plant with an embedded store has kept, delivered again at any speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import numpy as np

from collector.link import LinkState
from collector.source import Delivery
from collector.times import microseconds
from plant.batch import SECOND, Batch, Quality
from plant.model import Plant, Source
from store.embedded import EmbeddedStore

CHUNK_NS = 60 * SECOND
LOOK_AGAIN_S = 5.0


class ReplayReader:
    """Samples of [start, end) of the tags of the same ids, with the times they had, marked
    BACKFILLED. Waits for a store that is not there yet."""

    def __init__(self, source: Source, plant: Plant) -> None:
        options = source.options
        self._source = source.id
        self._store = EmbeddedStore(Path(options["path"]) / "store", plant)
        self._tags = [tag.column for tag in plant.tags if tag.source == source.id]
        self._start = _ns(options.get("start"))
        self._end = _ns(options.get("end"))
        self._speed: float | None = options.get("speed")
        self._link = LinkState(source.id, str(options["path"]))
        self.health = self._link.health

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        while (extent := await asyncio.to_thread(self._store.extent)) is None:
            self._link.lost(FileNotFoundError("nothing is kept there yet"))
            await asyncio.sleep(LOOK_AGAIN_S)
        self._link.connected()
        first = extent[0] if self._start is None else self._start
        last = extent[1] + 1 if self._end is None else self._end
        began = time.monotonic()
        step = CHUNK_NS if self._speed is None else max(1, round(self._speed * SECOND / 2))
        for start in range(first, last, step):
            end = min(start + step, last)
            if self._speed is not None:
                due = began + (end - first) / SECOND / self._speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            batch = await asyncio.to_thread(self._store.samples, self._tags, start, end)
            if len(batch):
                quality = batch.quality | np.uint8(Quality.BACKFILLED)
                yield Delivery(self._source, Batch(batch.tags, batch.times, batch.values, quality))


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment) * 1000
