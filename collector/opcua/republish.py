"""A notification that did not come, asked for again by its number (OPC 10000-4, 5.14.6)."""

from __future__ import annotations

import struct
import time

from asyncua import ua
from asyncua.ua import uaerrors

from collector.opcua.decode import Decoder, Publication, Undecodable
from collector.opcua.services import Services

NOT_KEPT = uaerrors.BadMessageNotAvailable
UNABLE = (
    uaerrors.BadServiceUnsupported,
    uaerrors.BadNotImplemented,
    uaerrors.BadNotSupported,
)
_RESPONSE = b"\x01\x00" + struct.pack("<H", 835)
_PUBLISH_RESPONSE = b"\x01\x00" + struct.pack("<H", 829)
_HEADER = slice(4, 28)  # time, handle, result, and of a plain one no diagnostics, texts, addition
_PLAIN = (b"\x00\x00\x00\x00\x00" + bytes(3), b"\x00\xff\xff\xff\xff" + bytes(3))


async def ask_again(
    services: Services, decoder: Decoder, subscription: int, number: int
) -> Publication | None:
    """None when the server has it no more, or what it sends cannot be read. Some answer Good, with
    an empty message, for what they do not have."""
    request = ua.RepublishRequest()
    request.Parameters = ua.RepublishParameters(subscription, number)
    try:
        body = await services.send(request)
        found = decoder.publication(as_publish_response(body, subscription), time.time_ns())
    except (NOT_KEPT, *UNABLE, Undecodable):
        return None
    return found if found.has_notifications and found.sequence == number else None


def as_publish_response(body: bytes, subscription: int) -> bytes:
    """The same notification message where a PublishResponse has it; nothing is decoded."""
    if body[:4] != _RESPONSE or body[20:28] not in _PLAIN:
        raise Undecodable("no RepublishResponse with a plain header")
    available, more = struct.pack("<i", 0), b"\x00"
    behind = struct.pack("<ii", 0, 0)  # results, diagnostics
    head = _PUBLISH_RESPONSE + body[_HEADER] + struct.pack("<I", subscription)
    return b"".join([head, available, more, body[28:], behind])
