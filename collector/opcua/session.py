"""One OPC UA session: a subscription, its publish loop, and the watch over it. Reads only."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import structlog
from asyncua import ua
from asyncua.client.client import Client

from collector.channel import Put
from collector.opcua.decode import Decoder, Publication
from collector.opcua.items import Items
from collector.opcua.known import Known
from collector.opcua.losses import Losses
from collector.opcua.publish import Acknowledge, PublishLoop
from collector.opcua.services import TOO_LARGE, Services, read_request
from collector.opcua.subscription import LONGEST_SAMPLING_S, Subscription
from collector.scaling import Scaling
from collector.source import Delivery, SourceHealth
from plant.batch import Batch
from plant.model import Plant, Source

TICK_S = 1.0
RETRY_UNRESOLVED_S = 30.0
LONGEST_UNCONFIRMED_S = 20.0
CHUNK = 1000

log = structlog.get_logger()


class OpcUaSession:
    """`open` subscribes to what can be resolved; `run` ends only by an error."""

    def __init__(
        self,
        client: Client,
        source: Source,
        plant: Plant,
        health: SourceHealth,
        known: Known,
        put: Put,
    ) -> None:
        self._source = source
        self._health = health
        self._known = known
        self._put = put
        self._items = Items.of((t for t in plant.tags if t.source == source.id), Scaling.of(plant))
        self._decoder = Decoder(self._items.slots)
        self._services = Services(client)
        self._subscription = Subscription(
            self._services, source, self._items, health, self._monitored
        )
        self._losses = Losses(source.id, plant, health)
        self._publishing = PublishLoop(self._services, self._decoder, self._take)
        tags = len(plant.tags)
        self._seen = np.full(tags, np.inf)  # monotonic s; inf: not monitored
        self._awaited = np.zeros(tags, np.bool_)  # its first value is still to come
        self._handle = np.zeros(tags, np.int64)
        self._handle[self._items.slots.columns] = self._items.handles
        self._unconfirmed_s = np.array(
            [min(tag.hold_s, LONGEST_UNCONFIRMED_S) / 2 for tag in plant.tags]
        )
        self._most_per_request: int = source.options.get("max_per_request", 0) or CHUNK
        self._nodes_per_read = self._most_per_request
        self._resumed = True
        self._resubscribed = False
        self._missed_since: float | None = None  # a read found what no notification brought

    async def open(self) -> None:
        most = self._most_per_request
        per_call = await self._services.limit("MaxMonitoredItemsPerCall", most)
        self._subscription.items_per_call = per_call
        self._nodes_per_read = await self._services.limit("MaxNodesPerRead", most)
        await self._subscription.create()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publishing.run())
            tasks.create_task(self._watch())

    def _monitored(self, handles: Sequence[int]) -> None:
        columns = self._items.columns(np.array(handles, np.int64))
        self._seen[columns] = time.monotonic()
        self._awaited[columns] = True

    # -- what comes

    async def _take(
        self, publication: Publication | None, received: int, acknowledge: Acknowledge | None
    ) -> None:
        if publication is None:
            await self._deliver(Batch.empty(), Counter(undecodable=1), None)
            return
        self._losses.count(publication)
        dated = publication.batch
        batch = self._standing(dated, publication.published, received)
        self._known.take(dated)
        self._seen[batch.tags] = time.monotonic()
        self._missed_since = None
        await self._deliver(batch, publication.refused, acknowledge)
        if publication.ended:
            name = ua.StatusCode(ua.UInt32(publication.ended)).name
            raise ConnectionError(f"subscription ended by the server: {name}")

    def _standing(self, batch: Batch, published: int, received: int) -> Batch:
        """The first values after subscribing tell what stands now. One that the server dates no
        later than what is known is no news of that time, but a confirmation of now."""
        first = self._awaited[batch.tags]
        if not first.any():
            return batch
        self._awaited[batch.tags] = False
        standing = first & (batch.times <= self._known.times[batch.tags])
        now = self._known.confirm_standing(batch.take(standing), published, received)
        return Batch.concat([batch.take(~standing), now])

    async def _deliver(
        self, batch: Batch, refused: Counter[str], durable: Acknowledge | None
    ) -> None:
        resumed, self._resumed = self._resumed, False
        await self._put(Delivery(self._source.id, batch, refused, resumed, durable))

    # -- watch: connected is not flowing

    async def _watch(self) -> None:
        next_retry = time.monotonic() + RETRY_UNRESOLVED_S
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            silence_s = self._subscription.silence_s
            if self._publishing.silent_s() > silence_s:
                raise ConnectionError(f"connected, but no publish response for {silence_s:.0f} s")
            await self._confirm_quiet(now)
            if self._missed_since is not None and now - self._missed_since > self._grace_s():
                await self._mend()
            if now >= next_retry and self._health.unresolved:
                next_retry = now + RETRY_UNRESOLVED_S
                await self._subscription.retry_unresolved()

    def _grace_s(self) -> float:
        return LONGEST_SAMPLING_S + 3 * self._subscription.publishing_s

    async def _mend(self) -> None:
        """The server has news that the subscription does not bring: subscribe again, once a
        session; the next time take a new session."""
        if self._resubscribed:
            raise ConnectionError("connected, but the subscription brings nothing")
        self._resubscribed = True
        self._health.resubscribes += 1
        log.warning("subscription brings nothing, subscribing again", source=self._source.id)
        self._missed_since = None
        self._seen[:] = np.inf
        await self._subscription.create()

    async def _confirm_quiet(self, now: float) -> None:
        """Read the tags that have been quiet for long: an unchanged value stays provably known."""
        quiet = np.unique(self._handle[now - self._seen > self._unconfirmed_s])
        size = self._nodes_per_read
        for start in range(0, len(quiet), size):
            handles = quiet[start : start + size]
            request = read_request([self._subscription.nodes[int(h)] for h in handles])
            try:
                body = await self._services.send(request)
            except TOO_LARGE:
                if len(handles) == 1:
                    raise
                self._nodes_per_read = len(handles) // 2
                return
            self._seen[self._items.columns(handles)] = now
            received = time.time_ns()
            reading = self._decoder.reading(body, handles, received)
            batch = reading.batch
            newer, equal = self._known.compare(batch)
            by_time = ~np.isin(self._handle[batch.tags], list(self._subscription.by_value))
            if (newer & (~equal | by_time)).any():
                self._missed_since = self._missed_since or now
            confirmed = self._known.confirm(batch, reading.read_at, received)
            self._known.take(batch)
            await self._deliver(confirmed, reading.refused, None)
