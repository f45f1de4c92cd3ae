"""A connection of the server at scale: the library's, with what real servers do besides."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_session import InternalSession, SessionState
from asyncua.server.uaprocessor import PublishRequestData, UaProcessor
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import (
    extensionobject_to_binary,
    nodeid_to_binary,
    struct_to_binary,
    uatcp_to_binary,
)

from simulators.scale.hostility import Hostility
from simulators.scale.service import ScaleSubscriptions
from simulators.scale.subscription import is_raw
from simulators.scale.wire import node_id, server_time, stamp, status

_ERROR: Any = ua.MessageType.Error
_PUBLISH = node_id(ObjectIds.PublishRequest_Encoding_DefaultBinary)
_OF_NEW_SESSIONS = [
    node_id(ObjectIds.CreateSessionRequest_Encoding_DefaultBinary),
    node_id(ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary),
]


_Untyped: Any = UaProcessor


class Processor(_Untyped):  # type: ignore[misc]  # most of the library's is not typed
    def __init__(self, iserver: Any, transport: Any, limits: Any, hostility: Hostility) -> None:
        super().__init__(iserver, transport, limits)
        self._hostility = hostility
        self.session: InternalSession | None = None
        self.service: ScaleSubscriptions = iserver.subscription_service

    async def process(self, header: Any, body: Buffer) -> bool:
        most = self._hostility.most_bytes
        if most and header.body_size + self._connection._incoming_size > most:
            code = status(StatusCodes.BadTcpMessageTooLarge)
            error = ua.ErrorMessage(code, ua.String(f"more than {most} bytes"))
            self._transport.write(uatcp_to_binary(_ERROR, error))
            return False
        return bool(await super().process(header, body))

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> bool:
        if self._hostility.answer_delay_s:
            await asyncio.sleep(self._hostility.answer_delay_s)
        closed = self.session is not None and self.session.state == SessionState.Closed
        if closed and typeid not in _OF_NEW_SESSIONS:
            raise ServiceError(StatusCodes.BadSessionIdInvalid)
        if closed and typeid == _OF_NEW_SESSIONS[1]:
            self.session = None  # the library looks the token's session up
        if typeid == _PUBLISH and self.session is not None:
            subscriptions = self.service.of(self.session.session_id)
            if not subscriptions:
                raise ServiceError(StatusCodes.BadNoSubscription)
            for each in subscriptions:
                each.heard()
        return bool(await super()._process_message(typeid, requesthdr, seqhdr, body))

    def send_response(
        self, requesthandle: Any, seqhdr: Any, response: Any,
        msgtype: Any = ua.MessageType.SecureMessage,
    ) -> None:  # fmt: skip
        if self._hostility.half_open:
            return
        response.ResponseHeader.Timestamp = stamp(server_time(self._hostility.skew_ns))
        super().send_response(requesthandle, seqhdr, response, msgtype)

    async def forward_publish_response(
        self, result: ua.PublishResult, requestdata: PublishRequestData
    ) -> None:
        """As the library does, but the values' bytes go in between: copied once, not six times."""
        if self._hostility.half_open:
            return
        parts, results = result.NotificationMessage.NotificationData, requestdata.results or []
        response = ua.PublishResponse()
        response.Parameters = replace(
            result,
            NotificationMessage=replace(result.NotificationMessage, NotificationData=[]),
            Results=results,
        )
        response.ResponseHeader.Timestamp = stamp(server_time(self._hostility.skew_ns))
        response.ResponseHeader.RequestHandle = requestdata.requesthdr.RequestHandle
        frame = struct_to_binary(response)
        behind = 4 + 4 * len(results) + 4  # results, diagnostics
        pieces = [frame[: -behind - 4], struct.pack("<i", len(parts))]
        for part in parts:
            if is_raw(part):
                head = nodeid_to_binary(part.TypeId) + struct.pack("<Bi", 1, len(part.Body))
                pieces += [head, part.Body]
            else:
                pieces.append(extensionobject_to_binary(part))
        body = b"".join([*pieces, frame[-behind:]])
        self._transport.write(
            self._connection.message_to_binary(body, request_id=requestdata.seqhdr.RequestId)
        )

    def publish_request_limit(self, subscription_count: int) -> int:
        return self._hostility.most_publish_requests or super().publish_request_limit(
            subscription_count
        )

    def give_back(self, request: PublishRequestData) -> None:
        """A publish request that was taken and not needed."""
        self._publish_requests.appendleft(request)

    def refuse_publish_requests(self, code: int) -> None:
        """Answer all that wait with this status."""
        while self._publish_requests:
            request = self._publish_requests.popleft()
            fault = ua.ServiceFault()
            fault.ResponseHeader.ServiceResult = status(code)
            self.send_response(request.requesthdr.RequestHandle, request.seqhdr, fault)

    async def close(self) -> None:
        self._publish_requests.clear()  # nobody is there to be answered
        await super().close()


class _Protocol(OPCUAProtocol):
    def __init__(self, hostility: Hostility, **others: Any) -> None:
        super().__init__(**others)
        self._hostility = hostility
        self._dead = False  # once it has swallowed something, nothing after it makes sense

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, transport, self.limits, self._hostility)
            self.processor.set_policies(self.policies)

    def data_received(self, data: bytes) -> None:
        self._dead |= self._hostility.half_open
        if not self._dead:
            super().data_received(data)


class ScaleBinaryServer(BinaryServer):
    hostility: Hostility

    def _make_protocol(self) -> OPCUAProtocol:
        return _Protocol(
            self.hostility, iserver=self.iserver, policies=self._policies, clients=self.clients,
            closing_tasks=self.closing_tasks, limits=self.limits,
        )  # fmt: skip
