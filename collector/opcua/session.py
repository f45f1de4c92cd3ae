"""One OPC UA session: a subscription, its publish loop, and the watch over it. Reads only."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import structlog
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua import uaerrors
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary

from collector.channel import Put
from collector.opcua.decode import decode, decode_values
from collector.opcua.known import Known
from collector.scaling import Scaling
from collector.source import Delivery, SourceHealth
from collector.times import microseconds
from plant.batch import Batch
from plant.model import Plant, Source, Tag

PUBLISH_REQUESTS = 2
KEEP_ALIVE_S = 2.0
LIFETIME_S = 60.0
MISSED_KEEP_ALIVES = 3
TICK_S = 1.0
RETRY_UNRESOLVED_S = 30.0
LONGEST_UNCONFIRMED_S = 20.0
LONGEST_SAMPLING_S = 1.0
CHUNK = 1000
AMPLE_QUEUE = 100
"""Asked for at least: it costs a server nothing until values come in bursts."""

TOO_LARGE = (
    uaerrors.BadTooManyOperations,
    uaerrors.BadTcpMessageTooLarge,
    uaerrors.BadRequestTooLarge,
    uaerrors.BadResponseTooLarge,
    uaerrors.BadEncodingLimitsExceeded,
)
FILTER_REFUSED = (
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadMonitoredItemFilterUnsupported,
)

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
        self._client = client
        self._source = source
        self._health = health
        self._known = known
        self._put = put
        self._tags = [tag for tag in plant.tags if tag.source == source.id]
        self._publishing_s: float = source.options.get("publishing_interval_s", 1.0)
        self._scaling = Scaling.of(plant)
        self._columns = {tag.column: tag.column for tag in self._tags}  # by client handle
        self._nodes: dict[int, ua.NodeId] = {}  # monitored columns
        self._timestamp_trigger = np.ones(len(plant.tags), np.bool_)
        self._seen = np.full(len(plant.tags), np.inf)  # monotonic s; inf: not monitored
        self._awaited = np.zeros(len(plant.tags), np.bool_)  # its first value is still to come
        self._unconfirmed_s = np.array(
            [min(tag.hold_s, LONGEST_UNCONFIRMED_S) / 2 for tag in plant.tags]
        )
        self._subscription = 0
        self._silence_s = 0.0  # longest time without a publish response
        self._most_per_request: int = source.options.get("max_per_request", 0) or CHUNK
        self._items_per_call = self._nodes_per_read = self._most_per_request
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self._resumed = True
        self._resubscribed = False
        self._last_response = 0.0
        self._delivering = 0  # waiting for the intake, which is no silence of the server
        self._missed_since: float | None = None  # a read found what no notification brought

    async def open(self) -> None:
        limit = "Server_ServerCapabilities_OperationLimits_"
        self._items_per_call = await self._limit(limit + "MaxMonitoredItemsPerCall")
        self._nodes_per_read = await self._limit(limit + "MaxNodesPerRead")
        await self._subscribe()

    async def run(self) -> None:
        self._last_response = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(PUBLISH_REQUESTS):
                tasks.create_task(self._publish())
            tasks.create_task(self._watch())

    # -- services

    async def _call(self, request: Any, response_type: type) -> Any:
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("connection lost")
        response: Any = struct_from_binary(response_type, await protocol.send_request(request))
        response.ResponseHeader.ServiceResult.check()
        return response

    async def _read(self, nodes: Sequence[ua.NodeId]) -> tuple[int | None, list[ua.DataValue]]:
        """Values now, and the server's clock [ns], None when it does not say."""
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value) for node in nodes
        ]
        response = await self._call(request, ua.ReadResponse)
        stamp = response.ResponseHeader.Timestamp
        return (None if stamp is None else microseconds(stamp) * 1000), response.Results

    async def _limit(self, name: str) -> int:
        """One of the server's operation limits, at most ours; 0 or not readable means none."""
        _, (value,) = await self._read([ua.NodeId(getattr(ObjectIds, name))])
        number = value.Value.Value if value.Value is not None else None
        if isinstance(number, int) and number > 0:
            return min(number, self._most_per_request)
        return self._most_per_request

    # -- subscription

    async def _subscribe(self) -> None:
        """A new subscription with all tags that can be resolved; the one before is given back."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters.RequestedPublishingInterval = self._publishing_s * 1000
        request.Parameters.RequestedMaxKeepAliveCount = self._intervals(KEEP_ALIVE_S)
        request.Parameters.RequestedLifetimeCount = self._intervals(LIFETIME_S)
        request.Parameters.PublishingEnabled = True
        response = await self._call(request, ua.CreateSubscriptionResponse)
        before, self._subscription = self._subscription, response.Parameters.SubscriptionId
        interval_s = response.Parameters.RevisedPublishingInterval / 1000
        keep_alive_s = interval_s * response.Parameters.RevisedMaxKeepAliveCount
        self._silence_s = max(1.0, MISSED_KEEP_ALIVES * keep_alive_s)
        self._missed_since = None
        self._nodes.clear()
        self._seen[:] = np.inf
        self._health.unresolved.clear()
        await self._monitor(self._tags)
        if before:
            delete = ua.DeleteSubscriptionsRequest()
            delete.Parameters.SubscriptionIds = [before]
            await self._call(delete, ua.DeleteSubscriptionsResponse)

    def _intervals(self, seconds: float) -> int:
        return max(1, round(seconds / self._publishing_s))

    async def _monitor(self, tags: Sequence[Tag]) -> None:
        """Monitor these tags, in calls as large as the server takes."""
        uris = await self._client.get_namespace_array()
        wanted: list[tuple[Tag, ua.NodeId]] = []
        for tag in tags:
            node = self._node_id(tag, uris)
            if node is not None:
                wanted.append((tag, node))
        short = 0
        while wanted:
            chunk = wanted[: self._items_per_call]
            try:
                short += await self._create_items(chunk)
            except TOO_LARGE:
                if len(chunk) == 1:
                    raise
                self._items_per_call = len(chunk) // 2
                continue
            del wanted[: len(chunk)]
        if short:
            log.warning(
                "the server grants shorter queues than asked: samples between two publishings "
                "may be lost; shorten publishing_interval_s",
                source=self._source.id,
                tags=short,
            )

    def _node_id(self, tag: Tag, uris: Sequence[str]) -> ua.NodeId | None:
        """The tag's node in this session, by namespace URI; None when it cannot be resolved."""
        uri = tag.address.get("namespace") or self._source.options.get("namespace", "")
        text = tag.address["node"]
        if uri:
            if uri not in uris:
                self._health.unresolved[tag.id] = f"no namespace {uri} on the server"
                return None
            text = f"ns={uris.index(uri)};{text}"
        try:
            return ua.NodeId.from_string(text)
        except uaerrors.UaError as error:
            self._health.unresolved[tag.id] = str(error)
            return None

    async def _create_items(self, chunk: Sequence[tuple[Tag, ua.NodeId]]) -> int:
        """Create monitored items; returns how many got a shorter queue than asked for."""
        results = await self._create(chunk, timestamp_trigger=True)
        plain = [i for i, result in enumerate(results) if result.StatusCode.value in FILTER_REFUSED]
        if plain:
            retried = await self._create([chunk[i] for i in plain], timestamp_trigger=False)
            for i, result in zip(plain, retried, strict=True):
                results[i] = result
                self._timestamp_trigger[chunk[i][0].column] = False
        short = 0
        now = time.monotonic()
        for (tag, node), result in zip(chunk, results, strict=True):
            if not result.StatusCode.is_good():
                self._health.unresolved[tag.id] = (
                    f"{result.StatusCode.name} for node {node.to_string()}"
                )
                continue
            self._health.unresolved.pop(tag.id, None)
            self._nodes[tag.column] = node
            self._seen[tag.column] = now
            self._awaited[tag.column] = True
            short += result.RevisedQueueSize < self._queue_size(tag)
        return short

    async def _create(
        self, chunk: Sequence[tuple[Tag, ua.NodeId]], timestamp_trigger: bool
    ) -> list[ua.MonitoredItemCreateResult]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self._subscription
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        for tag, node in chunk:
            item = ua.MonitoredItemCreateRequest()
            item.ItemToMonitor = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value)
            item.MonitoringMode = ua.MonitoringMode.Reporting
            item.RequestedParameters.ClientHandle = tag.column
            item.RequestedParameters.SamplingInterval = self._sampling_s(tag) * 1000
            item.RequestedParameters.QueueSize = max(self._queue_size(tag), AMPLE_QUEUE)
            item.RequestedParameters.DiscardOldest = True
            if timestamp_trigger:
                item.RequestedParameters.Filter = ua.DataChangeFilter(
                    Trigger=ua.DataChangeTrigger.StatusValueTimestamp
                )
            request.Parameters.ItemsToCreate.append(item)
        response = await self._call(request, ua.CreateMonitoredItemsResponse)
        return cast(list[ua.MonitoredItemCreateResult], response.Results)

    def _sampling_s(self, tag: Tag) -> float:
        """Twice as often as the tag is expected to change, so that no change hides another."""
        asked: float = self._source.options.get("sampling_interval_s", 0.0)
        return asked or min(tag.interval_s / 2, LONGEST_SAMPLING_S)

    def _queue_size(self, tag: Tag) -> int:
        """What a tag needs at its expected interval."""
        asked: int = self._source.options.get("queue_size", 0)
        return asked or math.ceil(self._publishing_s / self._sampling_s(tag)) + 1

    # -- publish

    async def _publish(self) -> None:
        while True:
            acknowledge, self._acknowledge = self._acknowledge, []
            try:
                response = await self._client.uaclient.session.publish(acknowledge)
            except uaerrors.BadTooManyPublishRequests:
                return  # the server wants fewer outstanding: the other one goes on
            except uaerrors.UaStructParsingError:
                await self._deliver(Batch.empty(), Counter(undecodable=1), None)
                continue
            self._last_response = time.monotonic()
            result = response.Parameters
            message = result.NotificationMessage
            if message.NotificationData:
                await self._take(
                    message,
                    ua.SubscriptionAcknowledgement(
                        SubscriptionId=result.SubscriptionId,
                        SequenceNumber=message.SequenceNumber,
                    ),
                )
                self._last_response = time.monotonic()

    async def _take(
        self, message: ua.NotificationMessage, ack: ua.SubscriptionAcknowledgement
    ) -> None:
        received = time.time_ns()
        stamp = message.PublishTime
        published = None if stamp is None else microseconds(stamp) * 1000
        batches: list[Batch] = []
        refused: Counter[str] = Counter()
        for notification in message.NotificationData:
            if isinstance(notification, ua.StatusChangeNotification):
                raise ConnectionError(
                    f"subscription ended by the server: {notification.Status.name}"
                )
            if not isinstance(notification, ua.DataChangeNotification):
                refused["undecodable"] += 1
                continue
            batch, not_taken = decode(notification, self._columns, self._scaling, received)
            batches.append(batch)
            refused += not_taken
        dated = Batch.concat(batches)
        batch = self._standing(dated, published, received)
        self._known.take(dated)
        self._seen[batch.tags] = time.monotonic()
        self._missed_since = None
        await self._deliver(batch, refused, ack)

    def _standing(self, batch: Batch, published: int | None, received: int) -> Batch:
        """The first values after subscribing tell what stands now. One that the server dates no
        later than what is known is no news of that time, but a confirmation of now."""
        first = self._awaited[batch.tags]
        self._awaited[batch.tags] = False
        standing = first & (batch.times <= self._known.times[batch.tags])
        if not standing.any():
            return batch
        now = self._known.confirm_standing(batch.take(standing), published, received)
        return Batch.concat([batch.take(~standing), now])

    async def _deliver(
        self, batch: Batch, refused: Counter[str], ack: ua.SubscriptionAcknowledgement | None
    ) -> None:
        resumed, self._resumed = self._resumed, False
        durable = None if ack is None else partial(self._acknowledge_later, ack)
        self._delivering += 1
        try:
            await self._put(Delivery(self._source.id, batch, refused, resumed, durable))
        finally:
            self._delivering -= 1

    def _acknowledge_later(self, ack: ua.SubscriptionAcknowledgement) -> None:
        self._acknowledge.append(ack)

    # -- watch: connected is not flowing

    async def _watch(self) -> None:
        next_retry = time.monotonic() + RETRY_UNRESOLVED_S
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            if not self._delivering and now - self._last_response > self._silence_s:
                raise ConnectionError(
                    f"connected, but no publish response for {self._silence_s:.0f} s"
                )
            await self._confirm_quiet(now)
            if self._missed_since is not None and now - self._missed_since > self._grace_s():
                await self._mend()
            if now >= next_retry and self._health.unresolved:
                next_retry = now + RETRY_UNRESOLVED_S
                await self._monitor([t for t in self._tags if t.id in self._health.unresolved])

    def _grace_s(self) -> float:
        return LONGEST_SAMPLING_S + 3 * self._publishing_s

    async def _mend(self) -> None:
        """The server has news that the subscription does not bring: subscribe again, once a
        session; the next time take a new session."""
        if self._resubscribed:
            raise ConnectionError("connected, but the subscription brings nothing")
        self._resubscribed = True
        self._health.resubscribes += 1
        log.warning("subscription brings nothing, subscribing again", source=self._source.id)
        await self._subscribe()

    async def _confirm_quiet(self, now: float) -> None:
        """Read the tags that have been quiet for long: an unchanged value stays provably known."""
        quiet = np.flatnonzero(now - self._seen > self._unconfirmed_s)
        size = self._nodes_per_read
        for start in range(0, len(quiet), size):
            columns = quiet[start : start + size]
            try:
                server_now, values = await self._read([self._nodes[int(c)] for c in columns])
            except TOO_LARGE:
                if len(columns) == 1:
                    raise
                self._nodes_per_read = len(columns) // 2
                return
            self._seen[columns] = now
            received = time.time_ns()
            batch, refused = decode_values(
                zip(columns.tolist(), values, strict=True), self._scaling, received
            )
            newer, equal = self._known.compare(batch)
            if (newer & (~equal | self._timestamp_trigger[batch.tags])).any():
                self._missed_since = self._missed_since or now
            confirmed = self._known.confirm(batch, server_now, received)
            self._known.take(batch)
            await self._deliver(confirmed, refused, None)
