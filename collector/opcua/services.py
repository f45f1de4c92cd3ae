"""Requests on a session's channel. Only those that read: nothing here can write to a plant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua import uaerrors
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary

ANSWER_S = 15.0
"""A busy server may take so long; whether it is dead is for the watchdogs to say."""


class Services:
    """The library's transport, channel security and session; `send` gives the bare body.

    heard: monotonic [s], when the server last answered anything. slowest_s: its longest answer
    since `use`, publishing left out.
    """

    def __init__(self) -> None:
        self.heard = time.monotonic()
        self.slowest_s = 0.0
        self._client: Client | None = None

    def use(self, client: Client) -> None:
        """From now on over this client's connection."""
        self._client = client
        self.heard, self.slowest_s = time.monotonic(), 0.0

    async def send(self, request: Any, timeout_s: float = ANSWER_S) -> bytes:
        """The response's body. timeout_s: 0 for no limit."""
        protocol = self._client.uaclient.protocol if self._client else None
        if protocol is None:
            raise ConnectionError("connection lost")
        began = time.monotonic()
        try:
            body = bytes(await protocol.send_request(request, timeout_s))
        except uaerrors.UaStatusCodeError:
            self.heard = time.monotonic()
            raise
        self.heard = time.monotonic()
        if timeout_s:
            self.slowest_s = max(self.slowest_s, self.heard - began)
        return body

    async def call(self, request: Any, response_type: type) -> Any:
        """The response as the library decodes it."""
        body = await self.send(request)
        try:
            response: Any = struct_from_binary(response_type, Buffer(body))
        except Exception as error:  # whatever the library makes of a body that is none
            raise ConnectionError(f"the server's {response_type.__name__} is broken") from error
        response.ResponseHeader.ServiceResult.check()
        return response

    async def values(self, nodes: Sequence[ua.NodeId]) -> list[Any]:
        """What these nodes say, as the library decodes it; None for one that cannot be read."""
        response = await self.call(read_request(nodes), ua.ReadResponse)
        if len(response.Results) != len(nodes):
            raise ConnectionError(f"{len(response.Results)} values for {len(nodes)} nodes")
        return [r.Value.Value if r.Value is not None else None for r in response.Results]

    async def namespaces(self) -> list[str]:
        (uris,) = await self.values([standard_node("NamespaceArray")])
        return [str(uri) for uri in uris or ()]


def standard_node(name: str) -> ua.NodeId:
    """Of the server's own object."""
    return ua.NodeId(getattr(ObjectIds, f"Server_{name}"))


def read_request(nodes: Sequence[ua.NodeId], attribute: int = AttributeIds.Value) -> ua.ReadRequest:
    """An attribute of these nodes, now."""
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in nodes
    ]
    return request
