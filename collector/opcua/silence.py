"""A server that says nothing at all: dead, or only busy? A new connection tells.

A fixed limit would either declare busy servers dead or find dead ones late. Here a mute connection
is left as soon as the server takes another one, and kept as long as it does not.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from asyncua.ua import uaerrors

from collector.opcua.secure_client import SecureClient
from collector.opcua.services import Services, standard_node

TICK_S = 0.2
ASK_AFTER_S = 1.0
"""Nothing heard for so long, and the server is asked for its state."""
ANSWERED_IN_S = 1.5
"""Or three times its slowest answer."""
GONE_S = 8.0


class ChannelWatch:
    """Of one connection; `run` ends by ConnectionError."""

    def __init__(self, services: Services, client: SecureClient) -> None:
        self._services = services
        self._client = client

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            asked = self._services.heard
            if loop.time() - asked < ASK_AFTER_S:
                continue
            question = asyncio.create_task(self._ask())
            try:
                await self._until_heard(asked)
            finally:
                question.cancel()

    async def _ask(self) -> None:
        with suppress(OSError, TimeoutError, uaerrors.UaError):  # whoever else waits is told
            await self._services.values([standard_node("ServerStatus_State")])

    async def _until_heard(self, before: float) -> None:
        loop = asyncio.get_running_loop()
        patience_s = max(ANSWERED_IN_S, 3 * self._services.slowest_s)
        began = loop.time()
        while self._services.heard == before:
            silent_s = loop.time() - before
            if loop.time() - began > patience_s and await self._client.is_taken():
                raise ConnectionError(
                    f"no answer for {silent_s:.1f} s, though the server takes new connections"
                )
            if silent_s > max(GONE_S, 2 * patience_s):
                raise ConnectionError(f"no answer at all for {silent_s:.0f} s")
            await asyncio.sleep(TICK_S)
