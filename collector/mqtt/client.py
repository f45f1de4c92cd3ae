"""paho without its hands on the socket: it takes what is put in its inbox, and fills its outbox."""

from __future__ import annotations

from typing import Any

import paho.mqtt.client
from paho.mqtt.enums import CallbackAPIVersion


class Client(paho.mqtt.client.Client):
    """Makes the connection, TLS included, and keeps the protocol's state; after that the socket is
    read and written by `Transport` alone."""

    def __init__(self, version: CallbackAPIVersion, **options: Any) -> None:
        super().__init__(version, **options)
        self._reconnect_on_failure = False  # or it would try an older MQTT by itself
        self.inbox = bytearray()
        self.outbox = bytearray()

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self.inbox:
            raise BlockingIOError
        taken = bytes(self.inbox[:bufsize])
        del self.inbox[:bufsize]
        return taken

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self.outbox += buf
        return len(buf)
