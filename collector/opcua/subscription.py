"""The subscription of a session and its monitored items, in calls as large as a server takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import structlog
from asyncua import ua
from asyncua.ua import uaerrors
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from collector.opcua.items import Items
from collector.opcua.services import TOO_LARGE, Services
from collector.source import SourceHealth
from plant.model import Source, Tag

KEEP_ALIVE_S = 2.0
LIFETIME_S = 60.0
MISSED_KEEP_ALIVES = 3
LONGEST_SAMPLING_S = 1.0
AMPLE_QUEUE = 100
"""Asked for at least: it costs a server nothing until values come in bursts."""

FILTER_REFUSED = (
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadMonitoredItemFilterUnsupported,
)

log = structlog.get_logger()

Wanted = tuple[int, ua.NodeId]
"""The item and its node in this session."""


class Subscription:
    """monitored(handles) is called as soon as items are made, before their first values come.

    id: 0 before `create`. silence_s: the longest time without a publish response. nodes: of the
    items that are monitored. by_value: items that report changes of value and status only.
    items_per_call: what the server takes; to be set before `create`.
    """

    def __init__(
        self,
        services: Services,
        source: Source,
        items: Items,
        health: SourceHealth,
        monitored: Callable[[Sequence[int]], None],
    ) -> None:
        self.id = 0
        self.publishing_s: float = source.options.get("publishing_interval_s", 1.0)
        self.silence_s = 0.0
        self.nodes: dict[int, ua.NodeId] = {}
        self.by_value: set[int] = set()
        self._services = services
        self._source = source
        self._items = items
        self._health = health
        self._monitored = monitored
        self.items_per_call = 0

    async def create(self) -> None:
        """A new subscription with all tags that can be resolved; the one before is given back."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters.RequestedPublishingInterval = self.publishing_s * 1000
        request.Parameters.RequestedMaxKeepAliveCount = self._intervals(KEEP_ALIVE_S)
        request.Parameters.RequestedLifetimeCount = self._intervals(LIFETIME_S)
        request.Parameters.PublishingEnabled = True
        response = await self._services.call(request, ua.CreateSubscriptionResponse)
        before, self.id = self.id, response.Parameters.SubscriptionId
        interval_s = response.Parameters.RevisedPublishingInterval / 1000
        keep_alive_s = interval_s * response.Parameters.RevisedMaxKeepAliveCount
        self.silence_s = max(1.0, MISSED_KEEP_ALIVES * keep_alive_s)
        self.nodes.clear()
        self._health.unresolved.clear()
        await self._monitor(range(len(self._items.tags)))
        if before:
            delete = ua.DeleteSubscriptionsRequest()
            delete.Parameters.SubscriptionIds = [before]
            await self._services.call(delete, ua.DeleteSubscriptionsResponse)

    async def retry_unresolved(self) -> None:
        """Try the items again that the server did not know."""
        unknown = self._health.unresolved
        await self._monitor(
            h for h, tags in enumerate(self._items.tags) if any(t.id in unknown for t in tags)
        )

    def _intervals(self, seconds: float) -> int:
        return max(1, round(seconds / self.publishing_s))

    async def _monitor(self, handles: Iterable[int]) -> None:
        uris = await self._services.namespaces()
        wanted: list[Wanted] = []
        for handle in handles:
            try:
                wanted.append((handle, self._node_id(self._items.tags[handle][0], uris)))
            except (LookupError, uaerrors.UaError) as error:
                self._unresolved(handle, str(error.args[0] if error.args else error))
        short = 0
        while wanted:
            chunk = wanted[: self.items_per_call]
            try:
                short += await self._create_items(chunk)
            except TOO_LARGE:
                if len(chunk) == 1:
                    raise
                self.items_per_call = len(chunk) // 2
                continue
            del wanted[: len(chunk)]
        if short:
            log.warning(
                "the server grants shorter queues than asked: samples between two publishings "
                "may be lost; shorten publishing_interval_s",
                source=self._source.id,
                tags=short,
            )

    def _node_id(self, tag: Tag, uris: Sequence[str]) -> ua.NodeId:
        """The tag's node in this session, by namespace URI."""
        uri = tag.address.get("namespace") or self._source.options.get("namespace", "")
        text = tag.address["node"]
        if not uri:
            return ua.NodeId.from_string(text)
        if uri not in uris:
            raise LookupError(f"no namespace {uri} on the server")
        return ua.NodeId.from_string(f"ns={uris.index(uri)};{text}")

    def _unresolved(self, handle: int, why: str) -> None:
        for tag in self._items.tags[handle]:
            self._health.unresolved[tag.id] = why

    async def _create_items(self, chunk: Sequence[Wanted]) -> int:
        """Create monitored items; returns how many tags got a shorter queue than they need."""
        results = await self._create(chunk, timestamp_trigger=True)
        plain = [i for i, result in enumerate(results) if result.StatusCode.value in FILTER_REFUSED]
        if plain:
            retried = await self._create([chunk[i] for i in plain], timestamp_trigger=False)
            for i, result in zip(plain, retried, strict=True):
                results[i] = result
                self.by_value.add(chunk[i][0])
        short = 0
        made = []
        for (handle, node), result in zip(chunk, results, strict=True):
            if not result.StatusCode.is_good():
                self._unresolved(handle, f"{result.StatusCode.name} for node {node.to_string()}")
                continue
            tags = self._items.tags[handle]
            for tag in tags:
                self._health.unresolved.pop(tag.id, None)
            self.nodes[handle] = node
            made.append(handle)
            short += len(tags) * (result.RevisedQueueSize < self._queue_size(handle))
        self._monitored(made)
        return short

    async def _create(
        self, chunk: Sequence[Wanted], timestamp_trigger: bool
    ) -> list[ua.MonitoredItemCreateResult]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self.id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        for handle, node in chunk:
            item = ua.MonitoredItemCreateRequest()
            item.ItemToMonitor = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value)
            item.MonitoringMode = ua.MonitoringMode.Reporting
            item.RequestedParameters.ClientHandle = handle
            item.RequestedParameters.SamplingInterval = self._sampling_s(handle) * 1000
            item.RequestedParameters.QueueSize = max(self._queue_size(handle), AMPLE_QUEUE)
            item.RequestedParameters.DiscardOldest = True
            if timestamp_trigger:
                item.RequestedParameters.Filter = ua.DataChangeFilter(
                    Trigger=ua.DataChangeTrigger.StatusValueTimestamp
                )
            request.Parameters.ItemsToCreate.append(item)
        response = await self._services.call(request, ua.CreateMonitoredItemsResponse)
        return cast(list[ua.MonitoredItemCreateResult], response.Results)

    def _sampling_s(self, handle: int) -> float:
        """Twice as often as the tag is expected to change, so that no change hides another."""
        asked: float = self._source.options.get("sampling_interval_s", 0.0)
        shortest = min(tag.interval_s for tag in self._items.tags[handle])
        return asked or min(shortest / 2, LONGEST_SAMPLING_S)

    def _queue_size(self, handle: int) -> int:
        """What an item needs at its expected interval."""
        asked: int = self._source.options.get("queue_size", 0)
        return asked or math.ceil(self.publishing_s / self._sampling_s(handle)) + 1
