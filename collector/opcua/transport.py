"""The library's client, with a bound on what a server may send: it has none of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol

MOST_BYTES = 64 << 20
"""Of a message: ten times the first values of a plant's 160,000 tags."""
MOST_CHUNKS = MOST_BYTES >> 13
"""Of 8 KiB, the smallest that the standard allows."""
MOST_IN_A_CHUNK = 1 << 20
"""Sixteen times what our Hello says that we take."""


class TooLarge(ConnectionError):
    """To be asked for again it would be as large."""


@contextmanager
def _plain_cancellation() -> Iterator[None]:
    """The library raises one of its own kind when an answer comes at the same moment; to task
    groups and timeouts that would be an error."""
    try:
        yield
    except asyncio.CancelledError:
        raise asyncio.CancelledError from None


class BoundedProtocol(UASocketProtocol):
    """Ends the connection at a message or chunk that is larger, before it is kept whole."""

    async def send_request(self, *request: Any, **how: Any) -> Any:
        with _plain_cancellation():
            return await super().send_request(*request, **how)

    async def send_hello(self, *hello: Any) -> Any:
        with _plain_cancellation():
            return await super().send_hello(*hello)

    async def open_secure_channel(self, params: Any) -> Any:
        with _plain_cancellation():
            return await super().open_secure_channel(params)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        chunk = len(self.receive_buffer or b"")
        message = self._connection._incoming_size + MOST_IN_A_CHUNK  # told before the library is
        if chunk > MOST_IN_A_CHUNK or message > MOST_BYTES:
            self.receive_buffer = None
            self._connection._drop_incoming_parts()
            error = TooLarge(
                f"the server sends more than {MOST_BYTES >> 20} MB in a message, or more than "
                f"{MOST_IN_A_CHUNK >> 20} MB in a chunk; have it keep to what our Hello says"
            )
            self._fail_all_pending(error)
            if self.transport is not None:
                self.transport.abort()


class BoundedClient(Client):
    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout=timeout)
        self.max_messagesize = MOST_BYTES
        self.max_chunkcount = MOST_CHUNKS
        self.uaclient._make_protocol = self._bounded  # type: ignore[method-assign]

    def _bounded(self) -> UASocketProtocol:
        """As the library makes its own."""
        client = self.uaclient
        protocol = BoundedProtocol(client._timeout, security_policy=client.security_policy)
        protocol.pre_request_hook = client._pre_request_hook
        protocol.on_connection_lost = client._on_transport_lost
        protocol.is_session_closing = client._is_session_closing
        client.protocol = protocol
        return protocol
