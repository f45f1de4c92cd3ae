"""A subscription of the server at scale (Part 4, 5.13 and 5.14).

The values of tags come from a `Queue`; what else a client may monitor goes the library's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from simulators.scale.items import Items
from simulators.scale.samples import Samples
from simulators.scale.wire import node_id, server_time, stamp

if TYPE_CHECKING:
    from simulators.scale.hostility import Hostility
    from simulators.scale.processor import Processor
    from simulators.scale.space import ScaleSpace

SHORTEST_INTERVAL_MS = 10.0
MOST_UNACKNOWLEDGED = 64  # notifications kept for Republish
DATA_CHANGE = node_id(ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
_SKIPPED = 3  # sequence numbers, by a server that cannot count


class ScaleSubscription(InternalSubscription):
    def __init__(
        self,
        params: ua.CreateSubscriptionParameters,
        result: ua.CreateSubscriptionResult,
        space: ScaleSpace,
        hostility: Hostility,
        processor: Processor,
        session_id: ua.NodeId,
        on_end: Any,
    ) -> None:
        super().__init__(
            result, space, processor.forward_publish_response, session_id,
            delete_callback=on_end, publishing_enabled=params.PublishingEnabled,
        )  # fmt: skip
        self._on_end = on_end
        self.items = self.monitored_item_srv = Items(self, space)
        self._space = space
        self._hostility = hostility
        self._luck = random.Random(result.SubscriptionId)
        self._most: int = params.MaxNotificationsPerPublish
        self._unacknowledged: dict[int, ua.NotificationMessage] = {}
        self._outbox: deque[ua.NotificationMessage] = deque()
        self._held: ua.NotificationMessage | None = None
        self._starved = 0  # intervals without a publish request
        self._wake = asyncio.Event()

    @property
    def _connection(self) -> Processor:
        """The library changes the callback when a session comes back on another connection."""
        callback: Any = self.pub_result_callback
        return cast("Processor", callback.__self__)

    # -- from the session

    def attach(self, processor: Processor, session_id: ua.NodeId) -> None:
        """To the connection and session that its notifications go to now."""
        self.session_id = session_id
        self.pub_result_callback = processor.forward_publish_response
        self._starved = 0

    def heard(self) -> None:
        """Its session has asked for something."""
        self._starved = 0

    def acknowledge(self, number: int) -> int:
        """-> status code"""
        if self._unacknowledged.pop(number, None) is None:
            return StatusCodes.BadSequenceNumberUnknown
        return StatusCodes.Good

    def available(self) -> list[int]:
        return list(self._unacknowledged)

    def republish(self, nb: int) -> ua.NotificationMessage:
        if nb not in self._unacknowledged:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        message = copy.copy(self._unacknowledged[nb])
        message.NotificationData = [
            ua.ExtensionObject(part.TypeId, ua.ByteString(part.Body)) if is_raw(part) else part
            for part in message.NotificationData
        ]
        return message

    def modify(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        self._most = params.MaxNotificationsPerPublish
        revise(self.data, params)
        self._wake.set()
        return ua.ModifySubscriptionResult(
            self.data.RevisedPublishingInterval,
            self.data.RevisedLifetimeCount,
            self.data.RevisedMaxKeepAliveCount,
        )

    # -- from the plant

    def push(self, samples: Samples, seen_ns: int) -> None:
        self.items.queue.push(samples, seen_ns)

    # -- publishing

    async def _subscription_loop(self) -> None:
        due = time.monotonic()
        while not self._closing:
            await self._cycle()
            due = max(due + self.data.RevisedPublishingInterval / 1000, time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due - time.monotonic()):
                    await self._wake.wait()
                self._wake.clear()
                due = time.monotonic()

    async def _cycle(self) -> None:
        """Once a publishing interval."""
        if self._hostility.stalled:
            return
        self._starved += 1
        if self._starved > self.data.RevisedLifetimeCount:
            self._expire()
            return
        if not self._has_something():
            self._keep_alive_count += 1
        await self.publish_results()

    def _has_something(self) -> bool:
        if self._outbox or self._triggered_statuschanges:
            return True
        if not self._publishing_enabled:
            return False
        return bool(self._triggered_datachanges or self._triggered_events or self.items.queue.due())

    def _due(self) -> bool:
        return (
            self._startup
            or self._keep_alive_count >= self.data.RevisedMaxKeepAliveCount
            or self._has_something()
        )

    async def publish_results(self, requestdata: Any = None) -> bool:
        """Tell what is due while there are publish requests; without one the connection calls again
        when it has one. -> whether the one that was given is used up"""
        request = requestdata
        while not self._hostility.stalled and self._due():
            request = request or self._connection.get_publish_request(self.data.SubscriptionId)
            if request is None:
                break
            self._starved = 0
            if not self._outbox:
                self._compose()
            if self._outbox:
                result = self._result(self._outbox.popleft())
                await self._connection.forward_publish_response(result, request)
                request = None
        if request is not None and request is not requestdata:
            self._connection.give_back(request)
        return requestdata is not None and request is not requestdata

    def _compose(self) -> None:
        """The next message into the outbox, or what a hostile server makes of it."""
        message = self._message()
        self._startup = False
        self._keep_alive_count = 0
        if not message.NotificationData:
            self._outbox.append(message)
            return
        number = message.SequenceNumber
        self._notification_seq = number % 0xFFFF_FFFF + 1  # 0 is left out
        self._unacknowledged[number] = message
        while len(self._unacknowledged) > MOST_UNACKNOWLEDGED:
            del self._unacknowledged[next(iter(self._unacknowledged))]
        fate = self._hostility.fate(self._luck)
        if fate == "lose":
            del self._unacknowledged[number]
        elif fate == "hold" and self._held is None:
            self._held = message
        elif fate != "drop":
            self._outbox.extend([message, message] if fate == "duplicate" else [message])
            if self._held is not None:
                self._outbox.append(self._held)
                self._held = None
        if fate == "skip":
            self._notification_seq += _SKIPPED

    def _message(self) -> ua.NotificationMessage:
        """What waits, at most as much as the client takes at once; nothing: a keep-alive."""
        message = ua.NotificationMessage()
        message.SequenceNumber = self._notification_seq
        message.PublishTime = stamp(server_time(self._hostility.skew_ns))
        told = ua.PublishResult(NotificationMessage=message)
        if self._publishing_enabled:
            self._pop_triggered_datachanges(told)
            self._pop_triggered_events(told)
            if self.items.queue.due():
                body: Any = self.items.queue.encode(self._most)
                message.NotificationData.append(ua.ExtensionObject(DATA_CHANGE, body))
        self._pop_triggered_statuschanges(told)
        return message

    def _result(self, message: ua.NotificationMessage) -> ua.PublishResult:
        return ua.PublishResult(
            self.data.SubscriptionId, self.available(), self._has_something(), message
        )

    def _expire(self) -> None:
        """Nobody has asked for anything for its lifetime."""
        self._closing = True
        self._task = None
        self._on_end()
        self.items.delete_all_monitored_items()


def is_raw(part: Any) -> bool:
    """Whether a part of a notification is a queue's bytes."""
    return isinstance(part, ua.ExtensionObject)


def revise(data: ua.CreateSubscriptionResult, params: Any) -> None:
    """Intervals and counts as the server grants them."""
    data.RevisedPublishingInterval = max(params.RequestedPublishingInterval, SHORTEST_INTERVAL_MS)
    data.RevisedMaxKeepAliveCount = max(params.RequestedMaxKeepAliveCount, 1)
    data.RevisedLifetimeCount = max(
        params.RequestedLifetimeCount, 3 * data.RevisedMaxKeepAliveCount
    )
