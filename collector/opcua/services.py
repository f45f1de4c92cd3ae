"""Requests on a session's channel. Only those that read: nothing here can write to a plant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua import uaerrors
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary

TOO_LARGE = (
    uaerrors.BadTooManyOperations,
    uaerrors.BadTcpMessageTooLarge,
    uaerrors.BadRequestTooLarge,
    uaerrors.BadResponseTooLarge,
    uaerrors.BadEncodingLimitsExceeded,
)


class Services:
    """The library's transport, channel security and session; `send` gives the bare body."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, request: Any, timeout_s: float | None = None) -> bytes:
        """The response's body. timeout_s: the client's when None, 0 for no limit."""
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("connection lost")
        return bytes(await protocol.send_request(request, timeout_s))

    async def call(self, request: Any, response_type: type) -> Any:
        """The response as the library decodes it."""
        body = await self.send(request)
        try:
            response: Any = struct_from_binary(response_type, Buffer(body))
        except Exception as error:  # whatever the library makes of a body that is none
            raise ConnectionError(f"the server's {response_type.__name__} is broken") from error
        response.ResponseHeader.ServiceResult.check()
        return response

    async def namespaces(self) -> list[str]:
        uris: list[str] = await self._client.get_namespace_array()
        return uris

    async def limit(self, name: str, most: int) -> int:
        """One of the server's operation limits, at most `most`; 0 or not readable means none."""
        node = ua.NodeId(getattr(ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}"))
        response = await self.call(read_request([node]), ua.ReadResponse)
        (value,) = response.Results
        number = value.Value.Value if value.Value is not None else None
        return min(number, most) if isinstance(number, int) and number > 0 else most


def read_request(nodes: Sequence[ua.NodeId]) -> ua.ReadRequest:
    """The values of these nodes, now."""
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value) for node in nodes
    ]
    return request
