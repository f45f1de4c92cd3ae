"""What a server of a redundant set says of itself (OPC 10000-4, 6.6.2.4.2), asked all the time."""

from __future__ import annotations

import asyncio
import time

import structlog
from asyncua import ua

from collector.opcua.services import Services, standard_node

HEALTHY = 200
"""From here up to FULL a server is as good as it gets; below it is degraded, at 1 without data."""
FULL = 255
ASK_S = 0.25
SILENT_S = 1.0
"""Without any answer for so long, or three times its slowest answer, another server is better."""
LONGEST_SILENT_S = 2.0
TOLD = ("RedundancySupport", "ServerUriArray", "RedundantServerArray")

log = structlog.get_logger()


class ServiceLevel:
    """value: None while the server is not connected or does not answer. set_: what the server says
    of the set it belongs to, for people."""

    def __init__(self) -> None:
        self.value: int | None = None
        self.set_ = ""

    def unknown(self) -> None:
        self.value = None

    async def watch(self, source: str, url: str, services: Services) -> None:
        """Of one connection; ends only by an error."""
        nodes = [standard_node(f"ServerRedundancy_{name}") for name in TOLD]
        said = _said(*await services.values(nodes))
        if said != self.set_:
            self.set_ = said
            log.info("the server says of its redundancy", source=source, peer=url, said=said)
        while True:
            patience_s = min(max(SILENT_S, 3 * services.slowest_s), LONGEST_SILENT_S)
            try:
                async with asyncio.timeout(patience_s):
                    (told,) = await services.values([standard_node("ServiceLevel")])
                self.value = told if isinstance(told, int) else FULL
            except TimeoutError:
                if time.monotonic() - services.heard >= patience_s:
                    self.value = None
            await asyncio.sleep(ASK_S)


def _said(support: object, uris: object, servers: object) -> str:
    """What these nodes hold, in words; addresses are those of the plant file, whatever it says."""
    words = []
    if isinstance(support, int) and 0 <= support < len(ua.RedundancySupport):
        words.append(ua.RedundancySupport(support).name.rstrip("_"))
    if isinstance(uris, list) and uris:
        words.append(", ".join(map(str, uris)))
    if isinstance(servers, list):
        words += [
            f"{s.ServerId} at level {s.ServiceLevel}"
            for s in servers
            if isinstance(s, ua.RedundantServerDataType)
        ]
    return "; ".join(words) or "nothing"
