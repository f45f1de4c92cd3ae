"""One subscription of a server and its monitored items, in calls as large as the server takes."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import numpy as np
import structlog
from asyncua import ua
from asyncua.ua import uaerrors
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from numpy.typing import NDArray

from collector.opcua.items import Items
from collector.opcua.limits import Limits
from collector.opcua.services import Services, read_request
from collector.source import SourceHealth
from plant.batch import SECOND
from plant.model import Source, Tag

KEEP_ALIVE_S = 2.0
LIFETIME_S = 60.0
LONGEST_SAMPLING_S = 1.0
OUTAGE_S = 30.0
"""Queues are asked for that last so long while we are away."""
LONGEST_QUEUE = 1000
MOST_AT_ONCE = 200_000
"""Values in a notification: what waits after an outage must not come as one message."""

FILTER_REFUSED = (
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadMonitoredItemFilterUnsupported,
)

log = structlog.get_logger()

Wanted = tuple[int, ua.NodeId]
"""The item and its node in this session."""


class Subscription:
    """monitored(handles, at) is called as soon as items are made; at: when, by the server's clock
    [ns], 0 where it does not say.

    making: held while items are made and not yet told to `monitored`; their first values wait.

    id: 0 before `create`. publishing_s, keep_alive_s: as the server revised them. nodes: of the
    items that are monitored. whole: every item was tried. reporting: the server is to send what
    the items see; else it stands by, and they see nothing unless the source's servers are hot.
    """

    def __init__(
        self,
        services: Services,
        limits: Limits,
        source: Source,
        items: Items,
        health: SourceHealth,
        monitored: Callable[[Sequence[int], int], None],
        reporting: bool = True,
    ) -> None:
        self.id = 0
        self.reporting = reporting
        self.publishing_s = self._asked_s = float(source.options.get("publishing_interval_s", 1.0))
        self.keep_alive_s = KEEP_ALIVE_S
        self.nodes: dict[int, ua.NodeId] = {}
        self.whole = False
        self.making = asyncio.Lock()
        self._ids: dict[int, int] = {}  # of monitored items, by handle
        self._replaced: list[int] = []  # of items that were made anew
        self._by_value: set[int] = set()
        self._revised: dict[int, tuple[float, int]] = {}  # sampling interval [s], queue
        self._services = services
        self._limits = limits
        self._source = source
        self._items = items
        self._health = health
        self._monitored = monitored
        self._hot = source.options.get("redundancy") == "hot"

    @property
    def _mode(self) -> ua.MonitoringMode:
        sampling = self.reporting or self._hot
        return ua.MonitoringMode.Reporting if sampling else ua.MonitoringMode.Disabled

    @property
    def by_value(self) -> set[int]:
        """Items that report changes of value and status only."""
        return self._by_value

    async def create(self) -> None:
        """On the server, without items so far."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters.RequestedPublishingInterval = self._asked_s * 1000
        request.Parameters.RequestedMaxKeepAliveCount = self._intervals(KEEP_ALIVE_S)
        request.Parameters.RequestedLifetimeCount = self._intervals(LIFETIME_S)
        request.Parameters.PublishingEnabled = self.reporting
        request.Parameters.MaxNotificationsPerPublish = MOST_AT_ONCE
        response = await self._services.call(request, ua.CreateSubscriptionResponse)
        told = response.Parameters
        self.id = told.SubscriptionId
        self.publishing_s = told.RevisedPublishingInterval / 1000
        self.keep_alive_s = self.publishing_s * told.RevisedMaxKeepAliveCount
        lifetime_s = self.publishing_s * told.RevisedLifetimeCount
        self._health.revised["publishing"] = (
            f"{self.publishing_s:g} s (asked {self._asked_s:g} s), keep-alive "
            f"{self.keep_alive_s:g} s, lifetime {lifetime_s:g} s"
        )
        if self.publishing_s > 1.01 * self._asked_s:
            log.warning(
                "the server publishes less often than asked: samples come later",
                source=self._source.id,
                asked_s=self._asked_s,
                revised_s=self.publishing_s,
            )

    async def fill(self) -> None:
        """With all tags that can be resolved. What it has brings values meanwhile."""
        self._health.unresolved.clear()
        await self._monitor(range(len(self._items.tags)))
        self.whole = True

    async def report(self, on: bool) -> bool:
        """Have the server send from now on, or stand by. False when it does not do so."""
        self.reporting = on
        if not self._hot:
            ids = list(self._ids.values())
            results = await self._limits.in_calls("monitor", ids, self._set_mode)
            if not all(result.is_good() for result in results):
                return False
        request = ua.SetPublishingModeRequest()
        request.Parameters = ua.SetPublishingModeParameters(on, [self.id])
        response = await self._services.call(request, ua.SetPublishingModeResponse)
        return all(result.is_good() for result in response.Parameters.Results)

    async def transfer(self) -> bool:
        """To the session of now; False when the server has it no more, or cannot."""
        request = ua.TransferSubscriptionsRequest()
        request.Parameters = ua.TransferSubscriptionsParameters([self.id], False)
        try:
            response = await self._services.call(request, ua.TransferSubscriptionsResponse)
        except uaerrors.UaStatusCodeError:
            return False
        return all(result.StatusCode.is_good() for result in response.Parameters.Results)

    async def delete(self) -> None:
        """Give it back to the server."""
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [self.id]
        await self._services.call(request, ua.DeleteSubscriptionsResponse)

    async def retry_unresolved(self) -> None:
        """Try the items again that the server did not know."""
        unknown = self._health.unresolved
        await self._monitor(
            h for h, tags in enumerate(self._items.tags) if any(t.id in unknown for t in tags)
        )

    async def remake(self, handles: Iterable[int]) -> None:
        """These items again: they bring nothing any more. The old ones go with `drop_replaced`, so
        that nothing is lost where they did."""
        dead = [h for h in handles if h in self._ids]
        self._replaced += [self._ids.pop(h) for h in dead]
        for handle in dead:
            del self.nodes[handle], self._revised[handle]
            self._unresolved(handle, "being asked for again")  # until it is, whatever happens
        await self._monitor(dead)

    async def drop_replaced(self) -> None:
        replaced, self._replaced = self._replaced, []
        await self._limits.in_calls("monitor", replaced, self._delete_items)

    async def read(self, handles: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], bytes]]:
        """ReadResponses of the values of these items, and which items each is of."""
        bodies: list[tuple[NDArray[np.int64], bytes]] = []

        async def ask(part: Sequence[int]) -> Sequence[int]:
            body = await self._services.send(read_request([self.nodes[h] for h in part]))
            bodies.append((np.array(part, np.int64), body))
            return part

        await self._limits.in_calls("read", [h for h in handles.tolist() if h in self.nodes], ask)
        return bodies

    def sampling_s(self, handle: int) -> float:
        """As the server revised it, else as it is asked for: twice as often as the tag is expected
        to change, so that no change hides another."""
        if handle in self._revised and self._revised[handle][0] > 0:
            return self._revised[handle][0]
        asked: float = self._source.options.get("sampling_interval_s", 0.0)
        shortest = min(tag.interval_s for tag in self._items.tags[handle])
        return asked or min(shortest / 2, LONGEST_SAMPLING_S)

    def _intervals(self, seconds: float) -> int:
        return max(1, round(seconds / self._asked_s))

    async def _monitor(self, handles: Iterable[int]) -> None:
        uris = await self._services.namespaces()
        wanted: list[Wanted] = []
        for handle in handles:
            try:
                wanted.append((handle, self._node_id(self._items.tags[handle][0], uris)))
            except (LookupError, uaerrors.UaError) as error:
                self._unresolved(handle, str(error.args[0] if error.args else error))
        made = await self._limits.in_calls("monitor", wanted, self._create_items)
        self._tell_revised([handle for handle in made if handle >= 0])

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

    async def _create_items(self, chunk: Sequence[Wanted]) -> list[int]:
        """Create monitored items -> their handles, -1 for those that cannot be."""
        async with self.making:
            return await self._create_and_tell(chunk)

    async def _create_and_tell(self, chunk: Sequence[Wanted]) -> list[int]:
        results, at = await self._create(chunk, timestamp_trigger=True)
        plain = [i for i, result in enumerate(results) if result.StatusCode.value in FILTER_REFUSED]
        if plain:
            retried, at = await self._create([chunk[i] for i in plain], timestamp_trigger=False)
            for i, result in zip(plain, retried, strict=True):
                results[i] = result
                self._by_value.add(chunk[i][0])
        made = []
        for (handle, node), result in zip(chunk, results, strict=True):
            if not result.StatusCode.is_good():
                self._unresolved(handle, f"{result.StatusCode.name} for node {node.to_string()}")
                made.append(-1)
                continue
            for tag in self._items.tags[handle]:
                self._health.unresolved.pop(tag.id, None)
            self.nodes[handle] = node
            self._ids[handle] = result.MonitoredItemId
            self._revised[handle] = (
                result.RevisedSamplingInterval / 1000,
                result.RevisedQueueSize,
            )
            made.append(handle)
        self._monitored([handle for handle in made if handle >= 0], at)
        return made

    async def _create(
        self, chunk: Sequence[Wanted], timestamp_trigger: bool
    ) -> tuple[list[ua.MonitoredItemCreateResult], int]:
        """(results, the server's time of its answer [ns])"""
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self.id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        for handle, node in chunk:
            item = ua.MonitoredItemCreateRequest()
            item.ItemToMonitor = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value)
            item.MonitoringMode = self._mode
            item.RequestedParameters.ClientHandle = handle
            item.RequestedParameters.SamplingInterval = self.sampling_s(handle) * 1000
            item.RequestedParameters.QueueSize = self._asked_queue(handle)
            item.RequestedParameters.DiscardOldest = True
            if timestamp_trigger:
                item.RequestedParameters.Filter = ua.DataChangeFilter(
                    Trigger=ua.DataChangeTrigger.StatusValueTimestamp
                )
            request.Parameters.ItemsToCreate.append(item)
        response = await self._services.call(request, ua.CreateMonitoredItemsResponse)
        results = cast(list[ua.MonitoredItemCreateResult], response.Results)
        if len(results) != len(chunk):
            raise ConnectionError(f"{len(results)} results for {len(chunk)} monitored items")
        return results, max(0, round(response.ResponseHeader.Timestamp.timestamp() * SECOND))

    async def _set_mode(self, ids: Sequence[int]) -> list[ua.StatusCode]:
        request = ua.SetMonitoringModeRequest()
        request.Parameters = ua.SetMonitoringModeParameters(self.id, self._mode, list(ids))
        response = await self._services.call(request, ua.SetMonitoringModeResponse)
        return cast(list[ua.StatusCode], response.Parameters.Results)

    async def _delete_items(self, ids: Sequence[int]) -> list[ua.StatusCode]:
        request = ua.DeleteMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self.id
        request.Parameters.MonitoredItemIds = list(ids)
        response = await self._services.call(request, ua.DeleteMonitoredItemsResponse)
        return cast(list[ua.StatusCode], response.Results)

    def _needed_queue(self, handle: int) -> int:
        """For all samples of a publishing interval."""
        asked: int = self._source.options.get("queue_size", 0)
        return asked or math.ceil(self.publishing_s / self.sampling_s(handle)) + 1

    def _asked_queue(self, handle: int) -> int:
        """For an outage too: it costs a server nothing until values wait."""
        if self._source.options.get("queue_size", 0):
            return self._needed_queue(handle)
        ample = math.ceil((self.publishing_s + OUTAGE_S) / self.sampling_s(handle)) + 1
        return max(self._needed_queue(handle), min(ample, LONGEST_QUEUE))

    def _tell_revised(self, made: Sequence[int]) -> None:
        """What the server made of the intervals and queues, and what will be missing for it."""
        samplings = Counter(interval for interval, _ in self._revised.values())
        queues = Counter(size for _, size in self._revised.values())
        self._health.revised["sampling"] = _table(samplings, " s")
        self._health.revised["queue"] = _table(queues, "")
        short = [h for h in made if self._revised[h][1] < self._needed_queue(h)]
        slow = [
            h
            for h in made
            if self._revised[h][0] > 1.01 * min(t.interval_s for t in self._items.tags[h])
        ]
        if short:
            log.warning(
                "the server grants shorter queues than needed: samples between two publishings "
                "may be lost; shorten publishing_interval_s",
                source=self._source.id,
                tags=self._count(short),
                example=self._items.tags[short[0]][0].id,
                granted=self._revised[short[0]][1],
                needed=self._needed_queue(short[0]),
            )
        if slow:
            log.warning(
                "the server samples less often than the tags' interval_s: changes between two "
                "samplings are not seen; raise interval_s, or have the server sample faster",
                source=self._source.id,
                tags=self._count(slow),
                example=self._items.tags[slow[0]][0].id,
                revised_s=self._revised[slow[0]][0],
            )

    def _count(self, handles: Iterable[int]) -> int:
        return sum(len(self._items.tags[h]) for h in handles)


def _table(counts: Counter[float] | Counter[int], unit: str) -> str:
    """The commonest first: `0.5 s of 1200 items, 1 s of 30`."""
    most = [f"{what:g}{unit} of {n}" for what, n in counts.most_common(5)]
    rest = len(counts) - len(most)
    return ", ".join([*most, f"{rest} more"] if rest > 0 else most)
