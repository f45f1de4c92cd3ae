"""A notification that did not come, asked for again by its number (OPC 10000-4, 5.14.6)."""

from __future__ import annotations

import struct
import time

from asyncua import ua
from asyncua.ua import uaerrors

from collector.opcua.decode import Decoder, Publication, Undecodable, plain_header
from collector.opcua.services import Services

NOT_KEPT = uaerrors.BadMessageNotAvailable
UNABLE = (
    uaerrors.BadServiceUnsupported,
    uaerrors.BadNotImplemented,
    uaerrors.BadNotSupported,
)
_RESPONSE = 835
_PUBLISH_RESPONSE = b"\x01\x00" + struct.pack("<H", 829)


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
    head = plain_header(body, _RESPONSE)
    available, more = struct.pack("<i", 0), b"\x00"
    behind = struct.pack("<ii", 0, 0)  # results, diagnostics
    start = _PUBLISH_RESPONSE + head + struct.pack("<I", subscription)
    return b"".join([start, available, more, body[28:], behind])
