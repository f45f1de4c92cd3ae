"""Replay source: samples that were kept once, delivered again, at a chosen speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

from collector.link import LinkState
from collector.source import Delivery
from plant.batch import SECOND, Batch

CHUNK_NS = 60 * SECOND


class ReplayReader:
    """Samples of [start, end) from `samples(start, end)`, with the times they had.

    speed: seconds of the past in a second of now; None: as fast as they are taken.
    """

    def __init__(
        self,
        source: str,
        samples: Callable[[int, int], Batch],
        start: int,
        end: int,
        speed: float | None = None,
    ) -> None:
        self._source = source
        self._samples = samples
        self._start = start
        self._end = end
        self._speed = speed
        self._link = LinkState(source, "replay")
        self.health = self._link.health

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        self._link.connected()
        began = time.monotonic()
        step = CHUNK_NS if self._speed is None else max(1, round(self._speed * SECOND / 2))
        for start in range(self._start, self._end, step):
            end = min(start + step, self._end)
            if self._speed is not None:
                due = began + (end - self._start) / SECOND / self._speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            batch = await asyncio.to_thread(self._samples, start, end)
            if len(batch):
                yield Delivery(self._source, batch)
