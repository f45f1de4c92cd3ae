"""The subscriptions of all sessions, and what a session may ask for in one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.status_codes import StatusCodes

from simulators.scale.hostility import Hostility
from simulators.scale.space import ScaleSpace
from simulators.scale.subscription import ScaleSubscription, revise
from simulators.scale.wire import status

DECLARED_OPERATIONS = 10_000
"""In a call, as the library's OperationLimits say."""


class ScaleSubscriptions(SubscriptionService):
    subscriptions: dict[int, ScaleSubscription]  # type: ignore[assignment]

    def __init__(self, space: ScaleSpace, hostility: Hostility) -> None:
        super().__init__(space)
        self._space = space
        self._hostility = hostility

    async def create_subscription(
        self, params: ua.CreateSubscriptionParameters, callback: Any, session_id: ua.NodeId,
        request_callback: Any = None,
    ) -> ua.CreateSubscriptionResult:  # fmt: skip
        result = ua.CreateSubscriptionResult()
        revise(result, params)
        self._sub_id_counter += 1
        number = result.SubscriptionId = self._sub_id_counter
        subscription = ScaleSubscription(
            params, result, self._space, self._hostility, callback.__self__, session_id,
            lambda: self.subscriptions.pop(number, None),
        )  # fmt: skip
        self.subscriptions[number] = subscription
        await subscription.start()
        return result

    def of(self, session_id: ua.NodeId) -> list[ScaleSubscription]:
        return [s for s in self.subscriptions.values() if s.session_id == session_id]

    def _known(self, number: int) -> ScaleSubscription:
        """Any call about a subscription keeps it alive."""
        if number not in self.subscriptions:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        self.subscriptions[number].heard()
        return self.subscriptions[number]

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        return await self._known(params.SubscriptionId).items.create_monitored_items(params)

    def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        return self._known(params.SubscriptionId).items.modify_monitored_items(params)

    def delete_monitored_items(
        self, params: ua.DeleteMonitoredItemsParameters
    ) -> list[ua.StatusCode]:
        return self._known(params.SubscriptionId).items.delete_monitored_items(
            params.MonitoredItemIds
        )

    def publish(self, acks: Iterable[ua.SubscriptionAcknowledgement]) -> tuple[int, Any]:
        codes = [
            self.subscriptions[ack.SubscriptionId].acknowledge(ack.SequenceNumber)
            if ack.SubscriptionId in self.subscriptions
            else StatusCodes.BadSubscriptionIdInvalid
            for ack in acks
        ]
        return len(self.subscriptions), [status(code) for code in codes]

    def modify_subscription(
        self, params: ua.ModifySubscriptionParameters
    ) -> ua.ModifySubscriptionResult:
        return self._known(params.SubscriptionId).modify(params)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        return self._known(params.SubscriptionId).republish(params.RetransmitSequenceNumber)

    async def transfer_subscriptions(
        self, params: ua.TransferSubscriptionsParameters, session_id: ua.NodeId, callback: Any
    ) -> list[ua.TransferResult]:
        if self._hostility.refuses_transfer:
            raise ServiceError(StatusCodes.BadServiceUnsupported)
        results = []
        for number in params.SubscriptionIds:
            if number not in self.subscriptions:
                unknown = status(StatusCodes.BadSubscriptionIdInvalid)
                results.append(ua.TransferResult(unknown))
                continue
            subscription = self.subscriptions[number]
            subscription.attach(callback.__self__, session_id)
            results.append(ua.TransferResult(status(), subscription.available()))
        return results


class ScaleSession(InternalSession):
    """One that is asked for too much at once says so."""

    hostility: Hostility

    def _check(self, operations: Any) -> None:
        if not operations:
            raise ServiceError(StatusCodes.BadNothingToDo)
        if len(operations) > (self.hostility.most_operations or DECLARED_OPERATIONS):
            raise ServiceError(StatusCodes.BadTooManyOperations)

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        self._check(params.NodesToRead)
        return await super().read(params)

    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        self._check(params.NodesToBrowse)
        return await super().browse(params)

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        self._check(params.ItemsToCreate)
        return await super().create_monitored_items(params)

    async def delete_monitored_items(
        self, params: ua.DeleteMonitoredItemsParameters
    ) -> list[ua.StatusCode]:
        self._check(params.MonitoredItemIds)
        return await super().delete_monitored_items(params)

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        refused = status(StatusCodes.BadNotWritable)
        return [refused for _ in params.NodesToWrite]
