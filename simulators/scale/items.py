"""Monitored items of a subscription: those of tags are rows of its queue, others the library's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from asyncua import ua
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from simulators.scale.queue import STATUS_VALUE, Queue
from simulators.scale.samples import Samples
from simulators.scale.space import ScaleSpace
from simulators.scale.wire import server_time, status

if TYPE_CHECKING:
    from simulators.scale.subscription import ScaleSubscription

LONGEST_QUEUE = 32
_FIRST_ID = 1 << 20  # of a tag's item; the library counts up from 112
_STAMPS = {
    ua.TimestampsToReturn.Source: 4,
    ua.TimestampsToReturn.Server: 8,
    ua.TimestampsToReturn.Both: 12,
    ua.TimestampsToReturn.Neither: 0,
}


class Items(MonitoredItemService):
    def __init__(self, subscription: ScaleSubscription, space: ScaleSpace) -> None:
        super().__init__(subscription, space)
        self._space = space
        self.queue = Queue(len(space.tags.kinds))

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        results: list[ua.MonitoredItemCreateResult] = []
        rows: list[int] = []
        columns: list[int] = []
        for request in params.ItemsToCreate:
            node = request.ItemToMonitor
            column = self._space.tags.column(node.NodeId)
            if node.AttributeId != AttributeIds.Value or column < 0:
                one = ua.CreateMonitoredItemsParameters(ItemsToCreate=[request])
                results += await super().create_monitored_items(one)
                continue
            result = self._create(request, column, params.TimestampsToReturn)
            if result.StatusCode.is_good():
                rows.append(result.MonitoredItemId - _FIRST_ID)
                columns.append(column)
            results.append(result)
        self._tell(rows, columns)
        return results

    def _create(
        self, request: ua.MonitoredItemCreateRequest, column: int, stamps: ua.TimestampsToReturn
    ) -> ua.MonitoredItemCreateResult:
        asked = request.RequestedParameters
        wrong = _wrong(asked.Filter)
        if not wrong and request.ItemToMonitor.IndexRange:
            wrong = StatusCodes.BadIndexRangeNoData  # a tag is one value
        if not wrong and stamps not in _STAMPS:
            wrong = StatusCodes.BadTimestampsToReturnInvalid
        if wrong:
            return ua.MonitoredItemCreateResult(status(wrong))
        size = _queue_size(asked.QueueSize)
        row = self.queue.add(
            column, asked.ClientHandle, int(request.MonitoringMode), *_filter(asked.Filter),
            _STAMPS[stamps], size, asked.DiscardOldest,
        )  # fmt: skip
        return ua.MonitoredItemCreateResult(
            status(), _FIRST_ID + row, self._space.tags.interval_ms(column), size
        )

    def end(self, column: int, last: Samples) -> None:
        """The tag's node is gone: a last word, and nothing after it."""
        for row in self.queue.rows_of(column):
            self.queue.first(np.array([row]), last, server_time(self._space.skew_ns))
            self.queue.detach(row)

    def _tell(self, rows: list[int], columns: list[int]) -> None:
        """The value that stands is the first of an item."""
        now = self._space.tags.now(np.array(columns, np.int32))
        self.queue.first(np.array(rows, np.int64), now, server_time(self._space.skew_ns))

    def _modify_monitored_item(
        self, params: ua.MonitoredItemModifyRequest
    ) -> ua.MonitoredItemModifyResult:
        if not self._is_tag(params.MonitoredItemId):
            if params.MonitoredItemId in self._monitored_items:
                return super()._modify_monitored_item(params)
            return ua.MonitoredItemModifyResult(_UNKNOWN)
        row, asked = params.MonitoredItemId - _FIRST_ID, params.RequestedParameters
        if wrong := _wrong(asked.Filter):
            return ua.MonitoredItemModifyResult(status(wrong))
        size = _queue_size(asked.QueueSize)
        self.queue.modify(
            row, asked.ClientHandle, *_filter(asked.Filter), size, asked.DiscardOldest
        )
        interval_ms = self._space.tags.interval_ms(self.queue.tag(row))
        return ua.MonitoredItemModifyResult(status(), interval_ms, size)

    async def _set_monitoring_mode(self, mode: ua.MonitoringMode, mid: int) -> ua.StatusCode:
        if not self._is_tag(mid):
            return await super()._set_monitoring_mode(mode, mid)
        row = mid - _FIRST_ID
        enabled = self.queue.set_mode(row, int(mode))
        if enabled:
            self._tell([row], [self.queue.tag(row)])
        return status()

    def _delete_monitored_items(self, mid: int) -> ua.StatusCode:
        if not self._is_tag(mid):
            return super()._delete_monitored_items(mid)
        self.queue.remove(mid - _FIRST_ID)
        return status()

    def _is_tag(self, mid: int) -> bool:
        return self.queue.has(mid - _FIRST_ID)


_UNKNOWN = status(StatusCodes.BadMonitoredItemIdInvalid)


def _queue_size(asked: int) -> int:
    return min(max(int(asked), 1), LONGEST_QUEUE)


def _wrong(filter_: Any) -> int:
    """Why a filter cannot be, 0 when it can."""
    if _absent(filter_):
        return 0
    if type(filter_).__name__ != "DataChangeFilter":  # the library registers a twin of its class
        return StatusCodes.BadFilterNotAllowed
    if filter_.DeadbandType not in (ua.DeadbandType.None_, ua.DeadbandType.Absolute):
        return StatusCodes.BadMonitoredItemFilterUnsupported  # percent of what: no EURange here
    return 0


def _filter(filter_: Any) -> tuple[int, float]:
    """-> trigger, dead band on the wire's scale"""
    if _absent(filter_):
        return STATUS_VALUE, 0.0
    band = filter_.DeadbandValue if filter_.DeadbandType == ua.DeadbandType.Absolute else 0.0
    return int(filter_.Trigger), float(band)


def _absent(filter_: Any) -> bool:
    return filter_ is None or (isinstance(filter_, ua.ExtensionObject) and filter_.Body is None)
