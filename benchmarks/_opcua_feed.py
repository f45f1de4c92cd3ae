"""An OPC UA server that does as little as can be: every item is taken, every notification is one
array sent as it is. `python -m benchmarks._opcua_feed PORT VALUES SECONDS_BETWEEN`"""

from __future__ import annotations

import asyncio
import logging
import struct
import sys
import time

import numpy as np
from asyncua import Server, ua
from asyncua.server.internal_session import InternalSession
from asyncua.ua.ua_binary import struct_to_binary

ITEM = np.dtype(
    [
        ("handle", "<u4"),
        ("mask", "u1"),
        ("type", "u1"),
        ("value", "<f8"),
        ("source", "<i8"),
        ("server", "<i8"),
    ]
)
"""A MonitoredItemNotification with a Double, its source time and its server time."""
TO_EPOCH = 116_444_736_000_000_000  # 100 ns


class Feed:
    """A PublishResponse of `values` items that changes in place."""

    def __init__(self, values: int) -> None:
        empty = struct_to_binary(self._response(ua.DataChangeNotification()))
        start = empty.index(b"\x2b\x03\x01") + 3  # of the notification's length
        items = np.zeros(values, ITEM)
        items["handle"] = np.arange(values)
        items["mask"], items["type"] = 0x0D, 11
        self.body = np.frombuffer(
            empty[:start]
            + struct.pack("<ii", 8 + items.nbytes, values)
            + items.tobytes()
            + empty[start + 8 :],
            np.uint8,
        ).copy()
        self._items = self.body[start + 8 : start + 8 + items.nbytes].view(ITEM)
        self._sequence_at = start - 21  # behind it: time, count of notifications, type
        self._sequence = 0

    @staticmethod
    def _response(notification: object) -> ua.PublishResponse:
        response = ua.PublishResponse()
        response.Parameters.SubscriptionId = 1
        response.Parameters.MoreNotifications = False
        response.Parameters.NotificationMessage.NotificationData = [notification]
        return response

    def next(self, subscription: int, handle: int) -> bytes:
        now = time.time_ns() // 100 + TO_EPOCH
        self._sequence += 1
        self._items["source"] = self._items["server"] = now
        self._items["value"] += 0.001
        self.body[12:16] = np.frombuffer(struct.pack("<I", handle), np.uint8)
        self.body[28:32] = np.frombuffer(struct.pack("<I", subscription), np.uint8)
        at = self._sequence_at
        self.body[at : at + 4] = np.frombuffer(struct.pack("<I", self._sequence), np.uint8)
        return self.body.tobytes()


async def take_any(_: InternalSession, params: ua.CreateMonitoredItemsParameters) -> list[object]:
    return [
        ua.MonitoredItemCreateResult(
            MonitoredItemId=item.RequestedParameters.ClientHandle + 1,
            RevisedQueueSize=item.RequestedParameters.QueueSize,
        )
        for item in params.ItemsToCreate
    ]


async def main(port: int, values: int, pause_s: float) -> None:
    logging.disable(logging.CRITICAL)
    InternalSession.create_monitored_items = take_any
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:potline:bench")
    feed = Feed(values)
    async with server:
        while True:
            await asyncio.sleep(pause_s)
            for client in server.bserver.clients:
                processor = client.processor
                for subscription in server.iserver.subscription_service.subscriptions:
                    request = processor.get_publish_request(subscription)
                    if request is None:
                        continue
                    body = feed.next(subscription, request.requesthdr.RequestHandle)
                    message = processor._connection.message_to_binary(
                        body, request_id=request.seqhdr.RequestId
                    )
                    client.transport.write(message)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
