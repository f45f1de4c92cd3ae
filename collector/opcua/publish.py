"""The publish loop: several requests wait at the server, each response goes to arrays at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from asyncua import ua
from asyncua.ua import uaerrors

from collector.opcua.decode import Decoder, Publication, Undecodable
from collector.opcua.services import Services

REQUESTS = 4
RETRY_S = 1.0
BUSY = (uaerrors.BadTooManyPublishRequests, uaerrors.BadTimeout)

Acknowledge = Callable[[], None]
Take = Callable[[Publication | None, int, Acknowledge | None], Awaitable[None]]
"""take(publication, received [ns], acknowledge); None and None for a response not decodable; a
keep-alive is not to be acknowledged."""


class PublishLoop:
    """Hands each response on; `acknowledge` is called when its notifications are durable.

    The server limits how many requests may wait: as long as it says that they are too many, one
    less is sent. What is to be acknowledged outlives the connection: `run` may be called again.
    """

    def __init__(self, services: Services, decoder: Decoder, take: Take) -> None:
        self.most = REQUESTS
        self._last_response = time.monotonic()
        self._services = services
        self._decoder = decoder
        self._take = take
        self._requests = REQUESTS
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self._delivering = 0  # waiting for the intake, which is no silence of the server

    async def run(self) -> None:
        """Ends only by an error."""
        self._last_response = time.monotonic()
        self._requests, self._delivering = self.most, 0
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.most):
                tasks.create_task(self._publish())

    def restarted(self) -> None:
        """The silence is known, and something was done about it."""
        self._last_response = time.monotonic()

    @property
    def delivering(self) -> bool:
        """Something waits for the intake: what does not come now is not the server's fault."""
        return self._delivering > 0

    def silent_s(self) -> float:
        """How long the server has left all requests without a response."""
        return 0.0 if self._delivering else time.monotonic() - self._last_response

    async def _publish(self) -> None:
        while True:
            request = ua.PublishRequest()
            acknowledged, self._acknowledge = self._acknowledge, []
            request.Parameters.SubscriptionAcknowledgements = acknowledged
            try:
                body = await self._services.send(request, timeout_s=0)
            except BaseException as error:  # not known to be heard: to be said again
                self._acknowledge += acknowledged
                if not isinstance(error, BUSY):
                    raise
                if isinstance(error, uaerrors.BadTooManyPublishRequests) and self._requests > 1:
                    self._requests -= 1
                    return  # the others go on
                await asyncio.sleep(RETRY_S)
                continue
            self._last_response = time.monotonic()
            await self._receive(body, time.time_ns())

    async def _receive(self, body: bytes, received: int) -> None:
        publication: Publication | None = None
        acknowledge: Acknowledge | None = None
        try:
            publication = self._decoder.publication(body, received)
        except Undecodable:
            pass  # counted by who takes it
        else:
            if publication.has_notifications:
                acknowledge = partial(self.acknowledge, publication)
        self._delivering += 1
        try:
            await self._take(publication, received, acknowledge)
        finally:
            self._delivering -= 1
            self._last_response = time.monotonic()

    def acknowledge(self, publication: Publication) -> None:
        self._acknowledge.append(
            ua.SubscriptionAcknowledgement(
                SubscriptionId=publication.subscription, SequenceNumber=publication.sequence
            )
        )
