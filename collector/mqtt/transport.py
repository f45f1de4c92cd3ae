"""The socket of one connection: PUBLISH packets from it in bulk, all others to paho."""

from __future__ import annotations

import math
import select
import ssl
import struct
import time
from collections.abc import Callable

from paho.mqtt import MQTTException
from paho.mqtt.client import error_string
from paho.mqtt.enums import MQTTErrorCode

from collector.mqtt.client import Client
from collector.mqtt.wire import (
    ANSWER,
    BEGIN,
    END,
    FIRST,
    PAYLOAD,
    PUBLISH,
    MalformedError,
    PacketReader,
    Rows,
)

ANSWER_BYTES = 4
PUBREL = 0x62
PUBCOMP = b"\x70\x02"
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
ASK_AFTER_S = 1.0
MOST_UNSENT = 1 << 20
MOST_AT_ONCE = 1 << 20
_PARSING = (MQTTException, struct.error, LookupError, ValueError, TypeError)
"""What paho raises on packets that are none."""
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BrokerError(Exception):
    """The broker refused or dropped us; trying again may help."""


class SilentError(BrokerError):
    """It does not even answer a PINGREQ."""


def answers_to(packets: Rows) -> bytes:
    """What acknowledges packets [n, 9], four bytes each."""
    answers = packets[:, ANSWER]
    return answers[answers > 0].astype("<u4").tobytes()


class Transport:
    """Hands packets on as they come; says nothing by itself but PINGREQ and PUBCOMP."""

    def __init__(
        self, client: Client, reader: PacketReader, take: Callable[[PacketReader, Rows], None]
    ) -> None:
        """take: is given PUBLISH packets [n, 9] of the reader's buffer; `answers` gathers what
        acknowledges them."""
        self._client = client
        self._reader = reader
        self._take = take
        socket = client.socket()
        if socket is None:
            raise BrokerError("no connection")
        self._socket = socket
        self._poll = select.poll()
        self.answers = bytearray()
        self._heard = self._spoke = self._pinged = time.monotonic()

    def read(self, wait_s: float) -> int:
        """Wait for bytes, at most so long, and take what is there. -> how many"""
        unsent = select.POLLOUT if self._client.outbox else 0
        self._poll.register(self._socket.fileno(), select.POLLIN | unsent)
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        if not pending and not self._poll.poll(wait_s * 1000):
            return 0
        total = 0
        while total < MOST_AT_ONCE:
            try:
                count = self._socket.recv_into(self._reader.room())  # type: ignore[attr-defined]
            except _LATER:
                break
            if not count:
                raise BrokerError("the broker closed the connection")
            try:
                self._split(count)
            except MalformedError as error:
                raise BrokerError(
                    f"the broker sent what is no MQTT: {error}; the connection is made again"
                ) from None
            total += count
        if total:
            self._heard = time.monotonic()
        return total

    def _split(self, count: int) -> None:
        self.answers += answers_to(self._reader.take(count))
        while len(packets := self._reader.packets()):
            kinds = packets[:, FIRST] >> 4
            publish = packets if (kinds == PUBLISH).all() else packets[kinds == PUBLISH]
            if len(publish):
                self._take(self._reader, publish)
                self.answers += answers_to(publish)
            for packet in packets[kinds != PUBLISH]:
                self._hand_to_paho(packet)
        self._reader.keep()

    def _hand_to_paho(self, packet: Rows) -> None:
        body = self._reader.bytes[packet[PAYLOAD] : packet[END]]
        if packet[FIRST] == PUBREL:  # paho leaves it to us, as all acknowledging
            self._client.outbox += PUBCOMP
            self._client.outbox += body[:2]
            return
        self._client.inbox += self._reader.bytes[packet[BEGIN] : packet[END]]
        while self._client.inbox:
            try:
                code = self._client.loop_read()
            except _PARSING as error:
                raise MalformedError(f"a packet of type {packet[FIRST] >> 4}: {error!r}") from None
            if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:
                raise MalformedError(f"a packet of type {packet[FIRST] >> 4} that is not one")
            self.check(code)
            if self._client.socket() is None:
                raise BrokerError("the broker ended the connection")

    def write(self) -> None:
        """Send what is waiting, as far as the broker takes it."""
        if self._client.want_write():  # said within one of paho's callbacks
            self.check(self._client.loop_write())
        outbox = self._client.outbox
        if not outbox:
            return
        try:
            sent = self._socket.send(outbox)
        except _LATER:
            return
        del outbox[:sent]
        self._spoke = time.monotonic()

    def send(self, answers: bytes) -> None:
        """Send with the next `write`."""
        self._client.outbox += answers

    @property
    def choked(self) -> bool:
        """The broker does not take our answers."""
        return len(self._client.outbox) > MOST_UNSENT

    def keep_alive(self, listening: bool, patience_s: float) -> None:
        """PINGREQ when nothing was heard for ASK_AFTER_S, or said for half the keep-alive;
        BrokerError when its answer takes longer than our patience, unless we do not listen."""
        now = time.monotonic()
        if not listening:
            self._heard = now
        asked = self._pinged > self._heard
        if asked and now - self._pinged > patience_s:
            raise SilentError(f"the broker has been silent for {now - self._heard:.1f} s")
        half_s = self._client.keepalive / 2 or math.inf
        if not asked and (now - self._heard > ASK_AFTER_S or now - self._spoke > half_s):
            self._pinged = now
            self._client.outbox += PINGREQ

    def check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(error_string(code))

    def close(self) -> None:
        """Say that we go, if the broker listens."""
        self._client.outbox += DISCONNECT
        self.write()
