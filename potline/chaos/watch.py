"""What the collector says of its sources while the storm goes on, asked of its API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from plant.model import Plant
from potline.chaos.processes import Collector

EVERY_S = 0.1


@dataclass(slots=True)
class Seen:
    """Of one source. Times are monotonic [s]."""

    received: int = -1  # since the collector's process began
    grew_at: float = 0.0  # when something of it came last
    connected: bool = False
    stalls: int = 0  # resubscriptions and reconnections since the process began


class Watch:
    """`run` asks for ever. expected_s: by source, how often something of it should come."""

    def __init__(self, plant: Plant, collector: Collector) -> None:
        self._collector = collector
        self.seen = {source.id: Seen() for source in plant.sources}
        self.asked_at = 0.0  # of the newest answer
        self.expected_s: dict[str, float] = {}
        for source in plant.sources:
            intervals = [tag.interval_s for tag in plant.tags if tag.source == source.id]
            publishing = float(source.options.get("publishing_interval_s", 0.0))
            self.expected_s[source.id] = max(min(intervals, default=60.0), publishing)
        self.live = {s for s, expected in self.expected_s.items() if expected <= 10.0}

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            answer = await asyncio.to_thread(self._collector.get, "api/v1/sources")
            if answer is not None:
                self._take(answer["sources"])
            await asyncio.sleep(max(0.0, began + EVERY_S - time.monotonic()))

    def _take(self, rows: list[dict[str, Any]]) -> None:
        self.asked_at = time.monotonic()
        for row in rows:
            seen = self.seen[row["id"]]
            if row["received"] != seen.received and row["received"]:
                seen.grew_at = self.asked_at
            seen.received = row["received"]
            seen.connected = row["link"] == "connected"
            seen.stalls = row["resubscribes"] + row["reconnects"]

    def interrupted(self, source: str) -> bool:
        """Nothing of it came for clearly longer than usual."""
        seen = self.seen[source]
        return time.monotonic() - seen.grew_at > 1.5 * self.expected_s[source] + 0.5

    async def steady(self, source: str, within_s: float) -> None:
        """Returns when it has flowed for five intervals without a pause, or after that time."""
        until = time.monotonic() + within_s
        since = time.monotonic()
        while time.monotonic() < min(until, since + 5 * self.expected_s[source]):
            if self.interrupted(source):
                since = time.monotonic()
            await asyncio.sleep(EVERY_S)

    async def flowing(
        self, sources: Collection[str], since: float, within_s: float
    ) -> dict[str, float]:
        """Seconds from `since` (monotonic) to the first samples of each, left out where none
        came within that time."""
        took: dict[str, float] = {}
        while len(took) < len(sources) and time.monotonic() < since + within_s:
            for source in sources:
                if source not in took and self.seen[source].grew_at > since:
                    took[source] = self.seen[source].grew_at - since
            await asyncio.sleep(EVERY_S / 2)
        return took

    async def stalled(self, source: str, before: int, since: float, within_s: float) -> float:
        """Seconds from `since` until more than `before` stalls are counted; inf if it never is."""
        while time.monotonic() < since + within_s:
            if self.seen[source].stalls > before:
                return self.asked_at - since
            await asyncio.sleep(EVERY_S / 2)
        return float("inf")
